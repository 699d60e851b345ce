//! A run of a paper: what no paper changes. Seeds, the run folder, resuming, digests, the test of the best or last epoch, the summary, ranks of
//! every query.
//!
//! A paper brings a [`Recipe`]; [`train`] and [`evaluate`] are the same for all of them.

mod device;
mod driver;
mod folder;
mod host;
mod recipe;
mod summary;

pub use device::{Job, on_device};
pub use driver::{Outcome, RunError, evaluate, train};
pub use folder::{RunFolder, RunFolderError};
pub use host::cpu_name;
pub use recipe::{Deviation, Evaluation, Export, Foreign, Imported, Importer, Part, Recipe, Setting, Tested, Width};
pub use summary::{ScoreOverSeeds, SeedScores, Summary};
