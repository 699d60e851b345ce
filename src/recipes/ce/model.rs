use super::options::{ExpertOptions, Options, Reading, TaskKind};
use crate::blocks::{ExpertConfig, ExpertList, Pooling};
use crate::data::experts::FeatureKind;
use crate::data::experts::folder::{
    Challenge, ExpertFolderOptions, ExpertSource, FeatAggregation, FeatType, FeatureFiles, text_width,
};
use crate::data::experts::{AvailabilityRule, BatchOptions, MissingRows};
use crate::models::{CollaborativeExpertsConfig, Design, MoeeConfig, MoeeExpert, TextPooling};
use crate::options::{Checked, OptionsError};

/// A number of parameters as the published tables print it: two decimals, trailing zeros dropped, in thousands (`369.72k`) or millions
/// (`56.7M`).
pub fn display_parameters(count: usize) -> String {
    let (unit, letter) = match count {
        1_000_000.. => (1e6, "M"),
        1_000.. => (1e3, "k"),
        _ => return count.to_string(),
    };
    let number = format!("{:.2}", count as f64 / unit);
    format!("{}{letter}", number.trim_end_matches('0').trim_end_matches('.'))
}

impl ExpertOptions {
    /// Width of the features, all statistics together.
    pub fn features_width(&self) -> usize {
        match &self.reading {
            Reading::Statistics(statistics) => self.width.saturating_mul(statistics.len()),
            Reading::Sequence { .. } => self.width,
        }
    }

    fn config(&self, name: &str) -> ExpertConfig {
        let pooling = match self.reading {
            Reading::Statistics(_) => Pooling::None,
            Reading::Sequence { clusters, .. } => Pooling::NetVlad { clusters },
        };
        ExpertConfig { name: name.into(), width: self.features_width(), pooling, own_width: None }
    }

    fn source(&self, name: &str) -> ExpertSource {
        let kind = match self.reading {
            Reading::Statistics(_) => FeatureKind::Fixed,
            Reading::Sequence { max_tokens, .. } => FeatureKind::Sequence { max_tokens },
        };
        let files = match self.files.is_empty() {
            true => FeatureFiles::Published(self.aggregation()),
            false => FeatureFiles::Named(self.files.clone()),
        };
        let width = Some(self.features_width());
        ExpertSource { name: name.into(), files, kind, flaky: self.flaky, width }
    }

    fn aggregation(&self) -> Option<FeatAggregation> {
        use crate::blocks::FrameStatistic::{Entropy, Max, Mean, Std};
        let frames = self.frames?;
        let temporal = match &self.reading {
            Reading::Sequence { .. } => "vlad".into(),
            Reading::Statistics(statistics) => {
                let name = |statistic: &_| match statistic {
                    Mean => "avg",
                    Max => "max",
                    Std => "std",
                    Entropy => "ent",
                };
                statistics.iter().map(name).collect::<Vec<_>>().join("-")
            }
        };
        Some(FeatAggregation {
            fps: Some(frames.fps),
            pixel_dim: Some(frames.pixel_dim),
            stride: Some(frames.stride),
            offset: frames.offset,
            inner_stride: frames.inner_stride,
            num_segments: frames.num_segments,
            temporal,
            aggregate_axis: 1,
            kind: if frames.logits { FeatType::Logits } else { FeatType::Embed },
            feat_dims: None,
            flaky: self.flaky,
            binarise: false,
        })
    }
}

impl Options {
    /// The experts with their options in published order: that of their names, which numbers the layers in checkpoints.
    ///
    /// # Errors
    /// [`OptionsError`] for an expert without features.
    pub fn selected(&self) -> Result<Vec<(&str, &ExpertOptions)>, OptionsError> {
        let find = |name: &String| {
            let known = || self.features.keys().cloned().collect::<Vec<_>>().join(", ");
            let unknown = || OptionsError::new("experts", format!("{name:?} is none of the features: {}", known()));
            let (name, expert) = self.features.get_key_value(name).ok_or_else(unknown)?;
            Ok((name.as_str(), expert))
        };
        let mut selected = self.experts.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        selected.sort_by_key(|(name, _)| *name);
        Ok(selected)
    }

    /// Width of the word vectors.
    ///
    /// # Errors
    /// [`OptionsError`] for an encoder that is not published and whose width is not given.
    pub fn word_width(&self) -> Result<usize, OptionsError> {
        let unknown =
            || OptionsError::new("text_width", format!("needed: {:?} is no published text encoder", self.text_feat));
        self.text_width.or_else(|| text_width(&self.text_feat)).ok_or_else(unknown)
    }

    /// How batches are made.
    pub fn batch_options(&self) -> BatchOptions {
        BatchOptions {
            max_words: self.max_words,
            text_dropout: self.text_dropout,
            // As published, zeros are for experts that count as available.
            missing: if self.use_zeros_for_missing { MissingRows::Zeros } else { MissingRows::Nan },
            availability: if self.use_zeros_for_missing {
                AvailabilityRule::AssumedUnlessFlaky
            } else {
                AvailabilityRule::Checked
            },
            randomise: self.randomise_feats.clone(),
            binarise: self.binarise.clone(),
            ..BatchOptions::default()
        }
    }

    /// Captions per video in validation, or (`test`) in the test after training.
    pub fn captions(&self, test: bool) -> usize {
        self.test_split_captions.filter(|_| test).unwrap_or(self.num_test_captions)
    }

    /// Whether experts are projected to a common space.
    pub fn has_common_space(&self) -> bool {
        matches!(self.design, Design::Collaborative(_) | Design::Projected)
    }
}

impl Checked<Options> {
    pub(super) fn collaborative_experts(
        &self,
    ) -> Result<CollaborativeExpertsConfig<ExpertList, usize, usize>, OptionsError> {
        let experts = self.selected()?.into_iter().map(|(name, expert)| expert.config(name)).collect();
        Ok(CollaborativeExpertsConfig {
            experts: ExpertList(experts),
            words: self.word_width()?,
            text: self.text_pooling,
            common: self.ce_shared_dim,
            design: self.design,
            weights: self.weights,
        })
    }

    pub(super) fn moee(&self) -> Result<MoeeConfig, OptionsError> {
        let (mut audio_clusters, mut text_clusters) = (0, 0);
        let mut experts = [MoeeExpert { inputs: 0, embedding: 0 }; 4];
        for (name, expert) in self.selected()? {
            let width = expert.features_width();
            if let Some(at) = MoeeConfig::EXPERTS.iter().position(|known| *known == name) {
                experts[at] = MoeeExpert { inputs: width, embedding: width };
            }
            if let Reading::Sequence { clusters, .. } = expert.reading {
                audio_clusters = clusters;
            }
        }
        if let TextPooling::NetVlad { clusters, .. } = self.text_pooling {
            text_clusters = clusters;
        }
        Ok(MoeeConfig { words: self.word_width()?, text_clusters, audio_clusters, experts })
    }

    /// What to read for training and validation, or (`test`) for the test after training.
    ///
    /// # Errors
    /// [`OptionsError`] for a visual expert whose files cannot be named.
    pub fn folder_options(&self, test: bool) -> Result<ExpertFolderOptions, OptionsError> {
        let split = self.test_split.as_ref().filter(|_| test).unwrap_or(&self.split);
        let sources = self.selected()?.into_iter().map(|(name, expert)| expert.source(name));
        Ok(ExpertFolderOptions {
            split: split.clone(),
            experts: sources.collect(),
            text_encoder: self.text_feat.clone(),
            needs_sentences: self.task == TaskKind::RetrievalAsClassification,
            fuse_captions: self.fuse_captions,
            restrict_train_captions: self.restrict_train_captions,
            restrict_every_dataset: self.restrict_every_dataset,
            challenge: self.challenge_mode.then(|| Challenge { test_root: self.challenge_test_root.clone() }),
            training_file: self.training_file.clone(),
            caption_masks: self.caption_masks.clone(),
            teachers: self.teachers.clone(),
            ..ExpertFolderOptions::default()
        })
    }
}
