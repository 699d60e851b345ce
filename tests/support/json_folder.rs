//! A small folder in the layout of MSRVTT, and options for it.

use std::path::{Path, PathBuf};

use coembed::formats::pickle_writer::Writer;
use coembed::models::{Design, TextPooling};
use coembed::recipes::ce::{ExpertOptions, FrameSampling, Options, Reading};
use coembed::train::{AdamConfig, OptimizerConfig};
use serde_json::{Value, json};

/// `rows` x `width` numbers from -1 to 1.
pub fn values(seed: u64, rows: usize, width: usize) -> Vec<Vec<f64>> {
    let value = |i: usize| (seed * 7919 + i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44;
    let value = |i: usize| value(i) as f64 / f64::from(1 << 19) - 1.0;
    (0..rows).map(|row| (0..width).map(|column| value(row * width + column)).collect()).collect()
}

/// A folder of features in `all`, and what the test of the challenge has beside it: fourteen videos of three captions; lists, features, captions,
/// masks and embeddings of a teacher under several names.
pub fn write_folder(all: &Path) -> PathBuf {
    let folder = all.join("features");
    for name in ["features", "challenge-release-2", "other-release"] {
        std::fs::create_dir(all.join(name)).unwrap();
    }
    let video = |i: usize| format!("v{i}");
    let list = |name: &str, videos: std::ops::Range<usize>| {
        std::fs::write(folder.join(name), videos.map(video).collect::<Vec<_>>().join("\n")).unwrap();
    };
    list("train_list_full.txt", 0..8);
    list("val_list_full.txt", 9..14);
    list("train_list.txt", 0..8);
    list("other_train_list.txt", 2..9);
    list("val_list.txt", 9..14);
    list("public_server_val.txt", 8..12);
    list("../challenge-release-2/public_server_test.txt", 9..14);
    list("../other-release/public_server_test.txt", 9..13);
    let file = |name: &str, content: &dyn Fn(u64) -> Option<Value>| {
        let all = (0..14).filter_map(|i| Some((video(i), content(i as u64)?))).collect::<serde_json::Map<_, _>>();
        std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        std::fs::write(folder.join(name), Value::Object(all).to_string()).unwrap();
    };
    file("audio.json", &|i| Some(json!(values(i, 4, 3))));
    // Every third video is without a face.
    file("face.json", &|i| if i % 3 == 0 { Some(json!(null)) } else { Some(json!(values(100 + i, 1, 4)[0])) });
    file("visual.json", &|i| Some(json!(values(200 + i, 1, 4)[0])));
    file("motion.json", &|i| Some(json!(values(300 + i, 1, 4)[0])));
    file("other_motion.json", &|i| Some(json!(values(400 + i, 1, 4)[0])));
    for (stride, seed) in [(1, 500), (2, 600)] {
        let name = format!("aggregated_scene_1fps_2px_stride{stride}/net-avg.json");
        file(&name, &|i| Some(json!(values(seed + i, 1, 4)[0])));
    }
    let captions = |seed, width| move |i: u64| Some(json!([0, 1, 2].map(|c| values(seed + 3 * i + c, 3, width))));
    file("aggregated_text_feats/own.json", &captions(1000, 4));
    file("aggregated_text_feats/other.json", &captions(2000, 4));
    file("text_embeddings/own.json", &captions(3000, 4));
    file("../challenge-release-2/aggregated_text_feats/own.json", &captions(1000, 4));
    file("../other-release/aggregated_text_feats/own.json", &captions(1000, 4));
    file("aggregated_text_feats/w2v_MSRVTT_openAIGPT.json", &captions(6000, 768));
    file("aggregated_text_feats/openai.json", &captions(7000, 768));
    file("masks.json", &|_| Some(json!([0, 1, 0])));
    let embeddings =
        |i| json!({ "vid_embds": { "x": values(4000 + i, 1, 5)[0] }, "text_embds": { "x": values(5000 + i, 3, 5) } });
    file("teacher.json", &|i| Some(embeddings(i)));
    // Every video has a label of its own, one that all have, and one of four.
    let mut labels = Writer::new();
    labels.dict(|entries| {
        for i in 0..14 {
            entries.str(&video(i));
            let own = format!("it is {i}");
            let words = [own.as_str(), "red", ["round", "square", "flat", "long"][i % 4]];
            entries.list(|captions| {
                words.iter().for_each(|words| captions.list(|list| words.split(' ').for_each(|word| list.str(word))));
            });
        }
    });
    std::fs::write(folder.join("raw-captions.pkl"), labels.finish()).unwrap();
    folder
}

pub fn expert(width: usize, file: &str) -> ExpertOptions {
    let files = vec![file.into()];
    ExpertOptions { width, reading: Reading::default(), frames: None, files, flaky: false }
}

pub fn base() -> Options {
    let audio = Reading::Sequence { clusters: 2, max_tokens: 3 };
    let scene = FrameSampling {
        fps: 1,
        pixel_dim: 2,
        stride: 1,
        offset: None,
        inner_stride: None,
        num_segments: None,
        logits: false,
    };
    let features = [
        ("audio", ExpertOptions { reading: audio, ..expert(3, "audio.json") }),
        ("face", ExpertOptions { flaky: true, ..expert(4, "face.json") }),
        ("motion", expert(4, "motion.json")),
        ("scene.net.0", ExpertOptions { frames: Some(scene), files: vec![], ..expert(4, "") }),
        ("visual", expert(4, "visual.json")),
    ];
    Options {
        dataset: "MSRVTT".into(),
        split: "full-val".into(),
        experts: ["audio", "face", "motion"].map(String::from).into(),
        features: features.map(|(name, expert)| (name.to_string(), expert)).into(),
        text_feat: "own".into(),
        text_width: Some(4),
        max_words: 3,
        text_pooling: TextPooling::NetVlad { clusters: 2, ghosts: 1 },
        ce_shared_dim: 6,
        optimizer: OptimizerConfig::Adam(AdamConfig { learning_rate: 0.05, ..AdamConfig::default() }),
        batch_size: 4,
        epochs: 3,
        ..Options::default()
    }
}

/// The baseline of QuerYD: one expert against a text of the same width.
pub fn one_vector(o: &mut Options) {
    (o.experts, o.design, o.text_pooling, o.max_words) = (vec!["face".into()], Design::Own, TextPooling::Identity, 1);
}
