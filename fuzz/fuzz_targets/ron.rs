//! Any text as options, a table of rows and the value of an option: no panic; what is read can be written and read again.
#![no_main]

use std::collections::BTreeMap;

use coembed_fuzz::options::{Changes, Options, Table, parse};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Reading {
    Fixed,
    Sequence { clusters: usize, longest: Option<u32> },
}

coembed_fuzz::options! {
    /// Options of every kind that the library has.
    pub Toy, changes ToyChanges {
        /// A number.
        rate ["lr"]: f32 = 0.5,
        /// A text.
        name: String = "a".into(),
        /// A list.
        experts: Vec<String> = vec![],
        /// An enum.
        reading: Reading = Reading::Fixed,
        /// What may be absent.
        split: Option<String> = None,
        /// Seeds.
        seeds: Vec<u64> = vec![0],
    }
    maps {
        /// A map.
        features: BTreeMap<String, Option<Reading>>,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(options) = parse::<Toy>("options", text) {
        let again = parse::<Toy>("again", &options.to_ron());
        assert!(again.is_ok_and(|again| again == options || options.rate.is_nan()));
    }
    if let Ok(table) = Table::<Toy>::embedded(&[("rows", text)]) {
        for row in &table.rows {
            let _ = table.checked(&row.name);
        }
    }
    for field in Toy::FIELDS {
        let _ = ToyChanges::default().set(field.name, text);
    }
});
