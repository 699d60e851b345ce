//! Data folders in the layouts of the published programs: what they hold, and what is wrong with broken ones.

use std::path::Path;

use coembed::data::epic100::annotations::Annotations;
use coembed::data::epic100::{EvalSplitName, load_eval, load_ids, load_train};
use coembed::data::relational::FolderOptions;
use coembed::data::relational::LEVELS;
use coembed::data::relational::sampling::{ClassKey, TripletSampler};
use coembed::digest;
use coembed::formats::pickle_writer::Element;
use coembed::formats::{Limits, pickle};
use coembed::matrix::Matrix;

#[path = "../benches/common/annotations.rs"]
mod real;
#[path = "folders/support.rs"]
mod support;
#[path = "folders/youcook2.rs"]
mod youcook2;

use support::{Class, Folder, relational, repository, rng};

fn all_nouns() -> FolderOptions {
    FolderOptions { all_noun_classes: true, ..FolderOptions::default() }
}

const VIDEO: &str = "data/video_features/EPIC_100_retrieval_train_features_mean.pkl";
const TEST_VIDEO: &str = "data/video_features/EPIC_100_retrieval_test_features_mean.pkl";
const VERB_TEXT: &str = "data/text_features/EPIC_100_retrieval_verb_text_features_train.pkl";
const NOUN_TEXT: &str = "data/text_features/EPIC_100_retrieval_noun_text_features_train.pkl";
const VERB: &str = "data/relational/EPIC_100_retrieval_verb_relational_dict_train.pkl";
const CAPTION: &str = "data/relational/EPIC_100_retrieval_caption_relational_dict_train.pkl";
const RELEVANCE: &str = "data/relevancy/noun_relevancy_EPIC_100_retrieval_test.pkl";

#[test]
fn the_training_split_with_all_nouns() {
    let loaded = Folder::mini().train(&all_nouns()).unwrap();
    let split = &loaded.split;
    assert_eq!((split.features.video.rows(), split.features.video.cols()), (6, 22));
    for level in LEVELS {
        let (text, relations) = (split.features.text.get(level), split.relations.get(level));
        assert_eq!((text.rows(), text.cols()), (4, 14));
        assert_eq!((relations.video.len(), relations.text.len()), (6, 4));
        for anchors in [&relations.video, &relations.text] {
            TripletSampler::new(anchors, &relations.video).unwrap().sample(2, &mut rng());
        }
    }
    let relations = &split.relations;
    assert_eq!(relations.verb.video_classes[2].verbs.as_slice(), [1]);
    assert!(relations.verb.video_classes[2].nouns.is_empty());
    assert_eq!(relations.noun.video.classes_of(2), [13, 16, 19].map(ClassKey::Id));
    assert_eq!(relations.noun.text_classes[0].to_string(), "_8,16");
    // Sampled by the first noun, compared by all.
    assert_eq!(relations.action.video.classes_of(0), [ClassKey::Action("0_8".into())]);
    assert_eq!(relations.action.video_classes[0].to_string(), "0_8,16");
    assert_eq!(relations.action.text_classes[2].to_string(), "1_13,16,19");
    assert_eq!(relations.action.video.num_classes(), 4);

    assert!(loaded.warnings.is_empty());
    let names: Vec<_> = loaded.files.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names.len(), 7);
    assert!(names.contains(&"EPIC_100_retrieval_verb_relational_dict_train.pkl"));
    assert!(names.contains(&"noun_allnouns_relational_EPIC_100_retrieval_train.pkl"));
    assert!(!names.iter().any(|name| name.contains("relevancy")), "training needs no relevance");
}

#[test]
fn the_training_split_with_first_nouns() {
    let folder = Folder::mini();
    let loaded = folder.train(&FolderOptions::default()).unwrap();
    let relations = &loaded.split.relations;
    assert_eq!(relations.noun.video.classes_of(0), [ClassKey::Id(8)]);
    assert_eq!(relations.noun.video_classes[0].to_string(), "_8");
    assert_eq!(relations.action.video_classes[0].to_string(), "0_8");
    for (path, hex) in &loaded.files {
        assert_eq!(*hex, digest::sha256(&std::fs::read(path).unwrap()));
    }
    // MMEN knows the first noun only, whichever file it reads.
    let mmen = folder.train(&FolderOptions { first_noun_only: true, ..all_nouns() }).unwrap();
    assert_eq!(mmen.split.relations.action, relations.action);
    assert!(
        mmen.files.iter().any(|(path, _)| path.ends_with("caption_allnouns_relational_EPIC_100_retrieval_train.pkl"))
    );
    // The data folder itself will do.
    let inner = load_train(&folder.join("data"), &FolderOptions::default(), &mut rng()).unwrap();
    assert_eq!(inner.split, loaded.split);
}

#[test]
fn the_splits_to_evaluate_on() {
    let folder = Folder::mini();
    for split in [EvalSplitName::Validation, EvalSplitName::Test] {
        let name = if split == EvalSplitName::Test { "test" } else { "validation" };
        let loaded = folder.eval(split).unwrap().split;
        assert_eq!((loaded.features.video.rows(), loaded.features.video.cols()), (9, 22));
        for (level, file) in LEVELS.into_iter().zip(["verb", "noun", "caption"]) {
            let path = folder.join(&format!("data/relevancy/{file}_relevancy_EPIC_100_retrieval_{name}.pkl"));
            let dense = pickle::from_path(&path, &Limits::default()).unwrap();
            assert_eq!(loaded.relevance.get(level).to_dense(), dense.as_array().unwrap().to_f64_matrix().unwrap());
        }
        let truth = [0, 1, 2, 3, 4, 5, 6, 3, 2].map(|row| vec![row]).to_vec();
        assert_eq!(loaded.ground_truth, (split == EvalSplitName::Test).then_some(truth));
    }
}

#[test]
fn leading_columns_are_kept_and_missing_ones_warned_of() {
    let folder = Folder::mini();
    let all = folder.train(&FolderOptions::default()).unwrap().split.features.video;
    let narrow = folder.train(&FolderOptions { video_width: Some(5), ..FolderOptions::default() }).unwrap();
    assert!(narrow.warnings.is_empty());
    assert_eq!(*narrow.split.features.video, Matrix::from_fn(6, 5, |i, j| all.row(i)[j]));
    let wide = folder.train(&FolderOptions { video_width: Some(1024), ..FolderOptions::default() }).unwrap();
    assert_eq!(wide.split.features.video, all);
    assert!(wide.warnings[0].contains("train_features_mean.pkl: 1024 columns wanted, all 22 there are used"));
    let none = folder.train(&FolderOptions { video_width: Some(0), ..FolderOptions::default() }).unwrap_err();
    assert!(none.to_string().contains("empty, of shape [6, 0]"), "{none}");
}

/// Features of three videos and two captions, and nothing else.
fn features_only(split: &str) -> Folder {
    let folder = Folder::empty();
    let name = |kind: &str| format!("data/{kind}_{split}");
    folder.video(
        &format!("{}_features_mean.pkl", name("video_features/EPIC_100_retrieval")),
        [3, 1],
        &[1.0_f32, 2.0, 3.0],
    );
    for level in ["caption", "verb", "noun"] {
        let path = format!("data/text_features/EPIC_100_retrieval_{level}_text_features_{split}.pkl");
        folder.array(&path, [2, 2], &[1.0_f64, 2.0, 3.0, 4.0]);
    }
    folder
}

fn annotation(name: &str) -> Vec<u8> {
    std::fs::read(repository().join("tests/data/epic100").join(name)).unwrap()
}

fn annotate(folder: &Folder, place: &str, split: &str, kind: &str) {
    for suffix in ["", "_sentence"] {
        let contents = annotation(&format!("EPIC_100_retrieval_test{suffix}.{kind}"));
        folder.write(&format!("{place}EPIC_100_retrieval_{split}{suffix}.{kind}"), &contents);
    }
}

#[test]
fn relevance_from_annotations_where_there_are_no_matrices() {
    for (place, kind) in [
        ("", "csv"),
        ("data/", "csv"),
        ("data/dataframes/", "csv"),
        ("data/dataframes/", "pkl"),
        ("retrieval_annotations/", "csv"),
    ] {
        let folder = features_only("test");
        annotate(&folder, place, "test", kind);
        let loaded = folder.eval(EvalSplitName::Test).unwrap();
        assert_eq!(loaded.files.len(), 6, "{place}");
        // Columns are the segments P01_11_1 (1: 2, 9, 13) and P02_03_7 (0: 2, 13), whatever their texts.
        let third = 1.0 / 3.0;
        let rows = |values: [f64; 6]| Matrix::new(values.to_vec(), 3, 2).unwrap();
        let relevance = loaded.split.relevance;
        assert_eq!(relevance.verb.to_dense(), rows([0.0, 1.0, 1.0, 0.0, 0.0, 1.0]));
        assert_eq!(relevance.noun.to_dense(), rows([third, 0.5, 1.0, 2.0 * third, 2.0 * third, 1.0]));
        assert_eq!(relevance.action.to_dense(), rows([0.5 * third, 0.75, 1.0, third, third, 1.0]));

        let ids = load_ids(folder.path(), EvalSplitName::Test, &FolderOptions::default()).unwrap().split;
        assert_eq!(ids.videos, ["P01_11_0", "P01_11_1", "P02_03_7"]);
        assert_eq!(ids.captions, ["P01_11_1", "P02_03_7"]);
    }
    // The validation split was the test split.
    let folder = features_only("validation");
    annotate(&folder, "", "test", "csv");
    folder.eval(EvalSplitName::Validation).unwrap();
}

#[test]
fn relations_from_annotations_where_there_are_no_dictionaries() {
    let folder = features_only("train");
    annotate(&folder, "", "train", "csv");
    let all = folder.train(&all_nouns()).unwrap().split.relations;
    assert_eq!(all.verb.video.classes_of(1), [ClassKey::Id(1)]);
    assert_eq!(all.noun.video.classes_of(1), [2, 13, 9, 2].map(ClassKey::Id));
    assert_eq!(all.noun.text_classes[0].to_string(), "_2,9,13");
    assert_eq!(all.action.text.classes_of(1), [ClassKey::Action("0_13".into())]);
    assert_eq!(all.action.text_classes[1].to_string(), "0_2,13");
    let first = folder.train(&FolderOptions::default()).unwrap().split.relations;
    assert_eq!(first.noun.video.classes_of(1), [ClassKey::Id(2)]);
    assert_eq!(first.action.text_classes[1].to_string(), "0_13");
    let mmen = folder.train(&FolderOptions { first_noun_only: true, ..all_nouns() }).unwrap().split.relations;
    assert_eq!(mmen.action.text_classes, first.action.text_classes);
}

#[test]
fn broken_annotations() {
    let segments = String::from_utf8(annotation("EPIC_100_retrieval_test.csv")).unwrap();
    let error = |contents: &str| {
        let folder = features_only("test");
        annotate(&folder, "", "test", "csv");
        folder.write("EPIC_100_retrieval_test.csv", contents.as_bytes());
        folder.test_error("EPIC_100_retrieval_test.csv")
    };
    for (from, to, expected) in [
        ("P01_11_1", "P01_11_0", r#"line 3, column "narration_id": "P01_11_0" occurs before, at line 2"#),
        ("verb_class", "class", r#"column "verb_class" expected, found ["narration_id", "narration", "verb", "class""#),
        ("\"[13, 2]\"", "\"[13, x]\"", r#"line 4, column "all_noun_classes": "[13, x]" is no list"#),
        ("\"[13, 2]\"", "\"13, 2\"", r#"line 4, column "all_noun_classes": "13, 2" is not a list in square brackets"#),
        ("take,0,plate", "take,,plate", r#"line 2, column "verb_class": an integer expected, found """#),
        ("['plate'],[2]", "['plate']", "line: 2"),
    ] {
        let message = error(&segments.replacen(from, to, 1));
        assert!(message.contains(expected), "{message}");
    }
    let message = error(segments.lines().take(3).collect::<Vec<_>>().join("\n").as_str());
    assert!(message.contains("_sentence.csv") && message.contains(r#""P02_03_7" is not in"#), "{message}");

    let folder = features_only("test");
    annotate(&folder, "data/dataframes/", "test", "pkl");
    folder.pickle("data/dataframes/EPIC_100_retrieval_test.pkl", |root| root.int(1));
    let message = folder.test_error("EPIC_100_retrieval_test.pkl");
    assert!(message.contains("pandas.DataFrame expected, found int"), "{message}");
    folder.write("data/dataframes/EPIC_100_retrieval_test.pkl", &annotation("EPIC_100_retrieval_test_sentence.pkl"));
    let message = folder.test_error("EPIC_100_retrieval_test.pkl");
    assert!(message.contains(r#"column "verb_class" expected, found ["narration"]"#), "{message}");
}

#[test]
fn missing_folders_and_files() {
    let none = load_eval(Path::new("/nowhere"), EvalSplitName::Test, &FolderOptions::default()).unwrap_err();
    assert_eq!(none.to_string(), "/nowhere: not a folder");
    let folder = Folder::mini();
    folder.remove(TEST_VIDEO);
    assert!(folder.test_error("EPIC_100_retrieval_test_features_mean.pkl").contains("No such file"));
    folder.remove(VERB);
    let message = folder.train_error("EPIC_100_retrieval_verb_relational_dict_train.pkl");
    assert!(message.starts_with("the verb relational dictionary, or annotation files to compute it from, not found"));
    assert!(message.contains("EPIC_100_retrieval_train_sentence.csv"));
    let folder = Folder::mini();
    folder.remove(RELEVANCE);
    let message = folder.test_error("noun_relevancy_EPIC_100_retrieval_test.pkl");
    assert!(message.starts_with("the noun relevance matrix"), "{message}");
    let ids = load_ids(folder.path(), EvalSplitName::Test, &FolderOptions::default()).unwrap_err();
    assert!(ids.to_string().starts_with("annotation files not found"), "{ids}");
}

/// An element of an array of texts.
#[derive(Clone, Copy)]
struct Word;

impl Element for Word {
    const CODE: &'static str = "S4";
    fn append(self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(b"word");
    }
}

#[test]
fn broken_features() {
    let folder = Folder::mini();
    let name = "EPIC_100_retrieval_train_features_mean.pkl";
    let check = |expected: &str| {
        let message = folder.train_error(name);
        assert!(message.contains(expected), "{message}");
    };
    let whole = std::fs::read(folder.join(VIDEO)).unwrap();
    folder.write(VIDEO, &whole[..whole.len() / 2]);
    check("truncated: ");
    folder.pickle(VIDEO, |root| {
        root.dict(|entries| {
            entries.str("feats");
            entries.int(1);
        });
    });
    check(r#"key "features" expected, found 1 keys: ["feats"]"#);
    folder.pickle(VIDEO, |root| root.list(|_| ()));
    check("dict expected, found list");
    folder.pickle(VIDEO, |root| {
        root.dict(|entries| {
            entries.str("features");
            entries.str("none");
        });
    });
    check(r#"["features"]: array expected, found str"#);
    folder.pickle(VIDEO, |root| {
        root.dict(|entries| {
            entries.str("features");
            entries.array(&[6], &[0.0_f32; 6]);
        });
    });
    check(r#"["features"]: 2 dimensions expected, found f32 of shape [6]"#);
    folder.video(VIDEO, [2, 2], &[1.0_f32, 2.0, f32::NAN, 4.0]);
    check(r#"["features"]: row 1, column 0 is NaN"#);
    folder.video(VIDEO, [1, 2], &[1.0_f64, 1e300]);
    check(r#"["features"]: row 0, column 1 is inf"#);
    folder.video::<f32>(VIDEO, [0, 22], &[]);
    check(r#"["features"]: empty, of shape [0, 22]"#);
    folder.video(VIDEO, [5, 1], &[1.0_f32; 5]);
    check("features_mean.pkl has 5, ");
    folder.video(VIDEO, [1, 2], &[Word, Word]);
    check(r#"["features"]: numbers expected, found bytes of shape [1, 2]"#);
    folder.write(VIDEO, &whole);
    folder.array(VERB_TEXT, [4, 1], &[Word; 4]);
    let message = folder.train_error("verb_text_features_train.pkl");
    assert!(message.contains("text features: numbers expected"), "{message}");
}

#[test]
fn sizes_that_do_not_fit() {
    let folder = Folder::mini();
    folder.array(NOUN_TEXT, [3, 14], &[1.0_f32; 42]);
    let message = folder.train_error("noun_text_features_train.pkl");
    assert!(message.starts_with("captions: ") && message.contains("verb_text_features_train.pkl has 4, "), "{message}");
    assert!(message.ends_with("noun_text_features_train.pkl has 3"), "{message}");
    folder.array(NOUN_TEXT, [4, 13], &[1.0_f32; 52]);
    let message = folder.train_error("noun_text_features_train.pkl");
    assert!(message.starts_with("width: ") && message.contains("has 14, ") && message.ends_with("has 13"), "{message}");
    folder.array(RELEVANCE, [9, 6], &[1.0_f64; 54]);
    let message = folder.test_error("noun_relevancy_EPIC_100_retrieval_test.pkl has 6");
    assert!(message.starts_with("captions: ") && message.contains("has 7, "), "{message}");
    folder.array(RELEVANCE, [9, 7], &[-1.0_f64; 63]);
    let message = folder.test_error("noun_relevancy_EPIC_100_retrieval_test.pkl");
    assert!(message.contains("relevance at row 0, column 0 is -1"), "{message}");
    let folder = Folder::mini();
    folder.pickle("data/relevancy/i2t_gts.pkl", |root| root.list(|rows| rows.list(|row| row.int(7))));
    let message = folder.test_error("i2t_gts.pkl");
    assert!(message.ends_with("[0][0]: a row below 7, the number of captions, expected, found 7"), "{message}");
    folder.pickle("data/relevancy/i2t_gts.pkl", |root| root.list(|rows| rows.list(|row| row.int(6))));
    assert!(folder.test_error("i2t_gts.pkl has 1").contains("features_mean.pkl has 9"));
}

#[test]
fn broken_relational_dictionaries() {
    use Class::{Id, Ids, Text, Texts};
    let folder = Folder::mini();
    let check = |path: &str, dictionaries: &[(&str, support::Entries)], expected: &str| {
        folder.pickle(path, |root| relational(root, dictionaries));
        let message = folder.train_error(Path::new(path).file_name().unwrap().to_str().unwrap());
        assert!(message.contains(expected), "{message}");
    };
    let a = Text("a");
    let videos: support::Entries = &[(a, Id(1)), (Text("b"), Id(2))];
    let items: support::Entries = &[(Id(1), Texts(&["a"])), (Id(2), Texts(&["b"]))];
    let captions: support::Entries = &[(Id(0), Id(1)), (Id(1), Id(2))];
    let rows: support::Entries = &[(Id(1), Ids(&[0])), (Id(2), Ids(&[1]))];
    check(VERB, &[("vid2class", videos)], r#"key "sent2class" expected, found 1 keys"#);
    fn with<'a>(
        class2vid: support::Entries<'a>,
        sent2class: support::Entries<'a>,
        class2sent: support::Entries<'a>,
    ) -> [(&'static str, support::Entries<'a>); 4] {
        let videos = &[(Text("a"), Id(1)), (Text("b"), Id(2))];
        [("vid2class", videos), ("class2vid", class2vid), ("sent2class", sent2class), ("class2sent", class2sent)]
    }
    check(VERB, &with(items, captions, rows), "has 2");
    check(
        VERB,
        &with(&[(Id(1), Texts(&["c"]))], captions, rows),
        r#"["class2vid"][1][0]: a key of vid2class expected, found "c""#,
    );
    check(VERB, &with(&[(Id(1), Id(0))], captions, rows), r#"["class2vid"][1]: list expected, found int"#);
    check(VERB, &with(&[(a, Texts(&["a"]))], captions, rows), r#"["class2vid"]["a"]: int expected, found str"#);
    check(VERB, &with(items, &[(Id(0), Id(1)), (Id(5), Id(1))], rows), r#"["sent2class"][5]: a row below 2"#);
    check(VERB, &with(items, &[(Id(0), Text("x"))], rows), r#"["sent2class"][0]: int expected, found str"#);
    check(VERB, &with(items, captions, &[(Id(1), Ids(&[2]))]), r#"["class2sent"]: class 1 lists item 2"#);
    check(VERB, &with(items, captions, &[(Id(1), Ids(&[-1]))]), r#"["class2sent"][1]: row numbers expected, found -1"#);
    std::fs::copy(repository().join("tests/golden/relmargin/mini").join(VERB), folder.join(VERB)).unwrap();
    for (class, problem) in [("_3", "is not of the form verbs_nouns"), ("x_1", "\"x\" is not an integer")] {
        let dictionaries: &[(&str, support::Entries)] =
            &[("vid2class", &[(a, Text(class))]), ("class2vid", &[]), ("sent2class", &[]), ("class2sent", &[])];
        check(CAPTION, dictionaries, r#"["vid2class"]["a"]: "#);
        check(CAPTION, dictionaries, problem);
    }
    let dictionaries: &[(&str, support::Entries)] = &[("vid2class", videos), ("sent2class", &[])];
    check(CAPTION, dictionaries, r#"["vid2class"]["a"]: str expected, found int"#);
}

#[test]
fn a_class_on_one_side_only_is_found_by_the_sampler() {
    use Class::{Id, Ids, Text, Texts};
    let folder = Folder::mini();
    let ids = ["a", "b", "c", "d", "e", "f"].map(Text);
    let videos: Vec<_> = ids.iter().zip(0..).map(|(id, class)| (*id, Id(class % 2))).collect();
    let captions: Vec<_> = (0..4).map(|row| (Id(row), Id(if row == 3 { 9 } else { 0 }))).collect();
    folder.pickle(VERB, |root| {
        relational(
            root,
            &[
                ("vid2class", &videos),
                ("class2vid", &[(Id(0), Texts(&["a", "c", "e"])), (Id(1), Texts(&["b", "d", "f"]))]),
                ("sent2class", &captions),
                ("class2sent", &[(Id(0), Ids(&[0, 1, 2])), (Id(9), Ids(&[3]))]),
            ],
        );
    });
    let loaded = folder.train(&FolderOptions::default()).unwrap();
    assert!(loaded.warnings[0].starts_with("row 0 is the video \"a\" in "), "{:?}", loaded.warnings);
    let verbs = loaded.split.relations.verb;
    let error = TripletSampler::new(&verbs.text, &verbs.video).unwrap_err();
    assert_eq!(error.to_string(), "anchor 3 has the class 9, which no item of the other modality has");
}

#[test]
fn the_real_annotations_give_the_known_relevance() {
    let Some(source) = real::folder() else {
        println!("SKIPPED: the annotation files of the test split are not there");
        return;
    };
    let limits = Limits::default();
    let annotations = Annotations::open(&source.join("EPIC_100_retrieval_test.csv"), &limits).unwrap();
    let captions = annotations.open_captions(&source.join("EPIC_100_retrieval_test_sentence.csv"), &limits).unwrap();
    assert_eq!((annotations.rows.len(), captions.len()), (9668, 3842));
    let folder = Folder::empty();
    for name in ["EPIC_100_retrieval_test.csv", "EPIC_100_retrieval_test_sentence.csv"] {
        folder.write(&format!("data/dataframes/{name}"), &std::fs::read(source.join(name)).unwrap());
    }
    folder.video(TEST_VIDEO, [9668, 1], &vec![1.0_f32; 9668]);
    for level in ["caption", "verb", "noun"] {
        let path = format!("data/text_features/EPIC_100_retrieval_{level}_text_features_test.pkl");
        folder.array(&path, [3842, 1], &vec![1.0_f32; 3842]);
    }
    let relevance = folder.eval(EvalSplitName::Test).unwrap().split.relevance;
    let expected = std::fs::read(repository().join("tests/golden/relmargin/epic100_full.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    for (level, name) in LEVELS.into_iter().zip(["verb", "noun", "caption"]) {
        let (want, got) = (&expected["relevance_statistics"][name], relevance.get(level));
        let ones = got.values().iter().filter(|value| **value == 1.0).count();
        assert_eq!(
            (want["nonzeros"].as_u64(), want["ones"].as_u64()),
            (Some(got.non_zeros() as u64), Some(ones as u64))
        );
        let (sum, wanted) = (got.values().iter().sum::<f64>(), want["sum"].as_f64().unwrap());
        assert!((sum - wanted).abs() < 1e-9 * wanted, "{name}: {sum} instead of {wanted}");
    }
}
