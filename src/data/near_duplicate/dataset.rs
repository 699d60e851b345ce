use std::path::{Path, PathBuf};

use crate::data::FileError;

/// A data set of near-duplicate retrieval, by the names of the published program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Dataset {
    /// `CC_WEB_VIDEO`.
    CcWeb,
    /// `VCDB`.
    Vcdb,
    /// `FIVR-5K`, `FIVR-200K`.
    Fivr {
        /// What stands behind the hyphen, in lower case.
        version: String,
    },
    /// `EVVE`.
    Evve,
    /// `ACTIVITY_NET`, which is ViSiL's.
    ActivityNet,
}

/// A name that is no data set's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "data set {name:?}: a name with CC_WEB, VCDB, FIVR and a version (FIVR-5K, FIVR-200K), EVVE or ACTIVITY_NET in it expected"
)]
pub struct UnknownDataset {
    /// The name.
    pub name: String,
}

impl Dataset {
    /// The data set of a name: the first of `CC_WEB`, `VCDB`, `FIVR`, `EVVE`, `ACTIVITY_NET` that is in it, in capitals, as published.
    ///
    /// # Errors
    /// [`UnknownDataset`], where none is, or where FIVR has no version.
    pub fn find(name: &str) -> Result<Self, UnknownDataset> {
        let unknown = || UnknownDataset { name: name.into() };
        let has = |part| name.contains(part);
        Ok(match () {
            () if has("CC_WEB") => Self::CcWeb,
            () if has("VCDB") => Self::Vcdb,
            () if has("FIVR") => {
                let version = name.split('-').nth(1).filter(|version| !version.is_empty()).ok_or_else(unknown)?;
                Self::Fivr { version: version.to_lowercase() }
            }
            () if has("EVVE") => Self::Evve,
            () if has("ACTIVITY_NET") => Self::ActivityNet,
            () => return Err(unknown()),
        })
    }

    /// The name of its file of annotations, without an extension.
    pub fn file_stem(&self) -> &'static str {
        match self {
            Self::CcWeb => "cc_web_video",
            Self::Vcdb => "vcdb",
            Self::Fivr { .. } => "fivr",
            Self::Evve => "evve",
            Self::ActivityNet => "activity_net",
        }
    }

    /// Its file of annotations in a folder: `.pickle`, as published, else `.pickle.gz`, `.json`, `.json.gz`.
    ///
    /// # Errors
    /// [`FileError::Missing`], which names them all.
    pub fn file(&self, folder: &Path) -> Result<PathBuf, FileError> {
        let stem = self.file_stem();
        let looked_for = ["pickle", "pickle.gz", "json", "json.gz"].map(|end| folder.join(format!("{stem}.{end}")));
        match looked_for.iter().find(|path| path.is_file()) {
            Some(path) => Ok(path.clone()),
            None => Err(FileError::Missing { what: format!("annotations of {stem}"), looked_for: looked_for.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_for_in_the_published_order() {
        let fivr = |version: &str| Dataset::Fivr { version: version.into() };
        for (name, dataset) in [
            ("CC_WEB_VIDEO", Dataset::CcWeb),
            ("VCDB-CC_WEB", Dataset::CcWeb),
            ("VCDB", Dataset::Vcdb),
            ("FIVR-5K", fivr("5k")),
            ("FIVR-200K", fivr("200k")),
            ("my-FIVR", fivr("fivr")),
            ("EVVE-FIVR-200k", fivr("fivr")),
            ("EVVE", Dataset::Evve),
            ("ACTIVITY_NET", Dataset::ActivityNet),
        ] {
            assert_eq!(Dataset::find(name), Ok(dataset), "{name}");
        }
        for name in ["", "FIVR", "FIVR-", "fivr-5k", "cc_web"] {
            let error = Dataset::find(name).unwrap_err().to_string();
            assert!(error.contains("CC_WEB, VCDB, FIVR") && error.contains("EVVE or ACTIVITY_NET"), "{error}");
        }
    }

    #[test]
    fn a_missing_file_names_what_was_looked_for() {
        let error = Dataset::Vcdb.file(Path::new("nowhere")).unwrap_err().to_string();
        assert!(error.contains("vcdb.pickle,") && error.contains("vcdb.json.gz"), "{error}");
    }
}
