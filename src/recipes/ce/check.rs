use std::collections::BTreeSet;

use super::evaluate::{MONITORS, monitored, monitored_directions};
use super::options::{Arch, Options, Reading, TaskKind};
use crate::blocks::Relation;
use crate::data::experts::folder::{Dataset, TestCaptions};
use crate::models::collaborative_experts::CaptionMerge;
use crate::models::{Design, MixtureWeights, MoeeConfig, TextPooling};
use crate::options::{OptionsError, ensure, in_range, not_negative};

type Checked = Result<(), OptionsError>;

// The upper bounds keep a slip of the keyboard from asking for more memory than there is.
const MOST_WIDTH: usize = 1 << 16;
const MOST_CLUSTERS: usize = 1 << 12;
const MOST_TOKENS: usize = 1 << 14;
const MOST_LAYERS: usize = 64;
const MOST_EXPERTS: usize = 10;

impl Options {
    pub(super) fn check_data(&self) -> Checked {
        let dataset = Dataset::find(&self.dataset).map_err(|e| OptionsError::new("dataset", e.to_string()))?;
        dataset.split(&self.split).map_err(|e| OptionsError::new("split", e.to_string()))?;
        if let Some(split) = &self.test_split {
            dataset.split(split).map_err(|e| OptionsError::new("test_split", e.to_string()))?;
        }
        for (field, captions) in [
            ("num_test_captions", Some(self.num_test_captions)),
            ("test_split_captions", self.test_split_captions),
            ("restrict_train_captions", self.restrict_train_captions),
        ] {
            captions.map_or(Ok(()), |captions| in_range(field, captions, 1 << 16))?;
        }
        if let TestCaptions::Exactly(published) = dataset.test_captions {
            for (field, captions) in
                [("num_test_captions", self.num_test_captions), ("test_split_captions", self.captions(true))]
            {
                let reason = || format!("{captions}, but {} has {published}", dataset.name);
                ensure(captions == published, field, reason)?;
            }
        }
        if self.task == TaskKind::RetrievalAsClassification {
            ensure(!self.fuse_captions, "fuse_captions", || "captions that are labels are not fused".into())?;
            let merge = self.test_caption_mode == CaptionMerge::Independent;
            ensure(merge, "test_caption_mode", || "labels are queries of their own: Independent".into())?;
        }
        if self.fuse_captions {
            let reason = || "fuse_captions leaves one caption per video".to_string();
            ensure(self.num_test_captions == 1, "num_test_captions", reason)?;
            ensure(self.captions(true) == 1, "test_split_captions", reason)?;
            ensure(self.caption_masks.is_none(), "caption_masks", || "fuse_captions draws no captions".into())?;
        }
        Ok(())
    }

    pub(super) fn check_experts(&self) -> Checked {
        in_range("experts", self.experts.len(), MOST_EXPERTS)
            .map_err(|e| OptionsError::new("experts", format!("their number {}", e.reason)))?;
        let mut seen = BTreeSet::new();
        for name in &self.experts {
            ensure(seen.insert(name), "experts", || format!("{name:?} twice"))?;
        }
        self.selected()?;
        for (name, expert) in &self.features {
            let field = |field: &str| format!("features.{name}.{field}");
            in_range(field("width"), expert.width, MOST_WIDTH)?;
            match &expert.reading {
                Reading::Sequence { clusters, max_tokens } => {
                    in_range(field("reading.clusters"), *clusters, MOST_CLUSTERS)?;
                    in_range(field("reading.max_tokens"), *max_tokens, MOST_TOKENS)?;
                }
                Reading::Statistics(statistics) => in_range(field("reading"), statistics.len(), 4)?,
            }
        }
        for (field, names) in [("randomise_feats", &self.randomise_feats), ("binarise", &self.binarise)] {
            for name in names {
                ensure(self.experts.contains(name), field, || format!("{name:?} is none of the experts"))?;
            }
        }
        Ok(())
    }

    pub(super) fn check_text(&self) -> Checked {
        in_range("text_width", self.word_width()?, MOST_WIDTH)?;
        in_range("max_words", self.max_words, MOST_TOKENS)?;
        match self.text_pooling {
            TextPooling::NetVlad { clusters, ghosts } => {
                in_range("text_pooling.clusters", clusters, MOST_CLUSTERS)?;
                ensure(ghosts <= MOST_CLUSTERS, "text_pooling.ghosts", || {
                    format!("{ghosts} is above {MOST_CLUSTERS}")
                })?;
            }
            TextPooling::Identity => {
                let reason = || format!("{}, but without text clusters a text is a single vector", self.max_words);
                ensure(self.max_words == 1, "max_words", reason)?;
            }
        }
        let dropout = self.text_dropout;
        ensure((0.0..=1.0).contains(&dropout), "text_dropout", || format!("{dropout} is not between 0 and 1"))?;
        let fused = self.fuse_captions && dropout > 0.0;
        ensure(!fused, "text_dropout", || "fused captions cannot be thinned".into())
    }

    pub(super) fn check_network(&self) -> Checked {
        in_range("ce_shared_dim", self.ce_shared_dim, MOST_WIDTH)?;
        match self.arch {
            Arch::CollaborativeExperts => {}
            Arch::HowTo100m => return self.check_howto100m(),
            Arch::Moee => {
                ensure(self.design == Design::Own, "design", || "the network Moee has Own".into())?;
                self.check_moee()?;
            }
        }
        if let Design::Collaborative(reasoning) = self.design {
            ensure(self.experts.len() >= 2, "experts", || "a collaborative design needs at least two".into())?;
            let alone = reasoning.relation == Relation::Triplet && !reasoning.include_self && self.experts.len() < 3;
            ensure(!alone, "experts", || "triplets without the expert itself need at least three".into())?;
            in_range("design.g_layers", reasoning.g_layers, MOST_LAYERS)?;
            let layers = reasoning.h_layers;
            ensure(layers <= MOST_LAYERS, "design.h_layers", || format!("{layers} is above {MOST_LAYERS}"))?;
        }
        Ok(())
    }

    fn check_moee(&self) -> Checked {
        let complete =
            self.experts.len() == 4 && MoeeConfig::EXPERTS.iter().all(|m| self.experts.iter().any(|e| e == m));
        ensure(complete, "experts", || format!("the network Moee has {}", MoeeConfig::EXPERTS.join(", ")))?;
        for (name, expert) in self.selected()? {
            let (sequence, audio) = (matches!(expert.reading, Reading::Sequence { .. }), name == "audio");
            let form = if audio { "a sequence" } else { "vectors" };
            ensure(sequence == audio, "experts", || format!("of {name:?} the network Moee takes {form}"))?;
        }
        let pooled = matches!(self.text_pooling, TextPooling::NetVlad { ghosts: 0, .. });
        ensure(pooled, "text_pooling", || "the network Moee has NetVlad without ghosts".into())?;
        ensure(self.weights == MixtureWeights::Text, "weights", || "the network Moee has Text".into())
    }

    fn check_howto100m(&self) -> Checked {
        let selected = self.selected()?;
        let [(name, expert)] = selected[..] else {
            return Err(OptionsError::new("experts", format!("{}, but the network HowTo100m has one", selected.len())));
        };
        let reading = matches!(expert.reading, Reading::Statistics(_));
        ensure(reading, "experts", || format!("{name:?} is a sequence, but the network HowTo100m takes vectors"))?;
        let (text, video) = (self.word_width()?, expert.features_width());
        ensure(text == video, "text_width", || format!("{text}, but {name:?} has {video}: HowTo100m compares them"))?;
        let identity = self.text_pooling == TextPooling::Identity;
        ensure(identity, "text_pooling", || "the network HowTo100m has Identity".into())
    }

    pub(super) fn check_training(&self) -> Checked {
        for (field, size, most) in [
            ("epochs", self.epochs, 1 << 24),
            ("save_period", self.save_period, usize::MAX),
            ("num_keep_ckpts", self.num_keep_ckpts, usize::MAX),
        ] {
            in_range(field, size, most)?;
        }
        let range = 2..=1 << 20;
        let reason =
            || format!("{} is not between 2 and {}: a video is compared with others", self.batch_size, 1 << 20);
        ensure(range.contains(&self.batch_size), "batch_size", reason)?;
        not_negative("margin", self.margin)?;
        self.optimizer.check().map_err(|e| OptionsError::new("optimizer", e.to_string()))?;
        self.schedule.check().map_err(|reason| OptionsError::new("schedule", reason))?;
        let Some(monitor) = &self.monitor else { return Ok(()) };
        let reason = || {
            let names =
                |of: &[(&str, _)], separator| of.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(separator);
            let directions = names(monitored_directions(self.task), " or ");
            format!("{monitor:?} is no {directions} followed by one of {}", names(&MONITORS, ", "))
        };
        ensure(monitored(self.task, monitor).is_some(), "monitor", reason)
    }
}
