//! The published folders: `tests/data/experts/symlinked-feats`, see the script beside it for what is in it.

use std::path::{Path, PathBuf};

use coembed::data::Loaded;
use coembed::data::experts::folder::{
    Dataset, ExpertFolderError, ExpertFolderOptions, ExpertSource, ExpertSplits, FeatAggregation, FeatureFiles,
    Subsets, load, text_width,
};
use coembed::data::experts::{Expert, ExpertSplit, FeatureKind};
use coembed::formats::Limits;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/experts/symlinked-feats")
}

fn aggregation(json: &str) -> FeatAggregation {
    serde_json::from_str(json).unwrap()
}

fn senet(temporal: &str) -> ExpertSource {
    let json = r#"{"fps": 25, "stride": 1, "pixel_dim": 256, "offset": 0, "inner_stride": 1, "temporal": "T", "aggregate": "concat",
        "aggregate-axis": 1, "type": "embed", "feat_dims": {"embed": 4, "logits": 1000}}"#;
    let aggregation = aggregation(&json.replace('T', temporal));
    let width = aggregation.width();
    let files = FeatureFiles::Published(Some(aggregation));
    ExpertSource { name: "imagenet.senet154.0".into(), files, kind: FeatureKind::Fixed, flaky: false, width }
}

fn scene() -> ExpertSource {
    let json = r#"{"fps": 25, "stride": 25, "pixel_dim": 256, "temporal": "avg", "type": "logits", "feat_dims": {"embed": 9, "logits": 3}}"#;
    let files = FeatureFiles::Published(Some(aggregation(json)));
    ExpertSource { name: "scene.densenet161.0".into(), files, kind: FeatureKind::Fixed, flaky: true, width: Some(3) }
}

fn custom(name: &str, kind: FeatureKind, flaky: bool) -> ExpertSource {
    ExpertSource { name: name.into(), files: FeatureFiles::Published(None), kind, flaky, width: None }
}

fn named(file: &str) -> ExpertSource {
    ExpertSource { files: FeatureFiles::Named(vec![file.into()]), ..custom("x", FeatureKind::Fixed, false) }
}

fn antoine(name: &str, file: &str) -> ExpertSource {
    ExpertSource { name: name.into(), flaky: true, ..named(file) }
}

const SEQUENCE: FeatureKind = FeatureKind::Sequence { max_tokens: 8 };

fn options(experts: Vec<ExpertSource>) -> ExpertFolderOptions {
    ExpertFolderOptions { split: "full-test".into(), text_encoder: "w2v".into(), experts, ..Default::default() }
}

fn read(options: &ExpertFolderOptions) -> Result<Loaded<ExpertSplits>, ExpertFolderError> {
    load(&root(), Dataset::find("MSRVTT").unwrap(), options)
}

/// The message without the path of the folder.
#[track_caller]
fn error(options: &ExpertFolderOptions) -> String {
    read(options).unwrap_err().to_string().replace(&format!("{}/", root().display()), "")
}

fn train(options: &ExpertFolderOptions) -> ExpertSplit {
    read(options).unwrap().split.train.unwrap()
}

fn values(expert: &Expert) -> Vec<Option<Vec<f32>>> {
    (0..expert.videos()).map(|video| expert.get(video).map(|matrix| matrix.as_slice().to_vec())).collect()
}

#[test]
fn a_split_is_read_whole_with_experts_in_order_of_their_names() {
    let experts = vec![
        senet("avg-max"),
        custom("speech", SEQUENCE, true),
        scene(),
        custom("audio", SEQUENCE, true),
        antoine("antoine-face", "antoine/face_features.hickle"),
        antoine("antoine-rgb", "antoine/resnet_features.hickle"),
    ];
    let loaded = read(&options(experts)).unwrap();
    let (train, eval) = (loaded.split.train.unwrap(), loaded.split.eval.unwrap());
    assert_eq!(
        (&train.videos[..], &eval.videos[..]),
        (&["video0".to_owned(), "video1".into()][..], &["video2".into()][..])
    );
    let names: Vec<&str> = train.experts.iter().map(|expert| expert.name.as_str()).collect();
    assert_eq!(names, ["antoine-face", "antoine-rgb", "audio", "imagenet.senet154.0", "scene.densenet161.0", "speech"]);
    let [face, rgb, audio, senet, scene, speech] = &train.experts[..] else { panic!() };
    assert_eq!(values(face), [Some(vec![1.0; 2]), None]);
    assert_eq!(values(rgb), [Some(vec![1.0; 2]), None]);
    assert_eq!(values(audio), [Some(vec![1.0; 10]), None]);
    let both = |v: f32| Some([[v; 4], [v + 0.5; 4]].concat());
    assert_eq!(values(senet), [both(1.0), both(2.0)]);
    assert_eq!(values(scene), [Some(vec![1.0; 3]), None]);
    // An empty array is there; a video that the file does not name is missing.
    assert_eq!(values(speech), [Some(vec![]), None]);
    assert_eq!(eval.experts[2].get(0).unwrap().rows(), 4);
    assert_eq!((train.captions.count(0), train.captions.count(1)), (2, 3));
    assert_eq!(train.captions.get(1, 2).unwrap().row(2), [13.0; 300]);
    assert_eq!(train.sentences[0], ["say 0", "say 1"]);
    assert_eq!(loaded.files.len(), 2 + 7 + 2);
    assert!(loaded.warnings[0].contains("train_list_full.txt: 2 videos, the published list has 6513"));
    assert!(loaded.warnings[2].contains("1 videos are not named, expert \"speech\" is missing there"));
}

#[test]
fn every_container_gives_the_same_features() {
    for file in ["plain.h5", "dict.npy", "lists.json", "packed.mp", "plain.pickle.gz", "foreign.pickle"] {
        let split = train(&options(vec![named(file)]));
        assert_eq!(values(&split.experts[0]), [Some(vec![1.0; 2]), Some(vec![2.0; 2])], "{file}");
    }
    let missing = train(&options(vec![named("missing.json"), ExpertSource { name: "y".into(), ..named("plain.h5") }]));
    assert_eq!(values(&missing.experts[0]), [Some(vec![1.0; 2]), None]);
    // A published name with another extension.
    assert_eq!(train(&options(vec![named("plain.pickle")])).experts[0].width(), 2);
    let message = error(&options(vec![named("matlab.mat")]));
    assert!(message.starts_with("matlab.mat: MATLAB files are not read"), "{message}");
}

#[test]
fn files_that_do_not_fit_are_named() {
    let of = |expert| error(&options(vec![expert]));
    assert_eq!(of(named("nan.pickle")), r#"nan.pickle: video "video1", expert "x": row 0, column 0 is NaN"#);
    assert_eq!(of(named("narrow.pickle")), r#"narrow.pickle: video "video1", expert "x": width 4 expected, found 3"#);
    let of_width = ExpertSource { width: Some(9), ..named("plain.h5") };
    assert_eq!(of(of_width), r#"plain.h5: video "video0", expert "x": width 9 expected, found 2"#);
    let sequence = ExpertSource { kind: FeatureKind::Fixed, ..custom("audio", SEQUENCE, true) };
    assert!(of(sequence).ends_with(r#"video "video0", expert "audio": one vector expected, found 2"#));
    let lonely = custom("speech", SEQUENCE, true);
    assert_eq!(of(lonely), r#"video "video1" has none of the experts speech"#);
    let firm = custom("speech", SEQUENCE, false);
    assert!(
        of(firm)
            .contains(r#"speech-w2v.pickle: key "video1" expected, found none, and the expert "speech" is not flaky"#)
    );
    let files =
        ["aggregated_imagenet_25fps_256px_stride1_offset0_inner_stride1/senet154-avg.pickle", "half_missing.pickle"];
    let halves = ExpertSource { files: FeatureFiles::Named(files.map(PathBuf::from).into()), ..named("x") };
    assert!(of(halves).contains(r#"video "video0": the files do not fit together: 1 x 4 and missing"#));
    assert!(of(custom("ocr", SEQUENCE, true)).contains("looked for aggregated_ocr_feats/ocr-raw.pickle"));
    let message = of(custom("smell", FeatureKind::Fixed, true));
    let expected = r#"files: files for expert "smell", which has no published place in MSRVTT, expected, got none"#;
    assert_eq!(message, expected);
    let message = of(custom("i3d.i3d.0", FeatureKind::Fixed, true));
    assert!(message.starts_with(r#"files: how the frames of expert "i3d.i3d.0" were sampled"#), "{message}");
    assert!(of(named("code.pickle")).contains("found pathlib.PurePosixPath"));
}

#[test]
fn unknown_names_list_the_known_ones() {
    let message = Dataset::find("MSRVT").unwrap_err().to_string();
    assert!(message.starts_with("dataset_name: one of MSRVTT, MSVD, DiDeMo"), "{message}");
    assert_eq!(Dataset::find("activity-net").unwrap().name, "ActivityNet");
    let unknown = ExpertFolderOptions { split: "test".into(), ..options(vec![senet("avg")]) };
    assert!(error(&unknown).starts_with("split_name: one of full-val, full-test, jsfusion"));
    let message = error(&options(vec![senet("fixed_seg")]));
    assert!(message.starts_with("temporal: vlad, or any of avg, max, ent, std joined by -, for expert"), "{message}");
    assert_eq!(
        (text_width("gpt2-xl-finetune"), text_width("hglmm_6kd"), text_width("x")),
        (Some(1600), Some(6000), None)
    );
}

#[test]
fn file_names_follow_from_the_aggregation() {
    let json =
        r#"{"fps": 30, "stride": 16, "pixel_dim": 112, "num_segments": 3, "temporal": "avg-std", "type": "logits"}"#;
    let files = aggregation(json).files("r2p1d.r2p1d-ig65m.0").unwrap();
    let folder = Path::new("aggregated_r2p1d_30fps_112px_stride16_num_segments3");
    assert_eq!(files, [folder.join("r2p1d-ig65m-avg-logits.pickle"), folder.join("r2p1d-ig65m-std-logits.pickle")]);
    let error = aggregation(r#"{"temporal": "avg"}"#).files("i3d.i3d.0").unwrap_err().to_string();
    assert_eq!(error, r#"fps: a number for expert "i3d.i3d.0" expected, got none"#);
    assert!(aggregation(json).files("audio").is_err());
}

#[test]
fn lists_are_checked() {
    let with = |file: &str| ExpertFolderOptions { training_file: Some(file.into()), ..options(vec![senet("avg")]) };
    assert!(error(&with("val_list_full.txt")).ends_with(r#"video "video2" is listed twice"#));
    assert!(error(&with("unknown.txt")).contains(r#"key "video9" expected, found none"#));
    assert!(error(&with("none.txt")).starts_with("the list of videos not found; looked for none.txt"));
    let didemo = Dataset::find("DiDeMo").unwrap();
    let dotted = ExpertFolderOptions { split: "test".into(), subsets: Subsets::Train, ..with("dotted.txt") };
    let split = load(&root(), didemo, &dotted).unwrap().split.train.unwrap();
    assert_eq!(split.videos, ["video0", "video1"]);
}

#[test]
fn one_caption_is_chosen_for_1k_a() {
    let options = ExpertFolderOptions { split: "jsfusion".into(), ..options(vec![senet("avg")]) };
    let eval = read(&options).unwrap().split.eval.unwrap();
    assert_eq!((eval.captions.count(0), eval.captions.count(1)), (1, 1));
    assert_eq!(eval.captions.get(0, 0).unwrap().row(0)[0], 13.0);
    assert_eq!(eval.sentences[0], ["say 2"]);
}

#[test]
fn text_features_are_found_under_their_published_names() {
    let wrong = ExpertFolderOptions { text_encoder: "gpt2".into(), ..options(vec![senet("avg")]) };
    assert!(error(&wrong).contains(r#"gpt2.pkl: video "video0", caption 0: width 768 expected, found 5"#));
    let absent = ExpertFolderOptions { text_encoder: "bert".into(), ..options(vec![senet("avg")]) };
    assert!(error(&absent).contains("looked for aggregated_text_feats/bert.pkl"));
    // Of MSVD: in parts, and under other names of the videos.
    let parts = ExpertFolderOptions {
        split: "dev".into(),
        text_encoder: "openai".into(),
        training_file: Some("train_list_full.txt".into()),
        evaluation_file: Some("test_list_full.txt".into()),
        ..options(vec![senet("avg")])
    };
    let loaded = load(&root(), Dataset::find("MSVD").unwrap(), &parts).unwrap();
    let train = loaded.split.train.unwrap();
    assert_eq!((train.captions.width(), train.captions.count(1)), (768, 1));
    assert_eq!(train.captions.get(1, 0).unwrap().row(0)[0], 2.0);
    assert!(train.sentences.is_empty());
    assert!(loaded.warnings.iter().any(|warning| warning.contains("sentences will not be shown")));
    let absent = ExpertFolderOptions { text_encoder: "openai".into(), ..options(vec![senet("avg")]) };
    assert!(error(&absent).contains("looked for aggregated_text_feats/w2v_MSRVTT_openAIGPT.pickle"));
}

#[test]
fn other_names_of_videos_are_needed_with_the_published_text_alone() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["train_list_full.txt", "plain.h5", "aggregated_text_feats/w2v.pkl"] {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(root().join(file), path).unwrap();
    }
    let own = ExpertFolderOptions {
        split: "dev".into(),
        subsets: Subsets::Train,
        training_file: Some("train_list_full.txt".into()),
        text_encoder: "openai".into(),
        text_files: vec!["aggregated_text_feats/w2v.pkl".into()],
        ..options(vec![named("plain.h5")])
    };
    let read = |options: &ExpertFolderOptions| load(folder.path(), Dataset::find("MSVD").unwrap(), options);
    let loaded = read(&own).unwrap();
    assert!(loaded.split.train.unwrap().sentences.is_empty());
    assert!(loaded.warnings[0].ends_with("raw-captions.pkl: not there, sentences will not be shown"));
    let message = read(&ExpertFolderOptions { text_files: vec![], ..own }).unwrap_err().to_string();
    assert!(message.starts_with("other names of the videos not found; looked for "), "{message}");
}

#[test]
fn masks_and_teachers_are_read_and_checked() {
    let with = |masks: Option<&str>, teacher: &str| ExpertFolderOptions {
        caption_masks: masks.map(PathBuf::from),
        teachers: vec![Path::new("teachers").join(teacher)],
        ..options(vec![senet("avg")])
    };
    let split = train(&with(Some("masks.pkl"), "good.pkl"));
    assert_eq!(split.masks.unwrap().videos, [vec![false, true], vec![true, false, true]]);
    let experts = &split.teachers[0].experts;
    assert_eq!((experts[0].name.as_str(), experts[0].video.row(1)), ("scene", &[2.0; 6][..]));
    assert_eq!(experts[1].text.get(1).unwrap().row(2), [13.0; 6]);
    assert!(
        error(&with(Some("masks_zero.pkl"), "good.pkl")).ends_with(r#"video "video0": the caption mask is all zero"#)
    );
    assert!(error(&with(None, "other_captions.pkl")).ends_with("3 entries, one per caption, expected, found 2"));
    assert!(
        error(&with(None, "other_experts.pkl")).contains(
            r#"["video1"]["vid_embds"]: the experts of the first video, scene, audio, expected, found scene"#
        )
    );
    assert!(error(&with(None, "one_video.pkl")).contains(r#"key "video1" expected"#));
    let restricted = ExpertFolderOptions { restrict_train_captions: Some(1), ..with(Some("masks.pkl"), "good.pkl") };
    assert!(error(&restricted).ends_with(r#"video "video0": the caption mask is all zero"#));
    let fused = ExpertFolderOptions { fuse_captions: true, ..with(None, "fused.pkl") };
    let split = train(&fused);
    assert_eq!((split.captions.get(1, 0).unwrap().rows(), split.captions.is_fused()), (9, true));
}

#[test]
fn numbers_of_test_captions_are_checked_as_published() {
    let eval = read(&options(vec![senet("avg")])).unwrap().split.eval.unwrap();
    let check = |dataset: &str, captions| Dataset::find(dataset).unwrap().check_captions(&eval, captions);
    assert_eq!(check("MSVD", 1).unwrap_err().to_string(), "num_test_captions: 81 for MSVD expected, got 1");
    assert!(check("MSVD", 81).is_ok() && check("MSRVTT", 20).is_ok() && check("YouCook2", 1).is_ok());
    assert!(check("YouCook2", 3).is_err() && check("VaTeX", 1).is_err() && check("LSMDC", 20).is_err());
}

#[test]
fn budgets_hold_for_every_container() {
    for file in ["plain.h5", "dict.npy", "lists.json", "packed.mp", "nan.pickle"] {
        let limits = Limits { input_bytes: 30, ..Limits::default() };
        let options = ExpertFolderOptions { limits, ..options(vec![named(file)]) };
        assert!(error(&options).contains("30 allowed"), "{file}");
        let bytes = std::fs::read(root().join(file)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(root().join("train_list_full.txt"), folder.path().join("train_list_full.txt")).unwrap();
        let options = ExpertFolderOptions {
            subsets: Subsets::Train,
            limits: Limits { bytes: 1 << 20, ..Limits::default() },
            ..self::options(vec![named(file)])
        };
        let refused = |bytes: &[u8]| {
            std::fs::write(folder.path().join(file), bytes).unwrap();
            load(folder.path(), Dataset::find("MSRVTT").unwrap(), &options).unwrap_err().to_string()
        };
        // Cut anywhere, a file is refused and named; damaged anywhere, nothing panics (the text features, which come later, are absent).
        for at in (0..bytes.len()).step_by(7) {
            let message = refused(&bytes[..at]);
            assert!(message.contains(file), "{message}");
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            refused(&damaged);
        }
    }
}
