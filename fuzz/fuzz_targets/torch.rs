//! Any bytes as a checkpoint: no panic, every tensor has the values its shape promises, the total stays in budget.
#![no_main]

use coembed_fuzz::formats::pickle::{PickleOptions, UnknownGlobal};
use coembed_fuzz::formats::torch;
use coembed_fuzz::limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let budget = limits().bytes as usize;
    for unknown_globals in [UnknownGlobal::Refuse, UnknownGlobal::Opaque] {
        let Ok(checkpoint) = torch::from_slice(bytes, &PickleOptions { limits: limits(), unknown_globals }) else {
            continue;
        };
        for key in [None, Some("state_dict")] {
            let Ok(state) = checkpoint.state_dict(key) else { continue };
            let mut total = 0;
            for (_, array) in &state.tensors {
                assert_eq!(array.len(), array.shape().iter().product::<usize>());
                total += array.len();
            }
            assert!(total <= budget);
        }
    }
});
