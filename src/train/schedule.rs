use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

/// How the learning rate changes in the course of a run: a factor that is a pure function of the time, so that a resumed run goes on where it
/// was.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Schedule {
    /// Always 1: what the relevance-margin programs do.
    #[default]
    Constant,
    /// Half a cosine from 1 to 0 over the run (Loshchilov & Hutter 2017, "SGDR", without restarts), batch by batch.
    Cosine,
    /// The same curve, epoch by epoch: `(1 + cos(π epoch / epochs)) / 2`, as published for Temporal Context Aggregation.
    CosineByEpoch,
    /// The share `x` of the run that is done, over `proportion` until it is reached, then `then`; batch by batch. The first step has rate 0, as
    /// in the BertAdam of ReLoCLNet and EMCL-Net.
    WarmUp {
        /// Share of the run that warms up.
        proportion: f64,
        /// What follows.
        then: AfterWarmUp,
    },
    /// `gamma^⌊epoch / epochs⌋`: PyTorch's `StepLR`, epoch by epoch. Collaborative Experts: 0.95 every epoch.
    StepDecay {
        /// Epochs of a step.
        epochs: NonZeroUsize,
        /// Factor of a step.
        gamma: f64,
    },
    /// Half a cosine from 1 to `floor` over `period` epochs, then again over `multiplier` times as many, and so on ("SGDR"), epoch by epoch:
    /// `floor + (1 − floor) (1 + cos(π n / T)) / 2` in the n-th epoch (from 0) of a period of T.
    CosineRestarts {
        /// Epochs of the first period.
        period: NonZeroUsize,
        /// Factor of the length of the next period.
        multiplier: NonZeroUsize,
        /// Smallest factor: the published `eta_min`, which is a learning rate, divided by the first learning rate.
        floor: f64,
    },
}

/// What follows a warm-up, as a function of the share `x` of the run that is done; `w` is the share of the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AfterWarmUp {
    /// 1.
    Constant,
    /// `max((x − 1) / (w − 1), 0)`.
    Linear,
    /// `(1 + cos(π x)) / 2`: in the absolute share, so that it does not begin at 1.
    Cosine,
}

/// `floor + (1 − floor) (1 + cos(π done)) / 2`.
fn cosine(done: f64, floor: f64) -> f64 {
    floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

/// The epoch's number within its period, and that period's length.
fn period_of(epoch: usize, first: usize, multiplier: usize) -> (usize, usize) {
    if multiplier == 1 {
        return (epoch % first, first);
    }
    let (mut since, mut length) = (epoch, first);
    while since >= length {
        since -= length;
        length = length.saturating_mul(multiplier);
    }
    (since, length)
}

impl Schedule {
    /// Refuses factors outside [0, 1].
    ///
    /// # Errors
    /// What is wrong, and with which value.
    pub fn check(self) -> Result<(), String> {
        let (field, factor) = match self {
            Self::StepDecay { gamma, .. } => ("gamma", gamma),
            Self::CosineRestarts { floor, .. } => ("floor", floor),
            Self::WarmUp { proportion, .. } => ("proportion", proportion),
            Self::Constant | Self::Cosine | Self::CosineByEpoch => return Ok(()),
        };
        if (0.0..=1.0).contains(&factor) { Ok(()) } else { Err(format!("{field} {factor} is not between 0 and 1")) }
    }

    /// The factor at a time, in epochs done (2.5: in the middle of the third epoch), of a run of so many epochs.
    pub fn factor(self, time: f64, epochs: usize) -> f32 {
        let epoch = time as usize;
        let factor = match self {
            Self::Constant => 1.0,
            Self::Cosine => cosine((time / epochs.max(1) as f64).clamp(0.0, 1.0), 0.0),
            Self::CosineByEpoch => cosine((epoch as f64 / epochs.max(1) as f64).min(1.0), 0.0),
            Self::WarmUp { proportion, then } => {
                let done = time / epochs.max(1) as f64;
                match then {
                    _ if done < proportion => done / proportion,
                    AfterWarmUp::Constant => 1.0,
                    AfterWarmUp::Linear => ((done - 1.0) / (proportion - 1.0)).max(0.0),
                    AfterWarmUp::Cosine => cosine(done, 0.0),
                }
            }
            Self::StepDecay { epochs, gamma } => gamma.powf((epoch / epochs.get()) as f64),
            Self::CosineRestarts { period, multiplier, floor } => {
                let (since, length) = period_of(epoch, period.get(), multiplier.get());
                cosine(since as f64 / length as f64, floor)
            }
        };
        factor as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).unwrap()
    }

    #[test]
    fn a_cosine_falls_from_one_to_zero() {
        let factors = [0.0, 2.0, 4.0].map(|time| Schedule::Cosine.factor(time, 4));
        assert_eq!(factors[0], 1.0);
        assert!((factors[1] - 0.5).abs() < 1e-6 && factors[2].abs() < 1e-6);
        assert_eq!(Schedule::Constant.factor(0.7, 1), 1.0);
        assert_eq!(Schedule::Cosine.factor(0.0, 0), 1.0);
    }

    #[test]
    fn a_warm_up_begins_at_nothing() {
        let at = |then, time| Schedule::WarmUp { proportion: 0.25, then }.factor(time, 4);
        for then in [AfterWarmUp::Constant, AfterWarmUp::Linear, AfterWarmUp::Cosine] {
            assert_eq!((at(then, 0.0), at(then, 0.5)), (0.0, 0.5));
        }
        assert_eq!((at(AfterWarmUp::Constant, 1.0), at(AfterWarmUp::Linear, 2.5)), (1.0, 0.5));
        assert_eq!((at(AfterWarmUp::Cosine, 2.0), at(AfterWarmUp::Linear, 5.0)), (0.5, 0.0));
        assert_eq!([0.9, 1.0, 2.9].map(|time| Schedule::CosineByEpoch.factor(time, 2)), [1.0, 0.5, 0.0]);
    }

    #[test]
    fn steps_and_restarts_change_with_the_epoch_alone() {
        let steps = Schedule::StepDecay { epochs: size(2), gamma: 0.5 };
        assert_eq!([0.0, 1.9, 2.0, 3.5, 4.0].map(|time| steps.factor(time, 9)), [1.0, 1.0, 0.5, 0.5, 0.25]);
        let restarts = Schedule::CosineRestarts { period: size(2), multiplier: size(2), floor: 0.5 };
        let factors: Vec<f32> = (0..7).map(|epoch| restarts.factor(epoch as f64, 7)).collect();
        assert_eq!((factors[0], factors[1], factors[2], factors[4], factors[6]), (1.0, 0.75, 1.0, 0.75, 1.0));
        assert_eq!(restarts.factor(3.9, 7), factors[3]);
        let even = Schedule::CosineRestarts { period: size(3), multiplier: size(1), floor: 0.0 };
        assert_eq!(even.factor(0.0, 1), even.factor(3.0e9, 1));
    }

    #[test]
    fn factors_that_are_no_shares_are_refused_by_name() {
        for bad in [f64::NAN, f64::INFINITY, -0.1, 1.1] {
            for (field, schedule) in [
                ("gamma", Schedule::StepDecay { epochs: size(1), gamma: bad }),
                ("floor", Schedule::CosineRestarts { period: size(1), multiplier: size(1), floor: bad }),
                ("proportion", Schedule::WarmUp { proportion: bad, then: AfterWarmUp::Linear }),
            ] {
                assert_eq!(schedule.check().unwrap_err(), format!("{field} {bad} is not between 0 and 1"));
            }
        }
    }

    #[test]
    fn a_period_of_zero_is_refused_where_it_is_read() {
        let read = |text: &str| ron::from_str::<Schedule>(text);
        assert_eq!(
            read("StepDecay(epochs: 1, gamma: 0.95)").unwrap(),
            Schedule::StepDecay { epochs: size(1), gamma: 0.95 }
        );
        assert!(read("StepDecay(epochs: 0, gamma: 0.95)").is_err());
        assert!(read("StepDecay(epochs: 1, gama: 0.95)").is_err());
    }
}
