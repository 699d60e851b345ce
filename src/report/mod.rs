//! What a run says about itself: tables, means and deviations, significance, predictions for a challenge.

mod predictions;
mod significance;
mod statistics;
mod table;

pub use predictions::predictions;
pub use significance::{PairedTest, paired_permutation_test};
pub use statistics::MeanStd;
pub use table::TextTable;
