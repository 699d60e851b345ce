//! Any bytes as word vectors: no panic; vectors are of unit length.
#![no_main]

use coembed_fuzz::formats::word2vec::{Kind, from_slice};
use coembed_fuzz::limits;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for kind in [Kind::Binary, Kind::Text] {
        let Ok(model) = from_slice(bytes, kind, &limits()) else { continue };
        assert!(!model.is_empty() && model.width() > 0);
        if let Some(vector) = model.get("a") {
            assert_eq!(vector.len(), model.width());
            assert!(vector.iter().all(|value| value.is_finite()));
        }
    }
});
