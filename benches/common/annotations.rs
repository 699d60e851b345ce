//! Where the annotation files of the EPIC-Kitchens-100 retrieval test split are. Shared by tests and a benchmark.

use std::path::{Path, PathBuf};

use coembed::data::epic100::annotations::Annotations;
use coembed::formats::Limits;
use coembed::relevance::Classes;

/// `$COEMBED_DATA/epic100`, by default `../shared/data/epic100` beside the repository; `None`, with a word about why, where a
/// file is absent.
pub fn folder() -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("COEMBED_DATA").map_or_else(default, PathBuf::from).join("epic100");
    let needed = ["EPIC_100_retrieval_test.csv", "EPIC_100_retrieval_test_sentence.csv"].map(|name| folder.join(name));
    if let Some(missing) = needed.iter().find(|path| !path.is_file()) {
        println!("{} does not exist; set COEMBED_DATA to the folder that holds epic100/", missing.display());
        return None;
    }
    Some(folder)
}

/// Classes of the videos and of the captions.
#[allow(dead_code)]
pub fn classes(folder: &Path) -> (Vec<Classes>, Vec<Classes>) {
    let limits = Limits::default();
    let annotations = Annotations::open(&folder.join("EPIC_100_retrieval_test.csv"), &limits).unwrap();
    let captions = annotations.open_captions(&folder.join("EPIC_100_retrieval_test_sentence.csv"), &limits).unwrap();
    let videos = annotations.classes();
    let captions = captions.into_iter().map(|row| videos[row].clone()).collect();
    (videos, captions)
}
