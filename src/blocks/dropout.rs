use dfdx::prelude::{Shape, Tape, Tensor};
use serde::{Deserialize, Serialize};

use super::Phase;
use crate::ops::{self, OpError, OpsDevice};

/// Sets values to 0 in training (see [`ops::dropout`]); no parameters.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Dropout {
    /// Probability that a value goes.
    pub rate: f32,
}

impl Dropout {
    /// Every call of a training step drops other values.
    ///
    /// # Shapes
    /// Any.
    ///
    /// # Errors
    /// [`OpError::Option`] for a rate outside 0 to 1.
    pub fn forward<S: Shape, D: OpsDevice, T: Tape<f32, D>>(
        &self,
        x: Tensor<S, f32, D, T>,
        phase: Phase,
    ) -> Result<Tensor<S, f32, D, T>, OpError> {
        ops::dropout(x, self.rate, phase.draw())
    }
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::{Cpu, TensorFromVec};

    use super::*;
    use crate::blocks::StepStream;

    #[test]
    fn calls_of_a_step_differ_and_a_step_repeats() {
        let x: Tensor<(usize,), f32, Cpu> = Cpu::default().tensor_from_vec(vec![1.0; 256], (256,));
        let dropout = Dropout { rate: 0.5 };
        let twice = || {
            let stream = StepStream::new(3);
            [(); 2].map(|_| dropout.forward(x.clone(), Phase::Training(&stream)).unwrap().as_vec())
        };
        let [first, second] = twice();
        assert_ne!(first, second);
        assert_eq!([first.clone(), second], twice());
        assert!(first.iter().all(|v| *v == 0.0 || *v == 2.0));
        assert_eq!(dropout.forward(x.clone(), Phase::Evaluation).unwrap().as_vec(), x.as_vec());
    }
}
