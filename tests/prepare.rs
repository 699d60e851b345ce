//! The files of the relevance margin's data folder, made from annotations and word vectors, against those of the published scripts.
//!
//! `tests/golden/relmargin/prepare` (another folder with `GOLDEN_DIR`) holds every run of the scripts: arguments, random vectors, contents. Where the
//! scripts fail, draw without a seed or are silently wrong, what is done instead stands in [`ours`].

#[path = "support/program.rs"]
mod program;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use coembed::data::relational::FolderOptions;
use coembed::data::relational::prepare::{
    Captions, Frame, FrameOptions, Layout, Parts, Report, Words, allwords, features, relational, relevancy, sentences,
};
use coembed::data::{epic100, youcook2};
use coembed::formats::ndarray::{ArrayData, NdArray};
use coembed::formats::pickle::{self, DataFrame, Value};
use coembed::formats::pickle_writer::{Column, Writer};
use coembed::formats::word2vec::{self, WordVectors};
use coembed::formats::{Limits, npy};
use coembed::recipes::relmargin::RelMargin;
use coembed::run::Recipe;
use coembed::train::{Purpose, rng};
use program::program;
use serde_json::{Value as Json, json};

fn fixtures() -> PathBuf {
    let golden = std::env::var_os("GOLDEN_DIR").map_or_else(|| "tests/golden".into(), PathBuf::from);
    golden.join("relmargin/prepare")
}

fn limits() -> Limits {
    Limits::default()
}

/// The fixtures, if the folder has them.
fn expected() -> Option<&'static Json> {
    static EXPECTED: OnceLock<Option<Json>> = OnceLock::new();
    let read = || {
        let path = fixtures().join("expected.json");
        if !path.is_file() {
            eprintln!("skipped: no file {}", path.display());
            return None;
        }
        Some(serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
    };
    EXPECTED.get_or_init(read).as_ref()
}

/// A run of a script.
#[derive(Debug)]
struct Run {
    id: String,
    script: String,
    args: Vec<String>,
    draws: Vec<Option<String>>,
}

impl Run {
    fn all() -> Vec<Self> {
        let Some(expected) = expected() else { return vec![] };
        let text = |json: &Json| json.as_str().unwrap().to_owned();
        let list = |json: &Json| json.as_array().cloned().unwrap_or_default();
        let run = |run: &Json| Self {
            id: text(&run["id"]),
            script: text(&run["script"]),
            args: list(&run["args"]).iter().map(text).collect(),
            draws: list(&run["draws"]).iter().map(|word| word.as_str().map(str::to_owned)).collect(),
        };
        list(&expected["runs"]).iter().map(run).collect()
    }

    fn of(id: &str) -> Self {
        Self::all().into_iter().find(|run| run.id == id).unwrap()
    }

    fn flag(&self, name: &str) -> bool {
        self.args.iter().any(|arg| arg == name)
    }

    fn path(&self, at: usize) -> PathBuf {
        fixtures().join(&self.args[at])
    }

    fn captions(&self) -> Option<PathBuf> {
        let at = self.args.iter().position(|arg| arg == "--sentence-dataframe")?;
        Some(self.path(at + 1))
    }

    fn layout(&self) -> Layout {
        if self.script.contains("multiVNs") { Layout::VerbsAndNouns } else { Layout::Nouns }
    }

    fn parts(&self) -> Parts {
        let wanted = |name: &str| !self.flag(name);
        Parts { caption: wanted("--no-caption"), verb: wanted("--no-verb"), noun: wanted("--no-noun") }
    }

    fn frame(&self) -> Result<Frame, String> {
        let options = FrameOptions {
            layout: self.layout(),
            no_class: self.flag("--no-class"),
            by_narration_id: self.script == "create_sentence_df",
            ..FrameOptions::default()
        };
        Frame::open(&self.path(0), &options).map_err(|error| error.to_string())
    }

    /// Through the library: the contents of all files, and the draws.
    fn prepared(&self) -> Result<(BTreeMap<String, Value>, Vec<Option<String>>), String> {
        let said = |error: coembed::data::relational::prepare::PrepareError| error.to_string();
        let (frame, parts, layout) = (self.frame()?, self.parts(), self.layout());
        let captions = self.captions().filter(|_| !self.flag("--no-class"));
        let mut draws = vec![];
        let report: Report = match self.script.as_str() {
            "create_sentence_df" => sentences(&frame).map_err(said)?,
            "create_relational_files" | "create_multiVNs_relational_files" => {
                let tags = match &captions {
                    Some(path) => Captions::open_tags(path, layout, &limits()).map_err(said)?,
                    None => Captions::tags(&frame),
                };
                relational(&frame, &tags, parts, self.flag("--all-noun-classes")).map_err(said)?
            }
            "create_relevancy_files" | "create_multiVNs_relevancy_files" => relevancy(&frame, parts),
            script => {
                let model = word2vec::from_path(&self.path(1), &limits()).map_err(|error| error.to_string())?;
                let all = script == "create_allwords_feature_files";
                let parts = if all { Parts { verb: false, noun: false, ..parts } } else { parts };
                let wordings = match &captions {
                    Some(path) => Captions::open_wordings(path, layout, parts, &limits()).map_err(said)?,
                    None => Captions::wordings(&frame),
                };
                let mut rows = random_rows().into_iter();
                let mut words = Words::new(&model, |row| row.copy_from_slice(&rows.next().unwrap()));
                let report = match (all, parts.caption) {
                    (false, _) => features(&wordings, &mut words, parts).map_err(said)?.files(&frame),
                    (true, true) => allwords(&frame, &wordings, &mut words),
                    (true, false) => Report::default(),
                };
                draws = words.draws().to_vec();
                report
            }
        };
        Ok((values(&report), draws))
    }

    /// Names and contents of the published files, as JSON.
    fn published(&self) -> BTreeMap<String, Json> {
        let files = expected().unwrap()["files"].as_object().unwrap();
        let prefix = format!("{}/", self.id);
        let content = |path: &str| -> Option<Json> {
            let file = &files[path];
            let same = file["same_as"].as_str().map_or(file, |path| &files[path]);
            same.get("content").cloned()
        };
        let names = files.keys().filter_map(|path| Some((path, path.strip_prefix(&prefix)?)));
        // One run was told of a folder to write to.
        let name = |name: &str| name.trim_start_matches("sub/").to_owned();
        names.filter_map(|(path, file)| Some((name(file), content(path)?))).collect()
    }
}

fn random_rows() -> Vec<Vec<f64>> {
    let rows = expected().unwrap()["random_rows"].as_array().unwrap();
    rows.iter().map(|row| row.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()).collect()
}

fn read(bytes: &[u8]) -> Value {
    pickle::from_slice(bytes, &limits()).unwrap()
}

fn values(report: &Report) -> BTreeMap<String, Value> {
    let value = |file: &coembed::data::relational::prepare::Output| {
        let mut bytes = vec![];
        file.write(&mut bytes).unwrap();
        (file.name.clone(), read(&bytes))
    };
    report.files.iter().map(value).collect()
}

/// A value in the form of the fixtures.
fn shown(value: &Value) -> Json {
    match value {
        Value::Int(number) => json!(number),
        Value::Str(text) => json!(&**text),
        Value::Float(number) if number.is_nan() => json!("NaN"),
        Value::Float(number) => json!(number),
        Value::List(items) => items.iter().map(shown).collect(),
        Value::Array(array) => match array.data() {
            ArrayData::Object(items) => {
                let item = |item: &Value| match item {
                    Value::Array(array) => nested(array),
                    other => shown(other),
                };
                let items: Vec<Json> = items.iter().map(item).collect();
                json!({"type": "object_array", "shape": array.shape(), "items": items})
            }
            _ => {
                let data = nested(array);
                json!({"type": "array", "dtype": "<f8", "shape": array.shape(), "fortran": false, "data": data})
            }
        },
        Value::Dict(dict) => {
            let keys: Vec<Json> = dict.entries().iter().map(|(key, _)| shown(key)).collect();
            let mut content = json!({"type": "relational", "key_order": keys});
            for (key, part) in dict.entries() {
                let (Value::Str(key), Value::Dict(part)) = (key, part) else { panic!("{key:?}") };
                let pairs = part.entries().iter().map(|(key, value)| json!([shown(key), shown(value)]));
                content[&**key] = pairs.collect();
            }
            content
        }
        Value::DataFrame(frame) => {
            let DataFrame { columns, index } = &**frame;
            let dtype = |(_, column): &(Value, Vec<Value>)| match column[0] {
                Value::Int(_) => "int64",
                _ => "object",
            };
            let row = |row: usize| columns.iter().map(|(_, column)| shown(&column[row])).collect::<Vec<_>>();
            json!({
                "type": "frame",
                "columns": columns.iter().map(|(name, _)| shown(name)).collect::<Vec<_>>(),
                "dtypes": columns.iter().map(dtype).collect::<Vec<_>>(),
                "index": index.labels.iter().map(shown).collect::<Vec<_>>(),
                "rows": (0..frame.rows()).map(row).collect::<Vec<_>>(),
            })
        }
        other => panic!("{}", other.type_name()),
    }
}

fn nested(array: &NdArray) -> Json {
    fn level(shape: &[usize], values: &[f64]) -> Json {
        let Some((first, rest)) = shape.split_first() else { return shown(&Value::Float(values[0])) };
        let size: usize = rest.iter().product();
        (0..*first).map(|at| level(rest, &values[at * size..][..size])).collect()
    }
    assert!(matches!(array.data(), ArrayData::F64(_)), "{}", array.dtype());
    level(array.shape(), &array.to_f64_vec().unwrap())
}

/// Equal but for the digits of numbers that the fixtures do not have.
#[track_caller]
fn compare(place: &str, got: &Json, want: &Json) {
    compare_to(place, got, want, 1e-7);
}

/// Equal but for the last digits of numbers that are not integers.
#[track_caller]
fn compare_to(place: &str, got: &Json, want: &Json, tolerance: f64) {
    match (got, want) {
        (Json::Number(a), Json::Number(b)) if a.is_f64() || b.is_f64() => {
            let (got, want) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((got - want).abs() <= tolerance * want.abs().max(1.0), "{place}: {got}, not {want}");
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs.for_each(|(at, (got, want))| compare_to(&format!("{place}[{at}]"), got, want, tolerance));
        }
        (Json::Object(a), Json::Object(b)) => {
            let keys: Vec<_> = b.keys().collect();
            assert_eq!(a.keys().collect::<Vec<_>>(), keys, "{place}");
            keys.into_iter().for_each(|key| compare_to(&format!("{place}[{key:?}]"), &a[key], &b[key], tolerance));
        }
        (got, want) => assert_eq!(got, want, "{place}"),
    }
}

/// What is done where the published scripts fail or are wrong.
enum Ours {
    /// As published.
    Published,
    /// The files of another run, some of which this one does not write.
    As(&'static str),
    /// An error that says these things.
    Refused(&'static [&'static str]),
    /// Files without a published counterpart.
    Works,
    /// A test of its own.
    Elsewhere,
}

fn ours(id: &str) -> Ours {
    match id {
        // The text of a caption is `narration` or `sentence`.
        "feat_pub_train" | "feat_train" | "feat_train_own_sent" | "feat_train_noclass" => Ours::As("feat_train_sent"),
        "allwords_pub_train" | "allwords_train" | "allwords_train_noclass" => Ours::As("allwords_train_sent"),
        // A byte between vectors is passed over if it is a line end.
        "feat_train_packed" => Ours::As("feat_train_nocap"),
        // Action classes are computed, lists of nouns found under either name, captions numbered from 0.
        "rel_train_sent" | "rel_train_official_sent" => Ours::As("rel_train"),
        "rel_train_official_sent_all" | "rel_train_official_sent_all_verb" => Ours::As("rel_train_all"),
        // All three files are written.
        "mrel_train" | "mrel_train_nocap" => Ours::As("mrel_train_noexit"),
        "mrel_val" => Ours::As("mrel_val_noexit"),
        // Text of pairs of words from `narration`.
        "feat_test_noclass_nocap" | "rel_test_noclass" => Ours::Works,
        "sentence_empty" => Ours::Refused(&["EPIC_empty.pkl: row ", "column \"all_nouns\": the list is empty"]),
        "rel_empty" => Ours::Refused(&["EPIC_empty.pkl: row ", "column \"all_noun_classes\": the list is empty"]),
        "feat_empty_nocap" => Ours::Refused(&["EPIC_empty.pkl: row ", "column \"all_nouns\": the list is empty"]),
        "sentence_yc" | "relev_yc" => Ours::Refused(&["parsed_youcookii_synsets_train.pkl: column \"verb\" expected"]),
        "mfeat_epic" => Ours::Refused(&["EPIC_100_retrieval_train.pkl: column \"parsed_verbs\" expected"]),
        "feat_train_vec" => Ours::Refused(&["model.vec: a name that ends in .bin or .txt expected"]),
        "feat_test_sent" => Ours::Refused(&["EPIC_100_retrieval_test_sentence.pkl: column \"verb\" expected"]),
        "mfeat_train_noclass" | "mfeat_train_noclass_keys" | "mrel_train_noclass" | "mrel_train_noclass_keys" => {
            Ours::Refused(&["ids of words know the EPIC layout alone"])
        }
        // NaN; what the command line refuses; a script that writes nothing.
        "relev_empty"
        | "feat_train_sent_allnouns_flag"
        | "mrel_train_all_flag"
        | "rel_train_outdir_missing"
        | "synsets" => Ours::Elsewhere,
        _ => Ours::Published,
    }
}

#[test]
fn every_run_of_the_published_scripts_is_reproduced() {
    let mut stored_files = 0;
    for run in Run::all() {
        let id = run.id.as_str();
        let other = match ours(id) {
            Ours::Elsewhere => continue,
            Ours::Refused(what) => {
                let error = run.prepared().map(drop).unwrap_err();
                assert!(what.iter().all(|what| error.contains(what)), "{id}: {error}");
                continue;
            }
            Ours::Works => {
                run.prepared().unwrap();
                continue;
            }
            Ours::As(other) => Some(Run::of(other)),
            Ours::Published => None,
        };
        let (files, draws) = run.prepared().unwrap_or_else(|error| panic!("{id}: {error}"));
        let want = other.as_ref().unwrap_or(&run);
        let published = want.published();
        if other.is_none() {
            assert_eq!(files.keys().collect::<Vec<_>>(), published.keys().collect::<Vec<_>>(), "{id}");
        }
        let few = run.flag("--no-verb") || run.flag("--no-noun") || run.flag("--no-caption");
        if other.is_none() || !few {
            assert_eq!(draws, want.draws, "{id}");
        }
        for (name, value) in &files {
            let place = format!("{id}/{name}");
            // Runs that differ in this alone have the same contents.
            let plain = if other.is_some() { name.trim_start_matches("no-class_") } else { name };
            compare(&place, &shown(value), published.get(plain).unwrap_or_else(|| panic!("{place}")));
            let stored = fixtures().join("runs").join(&want.id).join(plain);
            if let Ok(bytes) = fs::read(stored) {
                let stored = read(&bytes);
                if run.script.contains("feature") && run.args[1].ends_with(".txt") {
                    // Sums of f64 depend on the processor in their last digit.
                    compare_to(&place, &shown(value), &shown(&stored), 1e-14);
                } else {
                    assert_eq!(*value, stored, "{place}, in every bit");
                }
                stored_files += 1;
            }
        }
    }
    assert!(stored_files > 0 || expected().is_none());
}

#[test]
fn two_empty_sets_have_no_relevance() {
    if expected().is_none() {
        return;
    }
    let run = Run::of("relev_empty");
    let (files, _) = run.prepared().unwrap();
    let mut published = run.published();
    let verb = published["verb_prova_relevancy_EPIC_empty.pkl"]["data"].clone();
    for (name, content) in &mut published {
        let mut undefined = 0;
        for (row, values) in content["data"].as_array_mut().unwrap().iter_mut().enumerate() {
            for (column, value) in values.as_array_mut().unwrap().iter_mut().enumerate() {
                if value == "NaN" {
                    undefined += 1;
                    *value = match name.starts_with("caption") {
                        true => json!(verb[row][column].as_f64().unwrap() / 2.0),
                        false => json!(0.0),
                    };
                }
            }
        }
        compare(name, &shown(&files[name]), content);
        let warnings = relevancy(&run.frame().unwrap(), Parts::ALL).warnings;
        let said = warnings.iter().any(|warning| warning.starts_with(&format!("{name}: {undefined} pairs of empty")));
        assert_eq!(said, undefined > 0, "{name}: {warnings:?}");
    }
}

#[test]
fn verbs_of_segments_without_nouns_have_vectors() {
    if expected().is_none() {
        return;
    }
    let mut run = Run::of("feat_empty_nocap");
    run.args.push("--no-noun".into());
    let (files, draws) = run.prepared().unwrap();
    assert_eq!((files.len(), &draws), (1, &run.draws));
    let name = "verb_features_EPIC_empty.pkl";
    compare(name, &shown(&files[name]), &run.published()[name]);
}

#[test]
fn csv_files_give_the_same_as_pickles() {
    for run in Run::all() {
        let elsewhere = !matches!(ours(&run.id), Ours::Published);
        // In a data frame, this file's names are a column that the scripts do not look at.
        if elsewhere || run.args[0].contains("EPIC_words") || run.flag("--sentence-dataframe") {
            continue;
        }
        let mut csv = Run { args: run.args.clone(), ..Run::of(&run.id) };
        csv.args[0] = run.args[0].replace(".pkl", ".csv");
        assert_eq!(csv.prepared().unwrap(), run.prepared().unwrap(), "{}", run.id);
    }
}

#[test]
fn frames_of_captions_may_be_csv_files() {
    for id in [
        "feat_train_sent",
        "allwords_train_sent",
        "feat_test_sent_caponly",
        "mfeat_val_sent",
        "rel_train_official_sent_all",
    ] {
        if expected().is_none() {
            return;
        }
        let run = Run::of(id);
        let mut csv = Run::of(id);
        let at = csv.args.iter().position(|arg| arg == "--sentence-dataframe").unwrap() + 1;
        csv.args[at] = csv.args[at].replace(".pkl", ".csv");
        assert_eq!(csv.prepared().unwrap(), run.prepared().unwrap(), "{id}");
    }
}

/// A frame of columns of objects, `(name, writes the cell of a row)`.
fn frame_of(rows: usize, columns: &[(&str, &dyn Fn(&mut Writer, usize))]) -> Vec<u8> {
    let columns: Vec<_> = columns.iter().map(|(name, write)| (*name, Column::Objects(*write))).collect();
    let mut writer = Writer::new();
    writer.data_frame(rows, &columns);
    writer.finish()
}

fn list(writer: &mut Writer, items: &[i64]) {
    writer.list(|list| items.iter().for_each(|item| list.int(*item)));
}

fn words(writer: &mut Writer, items: &[&str]) {
    writer.list(|list| items.iter().for_each(|item| list.str(item)));
}

fn open(name: &str, bytes: &[u8], options: &FrameOptions) -> Result<Frame, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let error = |error: coembed::data::relational::prepare::PrepareError| {
        error.to_string().replace(&path.display().to_string(), name)
    };
    Frame::open(&path, options).map_err(error)
}

const HEADER: &str = "narration_id,narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes\n";

fn epic(rows: &str) -> Result<Frame, String> {
    open("a.csv", format!("{HEADER}{rows}").as_bytes(), &FrameOptions::default())
}

#[test]
fn what_no_script_makes_sense_of_is_refused_by_row_and_column() {
    let row = "a,take pan,take,0,pan,5,['pan'],[5]\n";
    for (rows, error) in [
        ("".into(), "a.csv: no rows"),
        (format!("{row}{row}"), "a.csv: line 3, column \"narration_id\": \"a\" occurs before, at line 2"),
        (row.replace("['pan']", "pan"), "a.csv: line 2, column \"all_nouns\": a list of texts expected, found \"pan\""),
        (
            row.replace("[5]", "5"),
            "a.csv: line 2, column \"all_noun_classes\": \"5\" is not a list in square brackets, such as \"[2, 14]\"",
        ),
        (row.replace("take pan", ""), "a.csv: line 2, column \"narration\": text expected, found nothing"),
        (row.replace("take,0", ",0"), "a.csv: line 2, column \"verb\": text expected, found nothing"),
        (row.replace("take,0", "take,x"), "a.csv: line 2, column \"verb_class\": an integer expected, found \"x\""),
        (row.replace("a,take", ",take"), "a.csv: line 2, column \"narration_id\": text expected, found nothing"),
    ] {
        assert_eq!(epic(&rows).unwrap_err(), error);
    }
    let no_class = FrameOptions { no_class: true, ..FrameOptions::default() };
    for (rows, error) in [
        (row.replace("0,pan", "0,"), "a.csv: line 2, column \"noun\": text expected, found nothing"),
        (
            row.replace("['pan']", "[]"),
            "a.csv: line 2, column \"all_nouns\": the list is empty, and its first noun is wanted",
        ),
        (
            row.replace("['pan']", "['lid']"),
            "a.csv: line 2, column \"all_nouns\": \"lid\" is in no cell of the column \"noun\", whose words are numbered",
        ),
    ] {
        assert_eq!(open("a.csv", format!("{HEADER}{rows}").as_bytes(), &no_class).unwrap_err(), error);
    }
    let missing = open("a.csv", b"narration,verb\na,b\n", &FrameOptions::default()).unwrap_err();
    assert_eq!(missing, "a.csv: column \"narration_id\" expected, found [\"narration\", \"verb\"]");
    let options = FrameOptions { layout: Layout::VerbsAndNouns, ..FrameOptions::default() };
    let names = ["parsed_verbs", "parsed_nouns", "parsed_verb_classes", "parsed_noun_classes"];
    let empty = |cell: &mut Writer, _| cell.list(|_| ());
    let nan = |cell: &mut Writer, row| if row == 0 { cell.str("stir") } else { cell.float(f64::NAN) };
    let mut columns: Vec<(&str, &dyn Fn(&mut Writer, usize))> = vec![("narration", &nan)];
    columns.extend(names.map(|name| (name, &empty as &dyn Fn(&mut Writer, usize))));
    let error = open("a.pkl", &frame_of(2, &columns), &options).unwrap_err();
    assert_eq!(error, "a.pkl: row 1, column \"narration\": text expected, found float");
    assert_eq!(open("a.pkl", &frame_of(0, &columns), &options).unwrap_err(), "a.pkl: no rows");
}

/// A multi-VN frame of one row, whose lists of classes are of any kind.
fn multi_vn(verbs: &dyn Fn(&mut Writer, usize), nouns: &dyn Fn(&mut Writer, usize)) -> Result<Frame, String> {
    let bytes = frame_of(
        2,
        &[
            ("narration", &|cell, row| cell.str(&format!("text {row}"))),
            ("parsed_verbs", &|cell, _| words(cell, &["add"])),
            ("parsed_nouns", &|cell, _| cell.tuple(|items| items.str("oil"))),
            ("parsed_verb_classes", verbs),
            ("parsed_noun_classes", nouns),
        ],
    );
    open("a.pkl", &bytes, &FrameOptions { layout: Layout::VerbsAndNouns, ..FrameOptions::default() })
}

#[test]
fn tuples_arrays_and_sets_count_as_lists() {
    let plain = multi_vn(&|cell, _| list(cell, &[3, 1]), &|cell, _| list(cell, &[1, 3])).unwrap();
    let other = multi_vn(&|cell, _| cell.array(&[2], &[3_i64, 1]), &|cell, _| {
        cell.set(|items| [3, 1].into_iter().for_each(|item| items.int(item)))
    })
    .unwrap();
    assert_eq!(plain.segments, other.segments);
    assert_eq!(plain.segments[0].tags.action, "3_1");
    let sets = other.warnings.iter().filter(|warning| warning.contains("sets, which have no order")).count();
    assert_eq!((sets, plain.warnings.len()), (1, other.warnings.len() - 1));
    assert!(plain.warnings[0].contains("numbers in the place of names"), "{:?}", plain.warnings);
    let error = multi_vn(&|cell, _| cell.str("a"), &|cell, _| list(cell, &[])).unwrap_err();
    assert_eq!(
        error,
        "a.pkl: row 0, column \"parsed_verb_classes\": \"a\" is not a list in square brackets, such as \"[2, 14]\""
    );
    let error = multi_vn(&|cell, _| cell.float(1.5), &|cell, _| list(cell, &[])).unwrap_err();
    assert_eq!(error, "a.pkl: row 0, column \"parsed_verb_classes\": a list of integers expected, found float");
}

#[test]
fn added_captions_have_the_text_of_another_segment_unless_their_own_is_wanted() {
    let rows = "a,take pan,take,0,pan,5,['pan'],[5]\nb,take pan,take,0,lid,6,['lid'],[6]\nc,take pan,take,0,pot,7,['pot'],[7]\n\
                d,wash,wash,1,pot,7,['pot'],[7]\ne,wash,wash,2,pot,7,['pot'],[7]\n";
    let texts = |frame: &Frame| -> Vec<String> {
        frame.captions.iter().map(|caption| format!("{} {}", caption.tags.action, caption.wording.text)).collect()
    };
    let frame = epic(rows).unwrap();
    // The last distinct narration, then that of the one added before.
    assert_eq!(texts(&frame), ["0_5 take pan", "1_7 wash", "0_6 wash", "0_7 take pan", "2_7 take pan"]);
    let warnings = Captions::wordings(&frame).warnings;
    assert!(warnings[0].starts_with("3 captions are added"), "{warnings:?}");
    let own = FrameOptions { own_text: true, ..FrameOptions::default() };
    let frame = open("a.csv", format!("{HEADER}{rows}").as_bytes(), &own).unwrap();
    assert_eq!(texts(&frame), ["0_5 take pan", "1_7 wash", "0_6 take pan", "0_7 take pan", "2_7 wash"]);
    assert!(Captions::wordings(&frame).warnings.is_empty());
}

fn model(words: &str) -> WordVectors {
    word2vec::from_slice(words.as_bytes(), word2vec::Kind::Text, &limits()).unwrap()
}

#[test]
fn words_are_cleaned_as_published() {
    let frame = epic("a,\"Don't (PUT) /x it/down\tup, \",put,0,pan,5,['pan'],[5]\n").unwrap();
    let model = model("3 1\ndont 1\nput 1\nDont 1\n");
    let mut drawn = 0.0;
    let mut words = Words::new(&model, |row| {
        drawn += 0.125;
        row[0] = drawn;
    });
    let parts = Parts { verb: false, noun: false, caption: true };
    let wordings = Captions::wordings(&frame);
    let made = features(&wordings, &mut words, parts).unwrap();
    // The empty word is that of `/x`, and of what follows the last space: drawn once. Tabs stay within words.
    assert_eq!(words.draws(), [Some("".into()), Some("it".into())]);
    assert_eq!(made.caption.unwrap().row(0), [(1.0 + 1.0 + 0.125 + 0.25 + 0.125) / 5.0]);
    assert!(made.verb.is_none() && made.noun.is_none());
}

#[test]
fn classes_of_one_side_alone_are_reported() {
    if expected().is_none() {
        return;
    }
    let frame = Run::of("mrel_train").frame().unwrap();
    let report = relational(&frame, &Captions::tags(&frame), Parts::ALL, false).unwrap();
    let texts: Vec<_> = frame.captions.iter().map(|caption| &caption.tags.action).collect();
    let alone: Vec<_> =
        frame.segments.iter().map(|segment| &segment.tags.action).filter(|a| !texts.contains(a)).collect();
    let said = report.warnings.iter().find(|warning| warning.starts_with("caption_")).cloned().unwrap_or_default();
    assert_eq!(alone.is_empty(), said.is_empty(), "{said}");
    assert!(alone.iter().all(|action| said.contains(*action)), "{alone:?}: {said}");
}

/// Runs `prepare` as a script was run; the last arguments win.
fn call(run: &Run, out: &Path, more: &[&str]) -> Output {
    let command = match run.script.trim_start_matches("create_").trim_start_matches("multiVNs_") {
        "sentence_df" => "sentences",
        "feature_files" => "features",
        "allwords_feature_files" => "allwords",
        "relational_files" => "relational",
        _ => "relevancy",
    };
    let mut program = Command::new(program("jpose_relmargin"));
    program.args(["prepare", command]).arg(run.path(0)).args(more);
    if !more.contains(&"--out-dir") {
        program.arg("--out-dir").arg(out);
    }
    if run.layout() == Layout::VerbsAndNouns {
        program.args(["--layout", "multi-vn"]);
    }
    let mut args = run.args[1..].iter();
    if matches!(command, "features" | "allwords") {
        program.arg("--model").arg(run.path(1));
        args.next();
    }
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--out-dir" => drop(args.next()),
            "--sentence-dataframe" => {
                program.arg(arg).arg(fixtures().join(args.next().unwrap()));
            }
            arg => {
                program.arg(arg);
            }
        }
    }
    program.output().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_program_writes_what_the_library_makes() {
    for run in Run::all() {
        let id = run.id.as_str();
        let folder = tempfile::tempdir().unwrap();
        let output = match ours(id) {
            Ours::Elsewhere => continue,
            Ours::Refused(_) => {
                let output = call(&run, folder.path(), &[]);
                assert!(!output.status.success(), "{id}");
                assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{id}");
                continue;
            }
            _ => call(&run, folder.path(), &["--threads", "1"]),
        };
        assert!(output.status.success(), "{id}: {}", said(&output.stderr));
        let (files, draws) = run.prepared().unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), files.len(), "{id}: {names:?}");
        for (name, value) in &files {
            let written = read(&fs::read(folder.path().join(name)).unwrap());
            match value {
                // Unknown words have other vectors.
                Value::Array(array) if !draws.is_empty() => {
                    let Value::Array(written) = &written else { panic!("{id}/{name}") };
                    assert_eq!(written.shape(), array.shape(), "{id}/{name}");
                }
                value => assert_eq!(written, *value, "{id}/{name}"),
            }
        }
        if draws.iter().any(Option::is_some) {
            let unknown = draws.iter().flatten().count();
            assert!(said(&output.stdout).contains(&format!("{unknown} unknown words")), "{id}");
        }
    }
}

#[test]
fn the_program_refuses_what_makes_no_sense() {
    if expected().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let refused = |run: &Run, more: &[&str], code, what: &str| {
        let output = call(run, folder.path(), more);
        // Messages are wrapped to the width of a terminal.
        let text = |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace() && *c != '│').collect() };
        let error = said(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{}: {error}", run.id);
        assert!(text(&error).contains(&text(what)), "{}: {error}", run.id);
    };
    refused(&Run::of("feat_train_sent_allnouns_flag"), &[], 2, "--all-noun-classes");
    refused(&Run::of("mrel_train_all_flag"), &[], 2, "--all-noun-classes is of the layout epic alone");
    refused(&Run::of("mrel_train_noclass"), &[], 2, "--no-class is of the layout epic alone");
    refused(&Run::of("rel_train"), &["--out-dir", "nowhere"], 1, "--out-dir nowhere: there is no such folder");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // The last of two contrary flags counts.
    let output = call(
        &Run::of("rel_train"),
        folder.path(),
        &["--no-caption", "--caption", "--no-class", "--class", "--noun", "--no-noun"],
    );
    assert!(output.status.success(), "{}", said(&output.stderr));
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        ["caption_relational_EPIC_100_retrieval_train.pkl", "verb_relational_EPIC_100_retrieval_train.pkl"]
    );
}

#[test]
fn unknown_words_depend_on_the_seed_alone() {
    if expected().is_none() {
        return;
    }
    let run = Run::of("feat_train_sent");
    let name = "caption_features_EPIC_100_retrieval_train.pkl";
    let made = |seed: &str| {
        let folder = tempfile::tempdir().unwrap();
        assert!(call(&run, folder.path(), &["--seed", seed]).status.success());
        fs::read(folder.path().join(name)).unwrap()
    };
    assert_eq!(made("1"), made("1"));
    assert_ne!(made("1"), made("2"));
}

/// Moves what runs wrote to where training looks for it.
fn place(out: &Path, data: &Path, moves: &[(String, String)]) {
    for (from, to) in moves {
        let to = data.join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(out.join(from), to).unwrap();
    }
}

const PARTS: [&str; 3] = ["caption", "verb", "noun"];

#[test]
fn epic_is_trained_on_prepared_files() {
    if expected().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (out, data) = (folder.path().join("out"), folder.path().join("data"));
    fs::create_dir(&out).unwrap();
    for id in [
        "feat_train_sent",
        "rel_train",
        "rel_train_all",
        "relev_train",
        "relev_test",
        "feat_test_nocap",
        "feat_test_sent_caponly",
    ] {
        let output = call(&Run::of(id), &out, &[]);
        assert!(output.status.success(), "{id}: {}", said(&output.stderr));
    }
    let mut moves = vec![];
    for part in PARTS {
        let all = if part == "verb" { "" } else { "_allnouns" };
        moves.push((
            format!("{part}_relational_EPIC_100_retrieval_train.pkl"),
            format!("relational/EPIC_100_retrieval_{part}_relational_dict_train.pkl"),
        ));
        let file = format!("{part}{all}_relational_EPIC_100_retrieval_train.pkl");
        moves.push((file.clone(), format!("relational/{file}")));
        for (split, name) in [("train", "train"), ("test", "test"), ("test", "validation")] {
            moves.push((
                format!("{part}_features_EPIC_100_retrieval_{split}.pkl"),
                format!("text_features/EPIC_100_retrieval_{part}_text_features_{name}.pkl"),
            ));
            moves.push((
                format!("{part}_prova_relevancy_EPIC_100_retrieval_{split}.pkl"),
                format!("relevancy/{part}_relevancy_EPIC_100_retrieval_{name}.pkl"),
            ));
        }
    }
    place(&out, &data, &moves);
    for (split, name) in [("train", "train"), ("test", "test"), ("test", "validation")] {
        let rows = Run::of(&format!("rel_{split}")).frame().unwrap().segments.len();
        let values: Vec<f32> = (0..rows * 5).map(|value| (value as f32).sin()).collect();
        let mut writer = Writer::new();
        writer.dict(|entries| {
            entries.str("features");
            entries.array(&[rows, 5], &values);
        });
        let path = data.join(format!("video_features/EPIC_100_retrieval_{name}_features_mean.pkl"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, writer.finish()).unwrap();
    }
    for all_noun_classes in [false, true] {
        let options = FolderOptions { all_noun_classes, ..FolderOptions::default() };
        let train = epic100::load_train(folder.path(), &options, &mut rng(0, Purpose::Classes, 0, 0)).unwrap();
        assert!(train.warnings.is_empty(), "{:?}", train.warnings);
        epic100::load_eval(folder.path(), epic100::EvalSplitName::Test, &options).unwrap();
    }
    let runs = folder.path().join("runs");
    let mut train = Command::new(program("jpose_relmargin"));
    train.args([
        "train",
        "--name",
        "run",
        "--rel-margin",
        "--all-noun-classes",
        "--num-epochs",
        "1",
        "--batch-size",
        "4",
    ]);
    train.args(["--embedding-size", "4"]).arg("--data").arg(folder.path()).arg("--out-dir").arg(&runs);
    let output = train.output().unwrap();
    assert!(output.status.success(), "{}", said(&output.stderr));
    assert!(runs.join("run/summary.json").is_file());
}

#[test]
fn youcook2_is_read_from_prepared_files() {
    if expected().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (out, data) = (folder.path().join("out"), folder.path().join("data"));
    fs::create_dir(&out).unwrap();
    for id in ["mfeat_train", "mfeat_val", "mrel_train", "mrelev_val"] {
        let output = call(&Run::of(id), &out, &[]);
        assert!(output.status.success(), "{id}: {}", said(&output.stderr));
    }
    let mut moves = vec![];
    for part in PARTS {
        for (file, below) in [
            (format!("{part}_features_parsed_youcookii_synsets_train.pkl"), "text_features"),
            (format!("{part}_features_parsed_youcookii_synsets_val.pkl"), "text_features"),
            (format!("{part}_allnouns_relational_parsed_youcookii_synsets_train.pkl"), "relational"),
            (format!("{part}_prova_relevancy_parsed_youcookii_synsets_val.pkl"), "relevancy"),
        ] {
            moves.push((file.clone(), format!("{below}/{file}")));
        }
    }
    place(&out, &data, &moves);
    let clips = data.join("video_features/YC2_Resnet_feats");
    fs::create_dir_all(&clips).unwrap();
    fs::create_dir(folder.path().join("public_split_yc2")).unwrap();
    for (split, id) in [("trn", "mrel_train"), ("val", "mrel_val")] {
        let frame = Run::of(id).frame().unwrap();
        let names: Vec<String> = frame.segments.iter().map(|segment| segment.key.to_string()).collect();
        fs::write(folder.path().join(format!("public_split_yc2/{split}_names.npy")), names_npy(&names)).unwrap();
        for name in &names {
            fs::write(clips.join(format!("{name}.npz")), features_npz()).unwrap();
        }
    }
    let options = FolderOptions::default();
    let train = youcook2::load_train(folder.path(), &options, &mut rng(0, Purpose::Classes, 0, 0)).unwrap();
    assert!(train.warnings.is_empty(), "{:?}", train.warnings);
    let eval = youcook2::load_eval(folder.path(), &options).unwrap();
    assert!(eval.split.check().is_ok());
}

fn npy_bytes(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    assert!(npy::from_slice(&bytes, &limits()).is_ok());
    bytes
}

fn names_npy(names: &[String]) -> Vec<u8> {
    let width = names.iter().map(String::len).max().unwrap();
    let padded = names.iter().flat_map(|name| name.bytes().chain(std::iter::repeat(0)).take(width));
    npy_bytes(&format!("|S{width}"), &format!("({},)", names.len()), &padded.collect::<Vec<u8>>())
}

fn features_npz() -> Vec<u8> {
    use std::io::Write;
    let data: Vec<u8> = [0.5_f32, -1.0, 2.0, 0.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    archive.start_file("features.npy", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(&npy_bytes("<f4", "(2, 2)", &data)).unwrap();
    archive.finish().unwrap().into_inner()
}

/// The official annotations of the test split, where they are at hand.
#[test]
fn the_official_list_of_captions_is_reproduced() {
    let root = std::env::var_os("COEMBED_DATA").map_or_else(|| "../shared/data".into(), PathBuf::from);
    let [segments, captions] =
        ["", "_sentence"].map(|name| root.join(format!("epic100/EPIC_100_retrieval_test{name}.csv")));
    if !segments.is_file() {
        eprintln!("skipped: no file {} (set COEMBED_DATA)", segments.display());
        return;
    }
    let frame = Frame::open(&segments, &FrameOptions::default()).unwrap();
    let official = epic100::annotations::Annotations::open(&segments, &limits()).unwrap();
    let official = official.open_captions(&captions, &limits()).unwrap();
    let rows: Vec<usize> = frame.captions.iter().map(|caption| caption.segment).collect();
    // Then follow 7 that are added for their classes, in the order of a Python set.
    assert_eq!((rows.len(), &rows[..3835]), (3842, &official[..3835]));
    let classes = |rows: &[usize]| {
        let actions = rows.iter().map(|row| frame.segments[*row].tags.action.as_str());
        actions.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(classes(&rows[3835..]), classes(&official[3835..]));
    let texts =
        Captions::open_wordings(&captions, Layout::Nouns, Parts { verb: false, noun: false, caption: true }, &limits());
    let official = texts.unwrap().rows.into_iter().map(|wording| wording.text);
    assert!(official.zip(&frame.captions).take(3835).all(|(text, caption)| text == caption.wording.text));
}

#[test]
fn the_published_links_name_rows_with_their_scores() {
    let table = RelMargin.rows().unwrap();
    let mut links = csv::Reader::from_reader(RelMargin.links().as_bytes());
    let mut checkpoints = 0;
    for line in links.records() {
        let line = line.unwrap();
        let [what, row, ndcg, map, url] = [0, 2, 3, 4, 5].map(|column| line.get(column).unwrap());
        assert!(url.starts_with("https://") || &line[6] == "the published link is empty", "{line:?}");
        if what != "checkpoint" {
            assert_eq!((row, ndcg, map), ("", "", ""), "{line:?}");
            continue;
        }
        checkpoints += 1;
        let row = table.rows.iter().find(|known| known.name == row).unwrap_or_else(|| panic!("{line:?}"));
        // Rows of YouCook2 have none: what is published repeats the other data set.
        for (name, printed) in [("action/nDCG/avg", ndcg), ("action/mAP/avg", map)] {
            if let Some(score) = row.scores.get(name) {
                assert_eq!(format!("{:.1}", 100.0 * score), printed, "{line:?}");
            }
        }
        assert!(table.checked(&row.name).is_ok());
    }
    assert_eq!(checkpoints, 16);
    let output = Command::new(program("jpose_relmargin")).args(["rows", "--links"]).output().unwrap();
    assert_eq!(said(&output.stdout), RelMargin.links());
}
