use dfdx::prelude::{Shape, Tape, Tensor};
use serde::{Deserialize, Serialize};

use crate::ops::{self, OpError, OpsDevice};

/// The nonlinearity between layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Activation {
    /// `x tanh(ln(1 + eˣ))` (Misra 2019).
    #[default]
    Mish,
    /// `max(0, x)`.
    Relu,
}

impl Activation {
    /// # Shapes
    /// Any.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    pub fn forward<S: Shape, D: OpsDevice, T: Tape<f32, D>>(
        self,
        x: Tensor<S, f32, D, T>,
    ) -> Result<Tensor<S, f32, D, T>, OpError> {
        match self {
            Self::Mish => ops::mish(x),
            Self::Relu => ops::relu(x),
        }
    }
}
