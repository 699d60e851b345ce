//! The configurations of Collaborative Experts and its relatives.

use std::collections::BTreeMap;
use std::path::Path;

use coembed::models::{Design, MixtureWeights, TextPooling};
use coembed::options::{Checked, ConfigError, Options as _, Table, TableError};
use coembed::recipes::ce::{Arch, Options, Reading, TaskKind};

const TABLES: [&str; 2] = ["paper-repros/ce/rows.ron", "paper-repros/teachtext/rows.ron"];

fn table(path: &str) -> Table<Options> {
    Table::read(Path::new(path)).unwrap_or_else(|e| panic!("{e}"))
}

fn row(name: &str) -> Options {
    table(TABLES[1]).options(name).unwrap_or_else(|e| panic!("{e}"))
}

fn checked(options: Options) -> Checked<Options> {
    options.check().unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn every_row_is_valid_and_has_the_published_number_of_parameters() {
    for path in TABLES {
        let table = table(path);
        assert!(table.rows.len() > 10);
        for row in &table.rows {
            let options = table.checked(&row.name).unwrap_or_else(|e| panic!("{path}: {e}"));
            let count = options.num_parameters().unwrap();
            assert_eq!(row.params.unwrap_or(count), count, "{path}: {}", row.name);
            options.network().unwrap();
            let read: Options = coembed::options::parse("text", &options.to_ron()).unwrap();
            assert_eq!(read, *options, "{}", row.name);
        }
    }
}

#[test]
fn the_counts_of_the_fixtures_are_those_of_the_rows() {
    let Ok(text) = std::fs::read_to_string("tests/golden/ce/param_counts.json") else { return };
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let [ce, teachtext] = TABLES.map(table);
    let rows = ce.rows.iter().chain(&teachtext.rows);
    let rows: BTreeMap<&str, Option<usize>> = rows.map(|row| (row.name.as_str(), row.params)).collect();
    for published in file["rows"].as_array().unwrap() {
        let name = published["config"].as_str().unwrap();
        let count = published["params"].as_u64().map(|count| count as usize);
        assert_eq!(rows.get(name), Some(&count), "{name}");
    }
}

fn error(change: impl FnOnce(&mut Options)) -> String {
    let mut options = row("msrvtt-train-full-ce");
    change(&mut options);
    options.check().unwrap_err().to_string()
}

#[test]
fn contradictions_name_the_option() {
    assert!(error(|o| o.experts.truncate(1)).starts_with("experts: a collaborative design needs at least two"));
    assert!(error(|o| o.experts.clear()).starts_with("experts: their number 0"));
    assert!(error(|o| o.experts[0] = "smell".into()).starts_with("experts: \"smell\" is none of the features: audio"));
    assert!(error(|o| o.experts[0] = o.experts[1].clone()).contains("twice"));
    assert!(error(|o| o.text_pooling = TextPooling::Identity).starts_with("max_words: 37, but"));
    assert!(error(|o| o.text_feat = "abacus".into()).starts_with("text_width: needed: \"abacus\""));
    assert!(error(|o| o.dataset = "Vine".into()).starts_with("dataset: "));
    assert!(error(|o| o.split = "half".into()).starts_with("split: "));
    assert!(error(|o| (o.dataset, o.split, o.test_split) = ("MSVD".into(), "dev".into(), None)).contains("81"));
    assert!(error(|o| o.fuse_captions = true).starts_with("test_split_captions: "));
    assert!(error(|o| o.text_dropout = 1.5).starts_with("text_dropout: 1.5"));
    assert!(error(|o| o.randomise_feats = vec!["smell".into()]).starts_with("randomise_feats: "));
    assert!(error(|o| o.batch_size = 1).starts_with("batch_size: 1"));
    assert!(error(|o| o.margin = f32::NAN).starts_with("margin: NaN"));
    assert!(error(|o| o.monitor = Some("val_t2v_metrics_MedR".into())).starts_with("monitor: "));
    assert!(error(|o| o.seeds = vec![1, 1]).starts_with("seeds: "));
    assert!(error(|o| o.arch = Arch::Moee).starts_with("design: "));
    assert!(error(|o| o.arch = Arch::HowTo100m).starts_with("experts: 9, but"));
    let no_layers = |o: &mut Options| {
        if let Design::Collaborative(reasoning) = &mut o.design {
            reasoning.g_layers = 0;
        }
    };
    assert!(error(no_layers).starts_with("design.g_layers: 0"));
    let no_clusters = |o: &mut Options| {
        o.features.get_mut("audio").unwrap().reading = Reading::Sequence { clusters: 0, max_tokens: 3 };
    };
    assert!(error(no_clusters).starts_with("features.audio.reading.clusters: 0"));
    assert!(error(|o| o.task = TaskKind::RetrievalAsClassification).starts_with("monitor: "));
    let moee = |change: fn(&mut Options)| {
        let mut options = row("original-moee-net");
        change(&mut options);
        options.check().unwrap_err().to_string()
    };
    assert!(moee(|o| o.features.get_mut("audio").unwrap().reading = Reading::default()).contains("a sequence"));
    assert!(moee(|o| o.weights = MixtureWeights::Uniform).starts_with("weights: "));
    let ghosts = |o: &mut Options| o.text_pooling = TextPooling::NetVlad { clusters: 32, ghosts: 1 };
    assert!(moee(ghosts).starts_with("text_pooling: "));
}

#[test]
fn options_become_those_of_the_reader() {
    let mut options = row("msrvtt-train-full-ce-only-scene-audio");
    let scene = options.features.get_mut("scene.densenet161.0").unwrap();
    scene.frames = Some(ron::from_str("(fps: 1, pixel_dim: 2, stride: 3)").unwrap());
    let options = checked(options);
    let read = options.folder_options(true).unwrap();
    assert_eq!((read.split.as_str(), options.captions(true)), ("full-test", 20));
    assert_eq!(read.experts.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["audio", "scene.densenet161.0"]);
    assert_eq!(read.experts[0].width, Some(128));
    assert_eq!(options.batch_options().max_words, 37);
}

#[test]
fn wrong_tables_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.ron");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Table::<Options>::read(&path)
    };
    assert!(matches!(read("(include: [\"rows.ron\"], rows: [])"), Err(TableError::Cycle { .. })));
    assert!(matches!(read("(include: [\"none.ron\"], rows: [])"), Err(TableError::Config(ConfigError::Io { .. }))));
    assert!(matches!(read("(rows: [(name: \"a\"), (name: \"a\")])"), Err(TableError::Twice { .. })));
    let error = read("(rows: [\n(name: \"a\", options: (l2renorm: true))])").unwrap_err();
    let line_2 = |error: &ConfigError| matches!(error, ConfigError::Syntax { error, .. } if error.span.start.line == 2);
    assert!(matches!(&error, TableError::Config(error) if line_2(error)), "{error}");
    assert!(error.to_string().contains("l2renorm"), "{error}");
    let table = read("(rows: [(name: \"a\", base: \"b\"), (name: \"b\")])").unwrap();
    assert!(matches!(table.options("a"), Err(TableError::NoBase { .. })), "bases come first");
    assert!(matches!(table.checked("b"), Err(TableError::Options { .. })), "it has no experts");
    assert!(matches!(table.options("c"), Err(TableError::NoRow { .. })));
}
