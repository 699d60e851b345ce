//! Any bytes as MessagePack: no panic, budgets respected.
#![no_main]

use coembed_fuzz::{limits, tree_of};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((count, depth)) = tree_of(bytes, "mp") {
        assert!(count <= limits().nodes && depth <= 1 + limits().depth);
    }
});
