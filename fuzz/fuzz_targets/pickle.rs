//! Any bytes as a pickle: no panic, budgets respected, the same result twice, a walk that ends.
#![no_main]

use coembed_fuzz::formats::pickle::{PickleOptions, UnknownGlobal};
use coembed_fuzz::{limits, walk};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for unknown_globals in [UnknownGlobal::Refuse, UnknownGlobal::Opaque] {
        let options = PickleOptions { limits: limits(), unknown_globals };
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
