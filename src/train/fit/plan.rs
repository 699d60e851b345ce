use std::num::NonZeroUsize;

/// When a validation takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// After every so many epochs, and after the last.
    Epochs(NonZeroUsize),
    /// After every so many optimizer steps.
    Steps(NonZeroUsize),
}

/// The validations of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validation {
    /// How often.
    pub every: Interval,
    /// Whether there is one after the very first optimizer step, too.
    pub first_step: bool,
}

impl Default for Validation {
    /// After every epoch.
    fn default() -> Self {
        Self { every: Interval::Epochs(NonZeroUsize::MIN), first_step: false }
    }
}

impl Validation {
    pub(super) fn after_step(self, step: u64) -> bool {
        let due = matches!(self.every, Interval::Steps(every) if step.is_multiple_of(every.get() as u64));
        due || (self.first_step && step == 1)
    }

    pub(super) fn after_epoch(self, epoch: usize, epochs: usize) -> bool {
        let due = |every: NonZeroUsize| (epoch + 1).is_multiple_of(every.get()) || epoch + 1 == epochs;
        matches!(self.every, Interval::Epochs(every) if due(every))
    }
}

/// Which of several validations with the same best score is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BestTie {
    /// The first.
    #[default]
    Earlier,
    /// The last, as published for Collaborative Experts and EMCL-Net.
    Later,
}

/// What the best validation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// Name of the score whose maximum is the best. One that is not a finite number never is.
    pub score: String,
    /// Which validation wins when scores are equal.
    pub tie: BestTie,
    /// The run ends after more than so many validations in a row that were not better; never without it.
    pub patience: Option<usize>,
}

impl Select {
    /// By a score, the first maximum, without an early end.
    pub fn by(score: impl Into<String>) -> Self {
        Self { score: score.into(), tie: BestTie::Earlier, patience: None }
    }

    pub(super) fn is_better(&self, score: f64, best: Option<f64>) -> bool {
        let later = self.tie == BestTie::Later;
        score.is_finite() && best.is_none_or(|best| score > best || (later && score == best))
    }
}

/// The epochs (from 0) after which something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epochs {
    /// Those with `(epoch + 1) % rate == 1`, the rule of the relevance margin's programs. At a rate of 1 that rule never holds; here it then
    /// always does, as is evidently meant.
    Rate(NonZeroUsize),
    /// Those whose number, counted from 1, is a multiple of `every` and at least `from`: the rule of Collaborative Experts.
    Every {
        /// Epochs from one to the next.
        every: NonZeroUsize,
        /// The first that may be one.
        from: usize,
    },
}

impl Epochs {
    /// Whether an epoch is one of them.
    pub fn contains(self, epoch: usize) -> bool {
        match self {
            Self::Rate(rate) => rate.get() == 1 || (epoch + 1) % rate.get() == 1,
            Self::Every { every, from } => epoch + 1 >= from && (epoch + 1).is_multiple_of(every.get()),
        }
    }
}

/// Further checkpoints that are kept, for evaluation: parameters alone, in `NAME_EPOCH.safetensors`, with the epoch as its rule counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Start of the file name.
    pub name: String,
    /// When one is written.
    pub after: Epochs,
    /// Whether there is one of the last epoch in any case.
    pub last: bool,
    /// Only the newest so many stay; all without it.
    pub newest: Option<NonZeroUsize>,
}

impl Keep {
    pub(super) fn fires(&self, epoch: usize, epochs: usize) -> bool {
        self.after.contains(epoch) || (self.last && epoch + 1 == epochs)
    }

    /// The epoch whose file goes when that of `epoch` is written.
    pub(super) fn outlived(&self, epoch: usize) -> Option<usize> {
        let before = (0..epoch).rev().filter(|before| self.after.contains(*before));
        before.take(self.newest?.get()).nth(self.newest?.get() - 1)
    }

    pub(super) fn file(&self, epoch: usize) -> String {
        let number = match self.after {
            Epochs::Rate(_) => epoch,
            Epochs::Every { .. } => epoch + 1,
        };
        format!("{}_{number}.safetensors", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).unwrap()
    }

    #[test]
    fn a_rate_fires_as_published_and_a_rate_of_one_in_every_epoch() {
        let epochs = |rate| (0..25).filter(|e| Epochs::Rate(size(rate)).contains(*e)).collect::<Vec<_>>();
        assert_eq!(epochs(10), [0, 10, 20]);
        assert_eq!(epochs(1).len(), 25);
        assert_eq!(epochs(2), (0..25).step_by(2).collect::<Vec<_>>());
    }

    #[test]
    fn only_the_newest_stay() {
        let after = Epochs::Every { every: size(2), from: 3 };
        let keep = Keep { name: "epoch".into(), after, last: false, newest: Some(size(3)) };
        let mut kept = Vec::new();
        for epoch in (0..14).filter(|epoch| keep.fires(*epoch, 99)) {
            kept.push(epoch);
            kept.retain(|old| Some(*old) != keep.outlived(epoch));
        }
        // The tenth, twelfth and fourteenth epoch.
        assert_eq!(kept, [9, 11, 13]);
    }

    #[test]
    fn a_score_that_is_not_a_number_is_never_the_best() {
        let select = Select::by("R@1");
        assert!(!select.is_better(f64::NAN, None) && select.is_better(0.5, None));
        assert!(!select.is_better(f64::INFINITY, Some(0.5)));
        assert!(!select.is_better(0.5, Some(0.5)) && select.is_better(0.6, Some(0.5)));
        let later = Select { tie: BestTie::Later, ..select };
        assert!(later.is_better(0.5, Some(0.5)) && !later.is_better(f64::NAN, Some(0.5)));
    }

    #[test]
    fn validations_come_when_they_are_due() {
        let by_epoch = Validation { every: Interval::Epochs(size(3)), first_step: true };
        assert_eq!((0..8).filter(|e| by_epoch.after_epoch(*e, 8)).collect::<Vec<_>>(), [2, 5, 7]);
        assert_eq!((1..9).filter(|s| by_epoch.after_step(*s)).collect::<Vec<_>>(), [1]);
        let by_step = Validation { every: Interval::Steps(size(4)), first_step: false };
        assert_eq!((1..9).filter(|s| by_step.after_step(*s)).collect::<Vec<_>>(), [4, 8]);
        assert!(!by_step.after_epoch(7, 8));
    }
}
