use serde::{Deserialize, Serialize};

use crate::data::near_duplicate::Dataset;
use crate::ops::WeightDecay;
use crate::options::{OptionsError, ensure, in_range, not_negative};
use crate::train::AdamConfig;

/// Which encoder. The published programs build [`EncoderKind::Tca`]; the others stand in the same code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum EncoderKind {
    /// Temporal Context Aggregation.
    #[default]
    Tca,
    /// The mean of the frames: nothing to train, for comparison.
    Mean,
    /// NetVLAD with a gated projection.
    NetVlad,
    /// NeXtVLAD with a gated projection.
    NextVlad,
    /// A long short-term memory of two layers.
    Lstm,
    /// Gated recurrent units in two layers.
    Gru,
}

/// How two videos are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Metric {
    /// Video level: 1 minus the distance, divided by the largest distance of any query to the video, rounded to 6 decimals.
    #[default]
    Euclidean,
    /// Video level: cosine; a video of zeros is similar to all.
    Cosine,
    /// Frame level: chamfer similarity.
    Chamfer,
    /// Frame level: the mean of both directions of the chamfer similarity.
    SymmetricChamfer,
}

/// What the logits of positives and keys are trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ContrastLoss {
    /// Circle loss as the published code has it: the first row of a batch is weighted as positives, all others as negatives.
    #[default]
    CircleAsPublished,
    /// Circle loss as the paper has it.
    Circle,
    /// Cross-entropy of the positive (InfoNCE).
    InfoNce,
}

crate::options! {
    /// Every option of the published training and evaluation programs, under its published name; the defaults are those of their parsers, but for
    /// the padding of the evaluation program, which is 100 there and 300 in every published command.
    pub Options, changes Changes {
        /// The data set that is tested: a name with CC_WEB, VCDB, FIVR and a version (FIVR-5K, FIVR-200K), EVVE or ACTIVITY_NET in it.
        dataset: String = "VCDB".into(),
        /// Folder of the annotations, in the data folder.
        annotation_path: String = "datasets".into(),
        /// File of the features, in the data folder.
        feature_path: String = "features.hdf5".into(),
        /// Which encoder.
        encoder: EncoderKind = EncoderKind::Tca,
        /// Layers of Temporal Context Aggregation.
        num_layers: usize = 1,
        /// Clusters of NetVLAD and NeXtVLAD. No effect with Temporal Context Aggregation, as published.
        num_clusters: usize = 256,
        /// Width of an embedding; that of the frames with Temporal Context Aggregation.
        output_dim: usize = 1024,
        /// Width of the frames.
        pca_components: usize = 1024,
        /// Whether NetVLAD and NeXtVLAD bring frames to unit length. No effect with Temporal Context Aggregation, as published.
        normalize_input: bool = false,
        /// Rate of the dropout (the class default is 0.1, the training program has 0.2).
        dropout: f32 = 0.2,
        /// Frames of a video: shorter ones are padded, of longer ones a window is drawn.
        padding_size: usize = 300,
        /// Frames of longer videos drawn one by one, with repetition, instead of a window.
        random_sampling: bool = false,
        /// Seed of the windows of long videos in an evaluation, whatever the seed of the training (the published program does not seed).
        eval_seed: u64 = 0,
        /// How videos are compared.
        metric: Metric = Metric::Euclidean,
        /// Negatives of each pair.
        neg_num: usize = 1,
        /// Epochs; also the period of the learning rate's half cosine.
        epochs: usize = 5,
        /// Pairs in a batch.
        batch_sz: usize = 256,
        /// Step size of the first epoch.
        learning_rate: f32 = 1e-4,
        /// Weight decay, added to the gradient.
        weight_decay: f32 = 1e-4,
        /// Keys in the memory bank; a multiple of the negatives of a batch.
        moco_k: usize = 65536,
        /// Share of its parameters that the key encoder keeps in a step.
        moco_m: f32 = 0.999,
        /// What similarities are divided by.
        moco_t: f32 = 0.07,
        /// The loss.
        loss: ContrastLoss = ContrastLoss::CircleAsPublished,
        /// Margin of the circle loss.
        margin: f32 = 0.25,
        /// Scale of the circle loss.
        gamma: f32 = 256.0,
        /// Checkpoints that are kept: every so many epochs, and the last. (The published program writes over one file, and keeps nothing of a run
        /// shorter than that.)
        save_period: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(9),
        /// Seeds of weights, windows and negatives, one run each. The order of the pairs is the published one for all of them.
        seeds: Vec<u64> = vec![0],
    }
    check(options) {
        options.check_training()
    }
    evaluation(options) {
        options.check_model()
    }
}

impl Options {
    fn check_model(&self) -> Result<(), OptionsError> {
        Dataset::find(&self.dataset).map_err(|error| OptionsError::new("dataset", error.to_string()))?;
        in_range("num_layers", self.num_layers, 64)?;
        in_range("num_clusters", self.num_clusters, 1 << 16)?;
        in_range("output_dim", self.output_dim, 1 << 16)?;
        in_range("pca_components", self.pca_components, 1 << 16)?;
        in_range("padding_size", self.padding_size, 1 << 20)?;
        let (inputs, outputs) = (self.pca_components, self.output_dim);
        let keeps_width = matches!(self.encoder, EncoderKind::Tca | EncoderKind::Mean);
        ensure(!keeps_width || inputs == outputs, "output_dim", || {
            format!("{outputs} is not the width of the frames, {inputs}: {:?} does not change it", self.encoder)
        })?;
        let tca = self.encoder == EncoderKind::Tca;
        ensure(!tca || inputs.is_multiple_of(8), "pca_components", || {
            format!("{inputs} is no multiple of the 8 heads of the attention")
        })
    }

    fn check_training(&self) -> Result<(), OptionsError> {
        self.check_model()?;
        ensure(self.encoder != EncoderKind::Mean, "encoder", || "Mean has nothing to train".into())?;
        in_range("neg_num", self.neg_num, 1 << 16)?;
        in_range("epochs", self.epochs, 1 << 24)?;
        in_range("batch_sz", self.batch_sz, 1 << 20)?;
        in_range("moco_k", self.moco_k, 1 << 24)?;
        for (field, value) in [
            ("learning_rate", self.learning_rate),
            ("weight_decay", self.weight_decay),
            ("margin", self.margin),
            ("gamma", self.gamma),
            ("dropout", self.dropout),
            ("moco_m", self.moco_m),
            ("moco_t", self.moco_t),
        ] {
            not_negative(field, value)?;
        }
        ensure(self.dropout < 1.0, "dropout", || format!("{} is not below 1", self.dropout))?;
        ensure(self.moco_m <= 1.0, "moco_m", || format!("{} is above 1", self.moco_m))?;
        ensure(self.moco_t > 0.0 && (1.0 / self.moco_t).is_finite(), "moco_t", || {
            format!("{} is no divisor", self.moco_t)
        })?;
        let negatives = self.batch_sz * self.neg_num;
        ensure(self.moco_k.is_multiple_of(negatives), "moco_k", || {
            format!("{} is no multiple of the {negatives} negatives of a batch (batch_sz · neg_num)", self.moco_k)
        })
    }

    /// The optimizer.
    pub fn adam(&self) -> AdamConfig {
        let weight_decay = WeightDecay::Penalty(self.weight_decay);
        AdamConfig { learning_rate: self.learning_rate, weight_decay, ..AdamConfig::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options as _;

    fn error(change: fn(&mut Options)) -> String {
        let mut options = Options::default();
        change(&mut options);
        options.check().unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_valid_and_contradictions_name_the_option() {
        Options::default().check().unwrap();
        // The example of the published README: eight workers of 64 pairs with 16 negatives each do not fit 4096 keys.
        let readme = |o: &mut Options| (o.batch_sz, o.neg_num, o.moco_k) = (8 * 64, 16, 4096);
        assert_eq!(error(readme), "moco_k: 4096 is no multiple of the 8192 negatives of a batch (batch_sz · neg_num)");
        assert!(error(|o| o.output_dim = 512).starts_with("output_dim: 512 is not the width of the frames, 1024"));
        assert!(
            error(|o| (o.pca_components, o.output_dim) = (12, 12)).starts_with("pca_components: 12 is no multiple")
        );
        assert!(error(|o| o.dataset = "COCO".into()).starts_with("dataset: "));
        assert!(error(|o| o.moco_t = 0.0).starts_with("moco_t: "));
        assert!(error(|o| o.neg_num = 0).starts_with("neg_num: "));
    }
}
