use serde::{Deserialize, Serialize};

/// How the learning rate changes in the course of a run: a factor that is a pure function of the share of the run that is
/// done, so that a resumed run goes on where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Schedule {
    /// Always 1: what the relevance-margin programs do.
    #[default]
    Constant,
    /// Half a cosine from 1 to 0 (Loshchilov & Hutter 2017, "SGDR", without restarts).
    Cosine,
}

impl Schedule {
    /// The factor after a share of the run, in [0, 1].
    pub fn factor(self, done: f64) -> f32 {
        match self {
            Schedule::Constant => 1.0,
            Schedule::Cosine => (0.5 * (1.0 + (std::f64::consts::PI * done.clamp(0.0, 1.0)).cos())) as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_falls_from_one_to_zero() {
        let factors = [0.0, 0.5, 1.0].map(|done| Schedule::Cosine.factor(done));
        assert_eq!(factors[0], 1.0);
        assert!((factors[1] - 0.5).abs() < 1e-6 && factors[2].abs() < 1e-6);
        assert_eq!(Schedule::Constant.factor(0.7), 1.0);
    }
}
