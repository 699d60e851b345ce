//! The published data sets as a table: lists, text files, checks.

use crate::data::experts::{ExpertSplit, ExpertsError};

/// One data set of the published loaders. What the files of a split are called is data here, not code per data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// Its name in the configurations: `MSRVTT`.
    pub name: &'static str,
    /// Its splits.
    pub splits: &'static [DatasetSplit],
    /// Folder of the text features.
    pub text_folder: &'static str,
    /// Whether the features of the encoder `openai` lie in one file per part of the data set.
    pub openai_in_parts: bool,
    /// The captions as text.
    pub raw_captions: &'static str,
    /// A dict between the names in the lists and the keys of the text features, in either direction.
    pub names: Option<&'static str>,
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
    DatasetSplit { name, train, eval, videos: (train_videos, eval_videos), caption_index: None }
}

/// What most data sets have in common.
const COMMON: Dataset = Dataset {
    name: "",
    splits: &[],
    text_folder: "aggregated_text_feats",
    openai_in_parts: false,
    raw_captions: "raw-captions.pkl",
    names: None,
    cut_at_dot: false,
    test_captions: TestCaptions::Exactly(1),
};

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

/// Every data set of the published loaders. Names of lists that the publications do not state (MSRVTT `val`, ActivityNet `val`, YouCook2,
/// VaTeX, and the training lists of the challenge) follow the naming of the others; [`super::ExpertFolderOptions`] can name other files.
pub const DATASETS: [Dataset; 9] = [
    Dataset {
        name: "MSRVTT",
        splits: &[
            split("full-val", "train_list_full.txt", "val_list_full.txt", 6513, 497),
            split("full-test", "train_list_full.txt", "test_list_full.txt", 6513, 2990),
            DatasetSplit {
                caption_index: Some("jsfusion_val_caption_idx.pkl"),
                ..split("jsfusion", "train_list_jsfusion.txt", "val_list_jsfusion.txt", 9000, 1000)
            },
            split("miech", "train_list_miech.txt", "test_list_miech.txt", 6656, 1000),
            split("val", TRAIN, VAL, 0, 0),
            server_val(497),
            server_test(2990),
        ],
        test_captions: TestCaptions::Msrvtt,
        ..COMMON
    },
    Dataset {
        name: "MSVD",
        splits: &[
            split("dev", TRAIN, VAL, 1200, 100),
            split("official", TRAIN, TEST, 1200, 670),
            server_val(100),
            server_test(670),
        ],
        openai_in_parts: true,
        names: Some("dict_youtube_mapping.pkl"),
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
        cut_at_dot: true,
        ..COMMON
    },
    Dataset {
        name: "ActivityNet",
        splits: &[
            split("val1", TRAIN, "val_1_list.txt", 10009, 4917),
            split("val", TRAIN, VAL, 10009, 0),
            server_val(1001),
            server_test(4917),
        ],
        openai_in_parts: true,
        raw_captions: "raw-captions-train-val_1.pkl",
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
        ..COMMON
    },
    Dataset { name: "QuerYD", splits: QUERYD, text_folder: "text_embeddings", ..COMMON },
    Dataset { name: "QuerYDSegments", splits: QUERYD, text_folder: "text_embeddings", ..COMMON },
    Dataset {
        name: "YouCook2",
        splits: &[split("val", TRAIN, VAL, 0, 0), server_val(969), server_test(3310)],
        test_captions: TestCaptions::Any,
        ..COMMON
    },
    Dataset {
        name: "VaTeX",
        splits: &[split("full-val", TRAIN, VAL, 0, 0), split("full-test", TRAIN, TEST, 0, 0)],
        test_captions: TestCaptions::Exactly(10),
        ..COMMON
    },
];

const QUERYD: &[DatasetSplit] = &[split("val", TRAIN, VAL, 0, 0), split("test", TRAIN, TEST, 0, 0)];

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
