use crate::data::FileError;
use crate::data::experts::ExpertsError;

/// Why a folder of features was refused.
#[derive(Debug, thiserror::Error)]
pub enum ExpertFolderError {
    /// A file is missing or cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Experts, captions and teachers do not belong together, or an option does not fit them.
    #[error(transparent)]
    Experts(#[from] ExpertsError),
}

pub(super) type Result<T, E = ExpertFolderError> = std::result::Result<T, E>;
