//! Any bytes as a table of annotations: no panic; every row has its cells.
#![no_main]

use std::path::Path;

use coembed_fuzz::limits;
use coembed_fuzz::table::{Cell, Table};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for name in ["a.csv", "a.pkl"] {
        let columns = ["narration_id", "noun_class", "all_nouns"];
        let Ok(table) = Table::read(Path::new(name), bytes, &columns, &limits()) else { continue };
        for column in columns.iter().filter_map(|column| table.find(column)) {
            assert_eq!(column.cells().len(), table.rows());
            for row in 0..table.rows() {
                let text = column.cell(row, Cell::text);
                assert!(name == "a.pkl" || text.is_ok());
                let _ = column.cell(row, Cell::integer);
                let _ = column.cell(row, Cell::any_integers);
                let _ = column.cell(row, Cell::texts);
            }
            let _ = column.unique(Cell::text);
        }
    }
});
