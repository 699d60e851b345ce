use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::blocks::{FrameStatistic, ReasoningConfig};
use crate::models::collaborative_experts::CaptionMerge;
use crate::models::{Design, MixtureWeights, TextPooling};
use crate::train::{OptimizerConfig, RangerConfig, Schedule};

/// Which network (`arch.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Arch {
    /// CE and everything that [`Design`] names (`CENet`).
    #[default]
    CollaborativeExperts,
    /// The baseline of QuerYD (`MNNet`): one expert against a sentence embedding of the same width, by inner product, with a single parameter.
    HowTo100m,
    /// The network of the MoEE authors' own program (`Net`): [`Design::Own`] with the experts face, audio, visual and motion.
    Moee,
}

/// What is asked of a video (`task`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TaskKind {
    /// Its captions (`retrieval`).
    #[default]
    Retrieval,
    /// Its labels (`retrieval-as-classification`): the captions of a video are labels, of which others may have the same. Training compares a
    /// drawn label of every video of a batch as it does captions; evaluation ranks all labels of the split for a video.
    RetrievalAsClassification,
}

/// What the files of an expert hold for a video.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reading {
    /// One vector per statistic over time, side by side (`temporal: "avg-max"`). One file each for visual experts.
    Statistics(Vec<FrameStatistic>),
    /// A sequence of vectors, pooled by NetVLAD (`temporal: "vlad"`).
    Sequence {
        /// Clusters (`vlad_clusters`).
        clusters: usize,
        /// Vectors in a batch: longer sequences are cut, shorter ones padded (`max_tokens`).
        max_tokens: usize,
    },
}

impl Default for Reading {
    fn default() -> Self {
        Self::Statistics(vec![FrameStatistic::Mean])
    }
}

/// Which parameters a run is tested with (`eval_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum EvalMode {
    /// Those of the epoch that `monitor` selects (`test_run`).
    #[default]
    TestRun,
    /// Those of the last epoch (`fixed_num_epochs`): of splits whose validation list is the test list, where selection would be on the test.
    FixedNumEpochs,
}

/// How the frames of a visual expert were sampled: the names of its folder and files follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameSampling {
    /// Frames per second.
    pub fps: u32,
    /// Shorter side of a frame.
    pub pixel_dim: u32,
    /// Frames from one window to the next.
    pub stride: u32,
    /// First frame.
    #[serde(default)]
    pub offset: Option<u32>,
    /// Frames from one of a window to the next.
    #[serde(default)]
    pub inner_stride: Option<u32>,
    /// Segments per video.
    #[serde(default)]
    pub num_segments: Option<u32>,
    /// The outputs of the classifier instead of its last hidden layer (`type: "logits"`).
    #[serde(default)]
    pub logits: bool,
}

/// An expert that a data set has features of (`feat_aggregation`, with its entries of `max_tokens` and `vlad_clusters`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpertOptions {
    /// Width of one vector.
    pub width: usize,
    /// What its files hold.
    #[serde(default)]
    pub reading: Reading,
    /// For visual experts, where the published files are.
    #[serde(default)]
    pub frames: Option<FrameSampling>,
    /// Its files, relative to the folder of features, in place of the published ones.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    /// Whether a video that the files do not name is without the expert. Of other experts, every video must be named.
    #[serde(default)]
    pub flaky: bool,
}

crate::options! {
    /// One run: the published options that have an effect (Liu et al. 2019, TeachText, QuerYD), with the published values for MSRVTT as
    /// defaults, experts apart.
    ///
    pub Options, changes Changes {
        /// Folder of the features (`data_dir`, `root_feat_folder`), where the command line says no other.
        data_dir: Option<PathBuf> = None,
        /// Data set (`dataset_name`).
        dataset ["dataset_name"]: String = "MSRVTT".into(),
        /// Lists of videos in training and validation (`split_name`).
        split ["split_name"]: String = "full-val".into(),
        /// Whether captions are sentences or labels (`task`).
        task: TaskKind = TaskKind::Retrieval,
        /// Captions per video in validation (`num_test_captions`).
        num_test_captions: usize = 1,
        /// Lists of videos for the test after training (`eval_settings`); those of the validation without it.
        test_split: Option<String> = None,
        /// Captions per video in that test; as many as in validation without it.
        test_split_captions: Option<usize> = None,
        /// List of training videos in place of the published one (`training_file`).
        training_file: Option<PathBuf> = None,
        /// Which captions are drawn in training: a file of masks (`caption_masks`). All without it.
        caption_masks: Option<PathBuf> = None,
        /// All captions of a video become one (`fuse_captions`).
        fuse_captions: bool = false,
        /// Captions kept of each training video (`restrict_train_captions`). All without it. As published, MSRVTT alone obeys it.
        restrict_train_captions: Option<usize> = None,
        /// Every data set obeys it.
        restrict_every_dataset: bool = false,
        /// The names of text features and lists are those of the challenge (`challenge_mode`).
        challenge_mode: bool = false,
        /// Folder beside that of the features with list, text and captions of the split `public_server_test` in the challenge
        /// (`challenge_test_root_feat_folder`).
        challenge_test_root: PathBuf = "challenge-release-2".into(),

        /// Names of the experts, in any order (`modalities` without `drop_feats`).
        experts: Vec<String> = vec![],
        /// Missing features are zeros in a batch instead of NaN (`use_zeros_for_missing`).
        use_zeros_for_missing: bool = false,
        /// Experts whose features are replaced by noise (`randomise_feats`).
        randomise_feats: Vec<String> = vec![],
        /// Experts whose features are replaced by ones (`binarise`).
        binarise: Vec<String> = vec![],

        /// Text encoder (`text_feat`).
        text_feat: String = "openai".into(),
        /// Width of its word vectors (`text_embedding_model_configs`); that of the published encoder without it.
        text_width: Option<usize> = None,
        /// Words of a caption in a batch (`max_tokens.text`).
        max_words: usize = 37,
        /// How words become a text (`vlad_clusters.text`, `ghost_clusters.text`).
        text_pooling: TextPooling = TextPooling::NetVlad { clusters: 28, ghosts: 1 },
        /// Probability that a caption is thinned in training (`text_dropout`).
        text_dropout: f64 = 0.0,

        /// Which network (`arch.type`).
        arch: Arch = Arch::CollaborativeExperts,
        /// How video and text meet (`use_ce`, `mimic_ce_dims`, `concat_experts`, `concat_mix_experts`, `use_mish`, `use_bn_reason`,
        /// `num_g_layers`, `num_h_layers`, `include_self`).
        design: Design = Design::Collaborative(ReasoningConfig::default()),
        /// Weights of the experts (`freeze_weights`, `keep_missing_modalities`).
        weights: MixtureWeights = MixtureWeights::Text,
        /// Width of the common space (`ce_shared_dim`).
        ce_shared_dim: usize = 768,
        /// Several captions at evaluation (`test_caption_mode`).
        test_caption_mode: CaptionMerge = CaptionMerge::Independent,

        /// Margin of the ranking loss (`loss`).
        margin: f32 = 0.093_811_62,
        /// Pairs on the diagonal do not count in the mean of the loss.
        fix_norm: bool = true,
        /// Files of the embeddings of teachers (`distil_loss`, `distil_params`): TeachText. None: no distillation.
        teachers: Vec<PathBuf> = vec![],

        /// The optimizer.
        optimizer: OptimizerConfig =
            OptimizerConfig::Ranger(RangerConfig { learning_rate: 0.1, weight_decay: 1e-3, ..RangerConfig::default() }),
        /// Course of the learning rate (`lr_scheduler`).
        schedule: Schedule = Schedule::StepDecay { epochs: NonZeroUsize::MIN, gamma: 0.95 },
        /// Videos in a batch.
        batch_size: usize = 64,
        /// Epochs.
        epochs: usize = 100,
        /// Which parameters are tested (`eval_mode`).
        eval_mode: EvalMode = EvalMode::TestRun,
        /// The score of the validation that is greatest in the best epoch (`monitor`); the last epoch without it.
        monitor: Option<String> = Some("val_t2v_metrics_geometric_mean_R1-R5-R10".into()),
        /// Only the best epoch is written (`save_only_best`).
        save_only_best: bool = true,
        /// Epochs from one checkpoint to the next, where more than the best is written.
        save_period: usize = 1,
        /// The first epoch, counted from 1, after which such a checkpoint may be written (`skip_first_n_saves`, which counts epochs).
        skip_first_n_saves: usize = 0,
        /// How many of these checkpoints stay, the newest (`num_keep_ckpts`).
        num_keep_ckpts: usize = 3,
        /// Seeds, one run each (`--seeds`). Published numbers are means over 0, 1, 2.
        seeds: Vec<u64> = vec![0],
    }
    maps {
        /// Every expert that may stand in `experts`, by name (`feat_aggregation`).
        features: BTreeMap<String, ExpertOptions>,
    }
    check(options) {
        options.check_data()?;
        options.check_experts()?;
        options.check_text()?;
        options.check_network()?;
        options.check_training()
    }
}
