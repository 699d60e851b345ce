//! The classes of the EPIC-Kitchens-100 retrieval test split, from its two published annotation files. Shared by a test and a benchmark.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use coembed::relevance::{ClassSet, Classes};

/// `$COEMBED_DATA/epic100`, by default `../shared/data/epic100` beside the repository; `None`, with a word about why, where a file is absent.
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

/// Classes of the videos and of the captions. A caption's classes are those of the video with its `narration_id`: the text of six captions
/// belongs to another video than their id.
pub fn classes(folder: &Path) -> (Vec<Classes>, Vec<Classes>) {
    let rows = columns(&folder.join("EPIC_100_retrieval_test.csv"), ["narration_id", "verb_class", "all_noun_classes"]);
    let videos: Vec<Classes> = rows
        .iter()
        .map(|[_, verb, nouns]| Classes { verbs: verb.parse().unwrap(), nouns: ClassSet::from_list(nouns).unwrap() })
        .collect();
    let by_id: HashMap<&str, &Classes> =
        rows.iter().zip(&videos).map(|(row, classes)| (row[0].as_str(), classes)).collect();
    let captions = columns(&folder.join("EPIC_100_retrieval_test_sentence.csv"), ["narration_id"]);
    let captions = captions.iter().map(|[id]| by_id[id.as_str()].clone()).collect();
    (videos, captions)
}

/// The named columns of a CSV file, row by row.
fn columns<const N: usize>(path: &Path, names: [&str; N]) -> Vec<[String; N]> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let headers = reader.headers().unwrap().clone();
    let positions = names.map(|name| headers.iter().position(|header| header == name).unwrap());
    reader.records().map(|record| record.map(|record| positions.map(|i| record[i].to_owned())).unwrap()).collect()
}
