//! Collaborative Experts and its relatives: the published archives of features.

use std::collections::BTreeSet;
use std::path::Path;

use coembed::data::experts::{FeatureArchive, Release};
use serde::Deserialize;

use crate::support::golden_dir;

#[derive(Deserialize)]
struct File {
    archives: Vec<Published>,
}

#[derive(Deserialize)]
struct Published {
    release: String,
    dataset: String,
    name: String,
    url: Option<String>,
    size: Option<String>,
    /// Sums, and which texts have them.
    sha1: Vec<(String, String)>,
    unpacks_to: Option<String>,
}

/// Names, addresses, sizes, sums and folders; and no archive more.
pub fn archives() {
    let path = golden_dir().join("ce/archives.json");
    let file: File = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut published = BTreeSet::new();
    for expected in file.archives {
        let release = match expected.release.starts_with("first release") {
            true => Release::FeaturesV1,
            false => expected.release.parse().unwrap(),
        };
        let code = (expected.dataset == "LSMDC").then_some("abc");
        let archive = FeatureArchive::new(&expected.dataset, release, code).unwrap();
        let of = format!("{} of {}", expected.name, expected.release);
        assert_eq!(archive.name(), expected.name, "{of}");
        // The SHA-256 of "abc" begins with ba7816bf8f (FIPS 180-2).
        let url = expected.url.map(|url| url.replace("<10 hex digits of sha256 of the access code>", "ba7816bf8f"));
        assert_eq!(archive.published_url().ok(), url, "{of}");
        assert_eq!(archive.size(), expected.size.as_deref(), "{of}");
        let sums: Vec<String> = expected.sha1.into_iter().map(|(sum, _)| sum).collect();
        assert_eq!(archive.sums(), sums, "{of}");
        assert_eq!(archive.folder(Path::new("")).as_deref(), expected.unpacks_to.as_deref().map(Path::new), "{of}");
        assert!(published.insert((expected.dataset, release.name())), "{of} twice");
    }
    let known: BTreeSet<_> = FeatureArchive::all().map(|(name, release)| (name.to_owned(), release.name())).collect();
    assert_eq!(known, published);
}
