//! Frames and series as every version of pandas pickles them (`tests/data/frames`).

use std::path::PathBuf;

use coembed::formats::Limits;
use coembed::formats::pickle::{self, DataFrame, Value};

/// The files of one kind, with what is in them.
fn files(kind: &str) -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/frames");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of_kind = |path: &PathBuf| path.to_str().unwrap().contains(&format!(".{kind}.p"));
    let mut files: Vec<PathBuf> = files.filter(of_kind).collect();
    files.sort();
    assert!(files.len() > 30, "{kind}");
    let read = |path: PathBuf| {
        let value = pickle::from_path(&path, &Limits::default());
        let value = value.unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)));
        (path.file_name().unwrap().to_str().unwrap().to_owned(), value)
    };
    files.into_iter().map(read).collect()
}

fn column<'f>(name: &str, frame: &'f DataFrame, column: &str) -> &'f [Value] {
    frame.column(column).unwrap_or_else(|| panic!("{name}: no column {column}"))
}

fn ints(values: [i64; 3]) -> [Value; 3] {
    values.map(Value::Int)
}

fn texts(values: [&str; 3]) -> [Value; 3] {
    values.map(Value::from)
}

/// Text or missing: `None`, NaN or pandas' own mark.
fn is_missing(value: &Value) -> bool {
    matches!(value, Value::None) || matches!(value, Value::Float(value) if value.is_nan())
}

#[test]
fn plain_frames_of_every_version() {
    for (name, value) in files("plain") {
        let frame = value.as_data_frame().unwrap();
        let names: Vec<_> = frame.columns.iter().map(|(name, _)| name.as_str().unwrap()).collect();
        assert_eq!(names, ["verb_class", "x", "ok", "narration", "all_noun_classes", "noun_class"], "{name}");
        assert_eq!(frame.index.name, "narration_id".into(), "{name}");
        assert_eq!(frame.index.labels, texts(["P01_01_0", "P01_01_1", "P02_03_0"]), "{name}");
        assert_eq!(column(&name, frame, "verb_class"), ints([3, 0, 7]), "{name}");
        assert_eq!(column(&name, frame, "noun_class"), ints([2, 9, 1]), "{name}");
        assert_eq!(column(&name, frame, "x"), [0.5, 1.5, -2.0].map(Value::Float), "{name}");
        assert_eq!(column(&name, frame, "ok"), [true, false, true].map(Value::Bool), "{name}");
        assert_eq!(column(&name, frame, "narration"), texts(["open door", "take pän", "cut"]), "{name}");
        let lists: Vec<Vec<i64>> = column(&name, frame, "all_noun_classes")
            .iter()
            .map(|list| list.as_list().unwrap().iter().map(|item| item.as_i64().unwrap()).collect())
            .collect();
        assert_eq!(lists, [vec![1], vec![2, 3], vec![]], "{name}");
    }
}

#[test]
fn columns_of_every_kind_are_read_or_passed_over() {
    for (name, value) in files("rich") {
        let frame = value.as_data_frame().unwrap();
        assert_eq!(column(&name, frame, "verb_class"), ints([3, 0, 7]), "{name}");
        assert_eq!(column(&name, frame, "narration"), texts(["open door", "take pän", "cut"]), "{name}");
        assert_eq!(column(&name, frame, "last"), texts(["x", "y", "z"]), "{name}");
        assert_eq!(column(&name, frame, "level"), ints([5, 6, 5]), "{name}");
        let verb = column(&name, frame, "verb");
        assert_eq!((&verb[0], &verb[2]), (&"open".into(), &"cut".into()), "{name}");
        assert!(is_missing(&verb[1]), "{name}");
        for (column, values) in [
            ("nullable", [Value::Int(1), Value::None, Value::Int(3)]),
            ("small", [Value::Int(1), Value::Int(2), Value::Int(3)]),
            ("maybe", [Value::Bool(true), Value::None, Value::Bool(false)]),
            ("real", [Value::Float(0.5), Value::None, Value::Float(1.5)]),
            ("arrow_int", [Value::Int(1), Value::None, Value::Int(3)]),
        ] {
            // Versions without the kind have no such column.
            if let Some(found) = frame.column(column) {
                let same = |(found, value): (&Value, &Value)| found == value || is_missing(found) && is_missing(value);
                assert!(found.iter().zip(&values).all(same), "{name}: {column}: {found:?}");
            }
        }
        for text in ["text", "arrow"].iter().filter_map(|text| frame.column(text)) {
            assert_eq!((&text[0], &text[2]), (&"a".into(), &"é".into()), "{name}");
            assert!(is_missing(&text[1]), "{name}");
        }
        for unread in ["when", "zoned", "span"] {
            let error = column(&name, frame, unread)[0].as_str().unwrap_err().to_string();
            assert!(error.contains("which is not read"), "{name}: {unread}: {error}");
        }
    }
}

#[test]
fn indexes_of_every_kind_are_read_or_passed_over() {
    for (name, value) in files("indexes") {
        let frames = value.as_dict().unwrap();
        let labels = |kind: &str| frames.get(kind).unwrap().as_data_frame().unwrap().index.labels.clone();
        assert_eq!(labels("range"), ints([0, 1, 2]), "{name}");
        assert_eq!(labels("integers"), ints([5, 7, 9]), "{name}");
        assert_eq!(labels("categories"), texts(["b", "a", "b"]), "{name}");
        for unread in ["dates", "levels"] {
            assert_eq!(labels(unread).len(), 3, "{name}");
            assert!(labels(unread)[0].as_str().is_err(), "{name}");
        }
        for (_, frame) in frames.iter() {
            assert_eq!(column(&name, frame.as_data_frame().unwrap(), "verb_class"), ints([3, 0, 7]), "{name}");
        }
    }
}

#[test]
fn series_are_frames_of_one_column() {
    for (name, value) in files("series") {
        let all = value.as_dict().unwrap();
        let series = |kind: &str| all.get(kind).unwrap().as_data_frame().unwrap().clone();
        assert_eq!(
            series("text").columns,
            [("narration".into(), texts(["open door", "take pän", "cut"]).to_vec())],
            "{name}"
        );
        assert_eq!(series("text").index.labels, texts(["P01_01_0", "P01_01_1", "P02_03_0"]), "{name}");
        assert_eq!(series("numbers").columns, [("verb_class".into(), ints([3, 0, 7]).to_vec())], "{name}");
        assert_eq!(series("categories").columns[0].1[2], "cut".into(), "{name}");
        assert_eq!(series("unnamed").columns, [(Value::None, vec![Value::Float(1.5), Value::Float(2.5)])], "{name}");
    }
}
