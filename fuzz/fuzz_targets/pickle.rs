//! Any bytes as a pickle: no panic, budgets respected, the same result twice, a walk that ends.
#![no_main]

use coembed_fuzz::formats::Limits;
use coembed_fuzz::formats::pickle::{Options, UnknownGlobal, Value};
use libfuzzer_sys::fuzz_target;

fn limits() -> Limits {
    Limits { nodes: 20_000, expanded_nodes: 20_000, bytes: 1 << 20, depth: 50, ..Limits::default() }
}

/// Values and greatest depth.
fn walk(value: &Value) -> (u64, u32) {
    let children: Vec<&Value> = match value {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => items.iter().collect(),
        Value::Dict(dict) => dict.entries().iter().flat_map(|(key, value)| [key, value]).collect(),
        _ => Vec::new(),
    };
    children.into_iter().map(walk).fold((1, 1), |(count, depth), (more, below)| (count + more, depth.max(below + 1)))
}

fuzz_target!(|bytes: &[u8]| {
    for unknown_globals in [UnknownGlobal::Refuse, UnknownGlobal::Opaque] {
        let options = Options { limits: limits(), unknown_globals };
        match (options.from_slice(bytes), options.from_slice(bytes)) {
            (Ok(first), Ok(second)) => {
                let (count, depth) = walk(&first);
                assert!(count <= limits().expanded_nodes && depth <= limits().depth);
                // As text, since NaN is not equal to itself.
                assert_eq!(format!("{first:?}"), format!("{second:?}"));
            }
            (Err(first), Err(second)) => assert_eq!(first.to_string(), second.to_string()),
            (first, second) => panic!("{first:?} then {second:?}"),
        }
    }
});
