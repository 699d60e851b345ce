//! Any bytes as HDF5: no panic, budgets respected, a walk that ends.
#![no_main]

use coembed_fuzz::formats::hdf5;
use coembed_fuzz::{limits, walk};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = hdf5::parse(bytes, &limits()) {
        assert!(walk(&value).0 <= limits().expanded_nodes);
    }
});
