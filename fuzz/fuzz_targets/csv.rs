//! Any bytes as a table of annotations: no panic; every row has its cells.
#![no_main]

use std::path::Path;

use coembed_fuzz::limits;
use coembed_fuzz::table::{Cell, CsvTable};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for name in ["a.csv", "a.pkl"] {
        let Ok(table) = CsvTable::read(Path::new(name), bytes, ["narration_id", "noun_class"], &limits()) else {
            continue;
        };
        for row in 0..table.rows() {
            let text = table.cell(row, 0, Cell::text);
            assert!(name == "a.pkl" || text.is_ok());
            let _ = table.cell(row, 1, Cell::integer);
            let _ = table.cell(row, 1, Cell::integers);
        }
        let _ = table.unique(0);
    }
});
