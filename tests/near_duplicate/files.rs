//! Annotations in both layouts, and files that are damaged or not what they should be.

use std::path::{Path, PathBuf};

use coembed::data::near_duplicate::fivr::{self, FivrFiles};
use coembed::data::near_duplicate::{activity_net, cc_web, evve, vcdb};
use coembed::data::{FileError, Loaded};
use coembed::formats::Limits;
use coembed::relevance::near_duplicate::{CcWebLabel, FivrLabel};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Every layout, pickles as JSON of the same tree.
fn layouts() -> Vec<(&'static str, Value)> {
    let sets = json!([{"0": "E", "2": "x", "7": "S"}, {"1": "E"}]);
    vec![
        (
            "cc_web",
            json!({"vid2index": {"a": 0, "b": 1, "c": 2}, "queries": ["a", "b"], "ground_truth": sets, "excluded": [[2, 9], []]}),
        ),
        (
            "cc_web",
            json!({"videos": ["a", "b", "c"], "video_index": [0, 1, 2], "queries": ["a", "b"], "ground_truth": sets,
                "excluded": [[2, 9], []], "index": ["a", "b", "c"]}),
        ),
        (
            "cc_web",
            json!({"index": {"a": 0, "b": 1, "c": 2}, "queries": ["a", "b"], "ground_truth": sets, "excluded": [[9, 2], []]}),
        ),
        (
            "vcdb",
            json!({"index": ["a", "b", "c", "d", "c"], "negs": ["c", "d", "c"],
                "video_pairs": [{"videos": ["a", "b"], "overlap": [0.5, 1]}, {"videos": ["b", "d"], "overlap": [0.25, 0.75]}]}),
        ),
        (
            "vcdb",
            json!({"index": ["a", "b", "c", "d", "c"], "n_queries": 5, "negs_runs": [[2, 3]],
                "video_pairs": [[0, 1, 0.5, 1], [1, 3, 0.25, 0.75]]}),
        ),
        (
            "evve",
            json!({"queries": ["q", "r"], "database": ["a", "b", "a"],
                "annotation": {"z": [["r"], ["b", "new"], []], "e": [["q"], ["b", "a"], ["b"]]}}),
        ),
        (
            "evve",
            json!({"queries": ["q", "r"], "database": ["a", "b"], "events": {
                "e": {"queries": ["q"], "positives": ["a", "b"], "negatives": ["b"]},
                "z": {"queries": ["r"], "positives": ["new", "b"], "negatives": []}}}),
        ),
        ("activity_net", json!({"a": ["c", "b"], "b": []})),
        ("activity_net", json!({"queries": ["a", "b"], "relevant": [["b", "c"], []]})),
        (
            "fivr",
            json!({"annotation": {"q": {"ND": ["b"], "DA": ["a", "far"], "??": []}, "r": {}},
                "5k": {"queries": ["q"], "database": ["b", "a"]}, "200k": {"queries": ["q", "r"], "database": []}}),
        ),
    ]
}

fn write(folder: &Path, name: &str, contents: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, contents).unwrap();
    path
}

/// Reads a file as what it may be; what matters is that it ends, with a value or an error that names the file.
fn read(dataset: &str, path: &Path) -> Result<(), FileError> {
    let limits = Limits::default();
    match dataset {
        "cc_web" => cc_web::load(path, &limits).map(|_| ()),
        "vcdb" => vcdb::load(path, &limits).map(|_| ()),
        "evve" => evve::load(path, &limits).map(|_| ()),
        "activity_net" => activity_net::load(path, &limits).map(|_| ()),
        "fivr" => fivr::load(&FivrFiles::Pickle(path.into()), "5k", &limits).map(|_| ()),
        other => panic!("{other}"),
    }
}

fn of<T>(layout: usize, load: impl Fn(&Path) -> Result<Loaded<T>, FileError>) -> Loaded<T> {
    let folder = tempfile::tempdir().unwrap();
    let (dataset, value) = &layouts()[layout];
    load(&write(folder.path(), &format!("{dataset}.json"), value.to_string().as_bytes())).unwrap()
}

#[test]
fn all_layouts_of_cc_web_are_one() {
    let [pickle, json, visil] = [0, 1, 2].map(|layout| of(layout, |path| cc_web::load(path, &Limits::default())).split);
    assert_eq!(pickle, json);
    assert_eq!(pickle, visil);
    // Number 7 has a label and no id, 9 is excluded and has none.
    assert_eq!((pickle.ids.len(), pickle.ids.id(2), pickle.ids.id(3)), (5, Some("c"), None));
    assert_eq!((pickle.queries, pickle.database), (vec![0, 1], vec![0, 1, 2]));
    let labels = [(0, CcWebLabel::Exact), (2, CcWebLabel::Dissimilar), (3, CcWebLabel::Similar)];
    assert_eq!((&pickle.truths[0].labels[..], &pickle.truths[0].excluded[..]), (&labels[..], &[2, 4][..]));
}

#[test]
fn both_layouts_of_vcdb_are_one() {
    let [pickle, json] = [3, 4].map(|layout| of(layout, |path| vcdb::load(path, &Limits::default())));
    assert_eq!(pickle.split, json.split);
    let vcdb::Vcdb { set, pairs, negatives } = pickle.split;
    assert_eq!((set.queries, set.database), (vec![0, 1, 2, 3], vec![0, 1, 2, 3]));
    assert_eq!(set.truths, [vec![0, 1], vec![0, 1, 3], vec![2], vec![1, 3]]);
    assert_eq!((pairs[1].videos, pairs[1].overlap, negatives), ([1, 3], [0.25, 0.75], vec![2, 3, 2]));
    assert_eq!(pickle.warnings, ["index: 1 of 5 ids are listed before; each video counts once"]);
}

#[test]
fn both_layouts_of_evve_and_activity_net_are_one() {
    let [pickle, json] = [5, 6].map(|layout| of(layout, |path| evve::load(path, &Limits::default())).split);
    assert_eq!(pickle, json);
    assert_eq!(pickle.set.truths, [0, 1]);
    let event = pickle.event_of(1).unwrap();
    assert_eq!((&*event.name, &event.positives), ("z", &vec![1, 4]));
    let [pickle, json] = [7, 8].map(|layout| of(layout, |path| activity_net::load(path, &Limits::default())).split);
    assert_eq!(pickle, json);
    assert_eq!((pickle.database, pickle.truths), (vec![0, 1], vec![vec![1, 2], vec![]]));
}

/// Pickles of the layouts above by Python, of protocols 3 and 4, with real sets and numbers as keys.
fn pickles() -> Vec<(&'static str, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/near_duplicate");
    let of =
        |dataset: &'static str| [3, 4].map(|protocol| (dataset, folder.join(format!("{dataset}_{protocol}.pickle"))));
    ["cc_web", "vcdb", "evve", "activity_net", "fivr"].into_iter().flat_map(of).collect()
}

#[test]
fn pickles_are_what_their_layouts_in_json_are() {
    let limits = Limits::default();
    for (dataset, path) in pickles() {
        let same = match dataset {
            "cc_web" => cc_web::load(&path, &limits).unwrap().split == of(0, |path| cc_web::load(path, &limits)).split,
            "vcdb" => vcdb::load(&path, &limits).unwrap().split == of(3, |path| vcdb::load(path, &limits)).split,
            "evve" => evve::load(&path, &limits).unwrap().split == of(5, |path| evve::load(path, &limits)).split,
            "activity_net" => {
                activity_net::load(&path, &limits).unwrap().split
                    == of(7, |path| activity_net::load(path, &limits)).split
            }
            _ => {
                let set = fivr::load(&FivrFiles::Pickle(path), "5k", &limits).unwrap().split;
                set.ids.id(set.database[0]) == Some("b") && set.truths[0].of(FivrLabel::DuplicateAudio).len() == 2
            }
        };
        assert!(same, "{dataset}");
    }
}

#[test]
fn fivr_is_read_from_either_source() {
    let limits = Limits::default();
    let pickle = of(9, |path| fivr::load(&FivrFiles::Pickle(path.into()), "5k", &limits));
    assert_eq!((&pickle.split.database[..], &pickle.split.queries[..]), (&[0, 1][..], &[2][..]));
    let truth = &pickle.split.truths[0];
    assert_eq!((truth.of(FivrLabel::NearDuplicate), truth.of(FivrLabel::DuplicateAudio)), (&[0][..], &[1, 3][..]));
    assert_eq!(pickle.warnings, ["annotation: labels that no task counts: ??"]);

    let folder = tempfile::tempdir().unwrap();
    let value = &layouts()[9].1;
    let file = |name: &str, contents: String| write(folder.path(), name, contents.as_bytes());
    let annotation = file("annotation.json", value["annotation"].to_string());
    let versions = vec![("5k".to_string(), file("5k.json", value["5k"].to_string()))];
    let files = FivrFiles::Lists { annotation, ids: file("ids.txt", "b\r\na\n\nq\nb\n".into()), versions };
    assert_eq!(fivr::load(&files, "5k", &limits).unwrap().split, pickle.split);
    let all = fivr::load(&files, "200k", &limits).unwrap();
    assert_eq!((all.split.database, all.split.queries), (vec![0, 1, 2], vec![2, 3]));
    assert_eq!(all.files.len(), 2);
    let error = fivr::load(&files, "1m", &limits).unwrap_err().to_string();
    assert!(error.ends_with("annotation.json: FIVR version \"1m\" is not there; there is 5k, 200k"), "{error}");
}

#[test]
fn errors_name_file_field_and_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let message = |layout: usize, change: &dyn Fn(&mut Value)| {
        let (dataset, mut value) = layouts().swap_remove(layout);
        change(&mut value);
        let path = write(folder.path(), "file.json", value.to_string().as_bytes());
        let message = read(dataset, &path).unwrap_err().to_string();
        message.strip_prefix(&format!("{}: ", path.display())).unwrap().to_string()
    };
    let cases: [(usize, &dyn Fn(&mut Value), &str); 12] = [
        (
            0,
            &|v| v["ground_truth"][0]["7"] = "Q".into(),
            "[\"ground_truth\"][0][\"7\"]: one of E, S, V, M, L, X expected, found \"Q\"",
        ),
        (
            0,
            &|v| v["ground_truth"][1]["b"] = "E".into(),
            "[\"ground_truth\"][1][\"b\"]: a number as key expected, found \"b\"",
        ),
        (
            0,
            &|v| v["vid2index"]["b"] = 0.into(),
            "[\"vid2index\"][\"b\"]: a number of its own expected, found 0, which is that of \"a\"",
        ),
        (0, &|v| v["excluded"] = json!([[]]), "[\"excluded\"]: 2 sets, one for each query expected, found 1"),
        (
            1,
            &|v| v["video_index"] = json!([1]),
            "[\"video_index\"]: 3 numbers, one for each of \"videos\" expected, found 1",
        ),
        (
            3,
            &|v| v["video_pairs"][0]["overlap"] = json!([1]),
            "[\"video_pairs\"][0][\"overlap\"]: 2 shares expected, found 1",
        ),
        (4, &|v| v["video_pairs"][1][0] = 5.into(), "[\"video_pairs\"][1][0]: a number below 5 expected, found 5"),
        (4, &|v| v["negs_runs"][0] = json!([2, 4]), "[\"negs_runs\"][0][1]: a number below 4 expected, found 4"),
        (
            4,
            &|v| v["negs_runs"] = json!([[0, 5], [0, 1]]),
            "[\"negs_runs\"][1]: at most 5 negatives expected, found more",
        ),
        (
            5,
            &|v| v["annotation"]["z"][0][0] = "q".into(),
            "[\"annotation\"][\"z\"][0]: queries of this event alone expected, found \"q\", which is one of \"e\" too",
        ),
        (6, &|v| v["queries"][1] = "s".into(), "[\"queries\"][1]: a query of an event expected, found \"s\""),
        (
            9,
            &|v| v["5k"]["queries"][0] = "s".into(),
            "[\"annotation\"]: key \"s\" expected, found 2 keys: [\"q\"], [\"r\"]",
        ),
    ];
    for (layout, change, expected) in cases {
        assert_eq!(message(layout, change), expected);
    }
    let error = read("evve", &folder.path().join("no.pickle")).unwrap_err().to_string();
    assert!(error.contains("no.pickle"), "{error}");
}

/// Replaces the value at a place of a tree, counted in the order of a walk.
fn replace(value: &mut Value, place: &mut usize, with: &Value) {
    if *place == 0 {
        *value = with.clone();
    }
    *place = place.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, place, with)),
        Value::Object(entries) => entries.values_mut().for_each(|item| replace(item, place, with)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn whatever_stands_in_a_place_is_read_or_refused(layout in 0..10_usize, place in 0..40_usize, with in 0..10_usize) {
        let with = [json!(null), json!(-1), json!(i64::MAX), json!(1e300), json!(""), json!("a"), json!([]), json!({}), json!([[9, 9]]), json!({"5": "E"})][with].clone();
        let folder = tempfile::tempdir().unwrap();
        let (dataset, mut value) = layouts().swap_remove(layout);
        replace(&mut value, &mut { place }, &with);
        let path = write(folder.path(), "file.json", value.to_string().as_bytes());
        if let Err(error) = read(dataset, &path) {
            prop_assert!(error.to_string().contains("file.json"));
        }
    }

    #[test]
    fn damaged_files_are_read_or_refused(layout in 0..10_usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let (dataset, value) = layouts().swap_remove(layout);
        let mut bytes = value.to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        for name in ["file.json", "file.pickle", "file.json.gz"] {
            let path = write(folder.path(), name, &bytes);
            if let Err(error) = read(dataset, &path) {
                prop_assert!(error.to_string().contains(name));
            }
        }
    }

    #[test]
    fn damaged_pickles_are_read_or_refused(pickle in 0..10_usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let folder = tempfile::tempdir().unwrap();
        let (dataset, path) = pickles().swap_remove(pickle);
        let mut bytes = std::fs::read(path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        let path = write(folder.path(), "file.pickle", &bytes);
        if let Err(error) = read(dataset, &path) {
            prop_assert!(error.to_string().contains("file.pickle"));
        }
    }
}
