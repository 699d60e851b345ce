//! What a run says about itself: tables, significance, the summary file.

mod significance;
mod statistics;
mod summary;
mod table;

pub use significance::{PairedTest, paired_permutation_test};
pub use statistics::MeanStd;
pub use summary::Summary;
pub use table::Table;
