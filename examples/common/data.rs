//! The data sets of the paper from a folder in the authors' layout, and the built-in one.

use std::collections::BTreeMap;
use std::path::Path;

use coembed::data::Loaded;
use coembed::data::epic100::{self, EvalSplitName};
use coembed::data::relational::{EvalSplit, FolderOptions, TrainSplit};
use coembed::data::youcook2;
use coembed::recipes::relmargin::{Dataset, ModelKind, Options};
use coembed::train::{Purpose, rng};
use miette::{IntoDiagnostic, Result};

use crate::emoji;

/// SHA-256 of every file read.
pub type Files = BTreeMap<String, String>;

/// What to read a folder for.
fn folder_options(options: &Options) -> FolderOptions {
    FolderOptions {
        all_noun_classes: options.all_noun_classes,
        first_noun_only: options.model == ModelKind::Mmen,
        video_width: options.video_width(),
        ..FolderOptions::default()
    }
}

/// Prints warnings, notes files.
fn unpack<T>(loaded: Loaded<T>, files: &mut Files) -> T {
    loaded.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    files.extend(loaded.files.into_iter().map(|(path, digest)| (path.display().to_string(), digest)));
    loaded.split
}

/// Training and validation split.
pub fn training(options: &Options, folder: &Path, files: &mut Files) -> Result<(TrainSplit, EvalSplit)> {
    let from = folder_options(options);
    let mut draw = rng(options.seed, Purpose::Classes, 0, 0);
    Ok(match options.dataset {
        Dataset::Epic100 => {
            let train = epic100::load_train(folder, &from, &mut draw).into_diagnostic()?;
            let validation = epic100::load_eval(folder, EvalSplitName::Validation, &from).into_diagnostic()?;
            (unpack(train, files), unpack(validation, files))
        }
        Dataset::Youcook2 => {
            let train = youcook2::load_train(folder, &from, &mut draw).into_diagnostic()?;
            (unpack(train, files), unpack(youcook2::load_eval(folder, &from).into_diagnostic()?, files))
        }
        Dataset::Emoji => {
            let data = emoji::load(emoji::Split::Random, 0).into_diagnostic()?;
            files.insert("built-in pictures".into(), data.digest);
            (data.train, data.validation)
        }
    })
}

/// The split that is reported, and its name.
pub fn test(options: &Options, folder: &Path, files: &mut Files) -> Result<(&'static str, EvalSplit)> {
    let from = folder_options(options);
    Ok(match options.dataset {
        Dataset::Epic100 => {
            let loaded = epic100::load_eval(folder, EvalSplitName::Test, &from).into_diagnostic()?;
            ("epic100 test", unpack(loaded, files))
        }
        Dataset::Youcook2 => {
            ("youcook2 validation", unpack(youcook2::load_eval(folder, &from).into_diagnostic()?, files))
        }
        Dataset::Emoji => ("emoji random test", emoji::load(emoji::Split::Random, 0).into_diagnostic()?.test),
    })
}
