//! The published data sets as a table: lists, text files, checks.

use crate::data::experts::{ExpertSplit, ExpertsError};

/// One data set of the published loaders: where they look for every file. Paths are relative to the folder of features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Its name in the configurations: `MSRVTT`.
    pub name: &'static str,
    /// Its splits.
    pub splits: &'static [DatasetSplit],
    /// Folder of the text features.
    pub text_folder: &'static str,
    /// The text features of the encoder `openai` (OpenAI-GPT), in that folder, beside those of the split.
    pub openai: &'static [&'static str],
    /// Text features of the challenge with the ending `.pickle`; all others end in `.pkl`.
    pub challenge_pickles: Encoders,
    /// The captions as text.
    pub raw_captions: &'static str,
    /// A dict between the names in the lists and the keys of the text features of `openai`, in either direction.
    pub names: Option<&'static str>,
    /// Experts whose files follow the rule of visual features ([`FeatAggregation::files`](super::FeatAggregation::files)); the published
    /// loader reads no others but the following.
    pub visual: &'static [&'static str],
    /// Files of the experts that do not follow it.
    pub custom: &'static [CustomExpert],
    /// Whether the published loader obeys `restrict_train_captions`; the others accept it without effect.
    pub restricts_captions: bool,
    /// Whether teachers are looked for in the folder of features, not in the folder that the program runs in.
    pub teachers_in_folder: bool,
    /// Whether a line of a list ends at its first dot.
    pub cut_at_dot: bool,
    /// What `num_test_captions` may be.
    pub test_captions: TestCaptions,
}

/// The lists of a split, and how many videos the published ones have (0: not known).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetSplit {
    /// Its name in the configurations: `full-test`.
    pub name: &'static str,
    /// List of the videos to train on.
    pub train: &'static str,
    /// List of the videos to evaluate on.
    pub eval: &'static str,
    /// Published lengths of the two lists.
    pub videos: (usize, usize),
    /// A dict from video ids to the one caption that is evaluated.
    pub caption_index: Option<&'static str>,
    /// Text features of the encoder `openai` that this split has beside those of the data set; they count where both have a video.
    pub openai: Option<&'static str>,
    /// Files of experts that are others than in the other splits.
    pub custom: &'static [CustomExpert],
    /// Whether the published loader takes a `training_file` in place of the list of training videos.
    pub training_file: bool,
}

/// The name of an expert, and its file.
pub type CustomExpert = (&'static str, &'static str);

/// Some of the text encoders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoders {
    /// None.
    None,
    /// `openai` alone.
    Openai,
    /// All.
    All,
}

/// The published checks of the number of test captions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestCaptions {
    /// No check.
    Any,
    /// Exactly so many.
    Exactly(usize),
    /// MSRVTT: with 20 captions, a known number of them is missing: 6 of 2990 videos, 2 of 1000, 0 of 497.
    Msrvtt,
}

const fn split(
    name: &'static str,
    train: &'static str,
    eval: &'static str,
    train_videos: usize,
    eval_videos: usize,
) -> DatasetSplit {
    let videos = (train_videos, eval_videos);
    DatasetSplit { name, train, eval, videos, caption_index: None, openai: None, custom: &[], training_file: true }
}

/// A split whose loader has no `training_file`, or does nothing with it.
const fn without_training_file(split: DatasetSplit) -> DatasetSplit {
    DatasetSplit { training_file: false, ..split }
}

/// What most data sets have in common.
const COMMON: Dataset = Dataset {
    name: "",
    splits: &[],
    text_folder: "aggregated_text_feats",
    openai: &["openai.pkl"],
    challenge_pickles: Encoders::None,
    raw_captions: "raw-captions.pkl",
    names: None,
    // Without the last.
    visual: VISUAL.split_at(15).0,
    custom: &[],
    restricts_captions: false,
    teachers_in_folder: true,
    cut_at_dot: false,
    test_captions: TestCaptions::Exactly(1),
};

const VISUAL: &[&str] = &[
    "imagenet.senet154.0",
    "scene.densenet161.0",
    "imagenet.resnext101_32x48d.0",
    "trn.moments-trn.0",
    "moments_2d.resnet50.0",
    "i3d.i3d.0",
    "i3d.i3d.1",
    "s3dg.s3dg.0",
    "s3dg.s3dg.1",
    "r2p1d.r2p1d-ig65m.0",
    "r2p1d.r2p1d-ig65m.1",
    "r2p1d.r2p1d-ig65m-kinetics.0",
    "r2p1d.r2p1d-ig65m-kinetics.1",
    "moments_3d.moments-resnet3d50.0",
    "moments_3d.moments-resnet3d50.1",
    "audio.vggish.0",
];

const TRAIN: &str = "train_list.txt";
const VAL: &str = "val_list.txt";
const TEST: &str = "test_list.txt";

/// The two sets on the server of the challenge.
const fn server_val(videos: usize) -> DatasetSplit {
    split("public_server_val", TRAIN, "public_server_val.txt", 0, videos)
}

const fn server_test(videos: usize) -> DatasetSplit {
    split("public_server_test", TRAIN, "public_server_test.txt", 0, videos)
}

/// Every data set of the published loaders.
pub const DATASETS: [Dataset; 9] = [
    Dataset {
        name: "MSRVTT",
        splits: &[
            split("full-val", "train_list_full.txt", "val_list_full.txt", 6513, 497),
            split("full-test", "train_list_full.txt", "test_list_full.txt", 6513, 2990),
            DatasetSplit {
                caption_index: Some("jsfusion_val_caption_idx.pkl"),
                training_file: false,
                ..split("jsfusion", "train_list_jsfusion.txt", "val_list_jsfusion.txt", 9000, 1000)
            },
            // With the features of the authors of MoEE, also where the names are those of other experts.
            DatasetSplit {
                custom: &[
                    ("antoine-rgb", "antoine/resnet_features.pickle"),
                    ("audio", "antoine/audio_features.pickle"),
                    ("flow", "antoine/flow_features.pickle"),
                    ("face", "antoine/facefeats-clone.pickle"),
                ],
                training_file: false,
                ..split("miech", "train_list_miech.txt", "test_list_miech.txt", 6656, 1000)
            },
            without_training_file(split("val", TRAIN, VAL, 0, 0)),
            without_training_file(server_val(497)),
            without_training_file(server_test(2990)),
        ],
        openai: &["w2v_MSRVTT_openAIGPT.pickle"],
        challenge_pickles: Encoders::All,
        custom: &[
            ("audio", "aggregated_audio_feats/Audio_MSRVTT_new.pickle"),
            ("face", "aggregated_face_feats/facefeats-avg.pickle"),
            ("ocr", "aggregated_ocr_feats/ocr-raw.pickle"),
            ("speech", "aggregated_speech/speech-w2v.pickle"),
        ],
        restricts_captions: true,
        test_captions: TestCaptions::Msrvtt,
        ..COMMON
    },
    Dataset {
        name: "MSVD",
        splits: &[
            DatasetSplit { openai: Some("openai-caption-val.pkl"), ..split("dev", TRAIN, VAL, 1200, 100) },
            DatasetSplit { openai: Some("openai-caption-test.pkl"), ..split("official", TRAIN, TEST, 1200, 670) },
            server_val(100),
            server_test(670),
        ],
        openai: &["openai-caption-train.pkl"],
        names: Some("dict_youtube_mapping.pkl"),
        custom: &[
            ("face", "aggregated_face_feats/face-avg.pickle"),
            ("ocr", "aggregated_ocr_feats/ocr-w2v.pickle"),
            // Whatever a configuration says of its frames.
            (
                "r2p1d.r2p1d-ig65m-kinetics.0",
                "aggregated_r2p1d_30fps_256px_stride8_offset0_inner_stride1/r2p1d-ig65m-kinetics-avg.pickle",
            ),
        ],
        test_captions: TestCaptions::Exactly(81),
        ..COMMON
    },
    Dataset {
        name: "DiDeMo",
        splits: &[
            split("val", TRAIN, VAL, 8392, 1065),
            split("test", TRAIN, TEST, 8392, 1004),
            server_val(1065),
            server_test(1004),
        ],
        openai: &["openai-feats.pkl"],
        custom: &[
            ("audio", "aggregated_audio_feats/vggish-audio-raw.pickle"),
            ("face", "aggregated_facefeats_25fps_256px_stride1/face-avg.pickle"),
            ("ocr", "aggregated_ocr_feats/ocr-feats.pkl"),
            ("speech", "aggregated_speech_feats/stt_w2v.pickle"),
        ],
        cut_at_dot: true,
        ..COMMON
    },
    Dataset {
        name: "ActivityNet",
        splits: &[
            DatasetSplit { openai: Some("openai-val1.pkl"), ..split("val1", TRAIN, "val_1_list.txt", 10009, 4917) },
            split("val", TRAIN, VAL, 10009, 0),
            server_val(1001),
            server_test(4917),
        ],
        openai: &["openai-train.pkl"],
        raw_captions: "raw-captions-train-val_1.pkl",
        custom: &[
            ("audio", "aggregated_audio/vggish-audio-raw.pickle"),
            ("face", "aggregated_facefeats_25fps_256px_stride1/face-avg.pickle"),
            ("ocr", "aggregated_ocr_feats/ocr-w2v.pkl"),
            ("speech", "aggregated_speech/goog_w2v-speech-raw.pickle"),
        ],
        ..COMMON
    },
    Dataset {
        name: "LSMDC",
        splits: &[
            split("full-val", TRAIN, VAL, 101_079, 0),
            split("full-test", TRAIN, TEST, 101_079, 1000),
            server_val(7408),
            server_test(1000),
        ],
        openai: &["openai-text.pickle"],
        challenge_pickles: Encoders::Openai,
        custom: &[
            ("audio", "aggregated_audio/vggish-raw.pickle"),
            ("face", "antoine/face-max-with-blank-val.pickle"),
            ("ocr", "aggregated_ocr_feats/ocr-w2v.pkl"),
            ("speech", "aggregated_speech/speech-w2v.pickle"),
        ],
        ..COMMON
    },
    Dataset { name: "QuerYD", raw_captions: "structured-symlinks/raw_captions_combined_filtered.pkl", ..QUERYD },
    Dataset { name: "QuerYDSegments", raw_captions: "structured-symlinks/split_raw_captions_filtered.pkl", ..QUERYD },
    Dataset {
        name: "YouCook2",
        splits: &[
            without_training_file(split("val", TRAIN, VAL, 0, 0)),
            without_training_file(server_val(969)),
            without_training_file(server_test(3310)),
        ],
        visual: &[
            "imagenet.senet154.0",
            "scene.densenet161.0",
            "i3d.i3d.0",
            "imagenet.resnext101_32x48d.0",
            "r2p1d.r2p1d-ig65m.0",
            "r2p1d.r2p1d-ig65m-kinetics.0",
            "s3dg.s3dg.0",
            "audio.vggish.0",
        ],
        custom: &[("audio", "aggregated_audio/vggish-raw.pickle"), ("ocr", "aggregated_ocr_feats/ocr-w2v.pkl")],
        ..COMMON
    },
    Dataset {
        name: "VaTeX",
        splits: &[
            without_training_file(split("full-val", TRAIN, "val_list_split1.txt", 0, 0)),
            without_training_file(split("full-test", TRAIN, "val_list_split2.txt", 0, 0)),
        ],
        text_folder: "text-embeddings",
        custom: &[("audio", "aggregated_audio/vggish-raw.hickle")],
        teachers_in_folder: false,
        test_captions: TestCaptions::Exactly(10),
        ..COMMON
    },
];

/// What the two data sets of QuerYD have in common.
const QUERYD: Dataset = Dataset {
    splits: &[
        without_training_file(split("val", TRAIN, VAL, 0, 0)),
        without_training_file(split("test", TRAIN, TEST, 0, 0)),
    ],
    text_folder: "text_embeddings",
    visual: VISUAL,
    custom: &[("audio", "aggregated_audio/vggish-raw.hickle")],
    ..COMMON
};

impl Dataset {
    /// The data set of that name, whatever the case; `activity-net` is ActivityNet.
    ///
    /// # Errors
    /// [`ExpertsError::Option`], which lists those that there are.
    pub fn find(name: &str) -> Result<&'static Self, ExpertsError> {
        static TABLE: [Dataset; 9] = DATASETS;
        let plain = |name: &str| name.replace('-', "").to_lowercase();
        let found = TABLE.iter().find(|dataset| plain(dataset.name) == plain(name));
        found.ok_or_else(|| unknown("dataset_name", name, TABLE.iter().map(|dataset| dataset.name)))
    }

    /// The split of that name.
    ///
    /// # Errors
    /// [`ExpertsError::Option`], which lists those that there are.
    pub fn split(&self, name: &str) -> Result<&'static DatasetSplit, ExpertsError> {
        let found = self.splits.iter().find(|split| split.name == name);
        found.ok_or_else(|| unknown("split_name", name, self.splits.iter().map(|split| split.name)))
    }

    /// Whether the published loader reads an expert of that name.
    pub fn has_expert(&self, split: &DatasetSplit, name: &str) -> bool {
        self.visual.contains(&name) || split.custom.iter().chain(self.custom).any(|(custom, _)| *custom == name)
    }

    /// The published consistency checks of an evaluation split and `num_test_captions`.
    ///
    /// # Errors
    /// [`ExpertsError::Option`] for another number of captions than the data set is evaluated with, [`ExpertsError::Size`] when other than
    /// the known number of captions are missing.
    pub fn check_captions(&self, split: &ExpertSplit, num_test_captions: usize) -> Result<(), ExpertsError> {
        let option = "num_test_captions";
        let videos = split.videos.len();
        match self.test_captions {
            TestCaptions::Exactly(count) if count != num_test_captions => {
                let expected = format!("{count} for {}", self.name);
                Err(ExpertsError::Option { option, expected, value: num_test_captions.to_string() })
            }
            TestCaptions::Msrvtt if num_test_captions == 20 => {
                let expected = match videos {
                    2990 => 6,
                    1000 => 2,
                    497 => 0,
                    _ => return Ok(()),
                };
                let missing = |video| num_test_captions.saturating_sub(split.captions.count(video));
                let found = (0..videos).map(missing).sum();
                if expected == found {
                    return Ok(());
                }
                let (file, what) = (split.captions.file.clone(), format!("missing captions of {videos} videos"));
                Err(ExpertsError::Size { file, what, expected, found })
            }
            _ => Ok(()),
        }
    }
}

fn unknown<'n>(option: &'static str, name: &str, known: impl Iterator<Item = &'n str>) -> ExpertsError {
    let expected = format!("one of {}", known.collect::<Vec<_>>().join(", "));
    ExpertsError::Option { option, expected, value: format!("{name:?}") }
}

/// Width of the word vectors of a published text encoder, by its name in `text_embedding_models.json`.
pub fn text_width(encoder: &str) -> Option<usize> {
    Some(match encoder {
        "w2v" | "grovle" | "mt_grovle" | "hglmm_300d" => 300,
        "hglmm_6kd" => 6000,
        "howto100m_mil_nce" | "t5-small" => 512,
        "electra" => 256,
        "openai" | "openai-gpt" | "gpt2" | "bert-base-uncased" | "t5-base" | "albert-base-v2" | "roberta-base"
        | "xlnet-base-cased" => 768,
        "gpt2-medium" | "t5-large" | "t5-3b" | "t5-11b" | "albert-large-v2" | "roberta-large" | "xlnet-large-cased"
        | "transfo-xl-wt103" => 1024,
        "gpt2-large" | "ctrl" => 1280,
        "gpt2-xl" | "gpt2-xl-finetune" => 1600,
        "albert-xlarge-v2" => 2048,
        _ => return None,
    })
}
