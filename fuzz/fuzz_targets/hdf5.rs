//! Any bytes as HDF5: no panic, budgets respected, a walk that ends.
#![no_main]

use coembed_fuzz::formats::pickle::Value;
use coembed_fuzz::formats::{Limits, hdf5};
use libfuzzer_sys::fuzz_target;

/// Values in a tree; the shapes of arrays agree with their values.
fn walk(value: &Value) -> u64 {
    let children: Vec<&Value> = match value {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => items.iter().collect(),
        Value::Dict(dict) => dict.entries().iter().map(|(_, value)| value).collect(),
        Value::Array(array) => {
            assert_eq!(array.len(), array.shape().iter().product::<usize>());
            Vec::new()
        }
        _ => Vec::new(),
    };
    children.into_iter().map(walk).fold(1, |count, more| count + more)
}

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { nodes: 20_000, expanded_nodes: 20_000, bytes: 1 << 20, depth: 50, ..Limits::default() };
    if let Ok(value) = hdf5::parse(bytes, &limits) {
        assert!(walk(&value) <= limits.expanded_nodes);
    }
});
