use dfdx::prelude::{Dim, Tensor};
use serde::{Deserialize, Serialize};

use super::{InfoNceLoss, MaxMarginLoss};
use crate::ops::{OpError, OpsDevice, RecordingTape};

/// A loss over a matrix of similarities with the matching pairs on the diagonal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum RankingLoss {
    /// [`MaxMarginLoss`].
    MaxMargin(MaxMarginLoss),
    /// [`InfoNceLoss`].
    InfoNce(InfoNceLoss),
}

impl RankingLoss {
    /// # Shapes
    /// `(B, B)` to a scalar.
    ///
    /// # Errors
    /// Those of the loss.
    pub fn forward<B: Dim, D: OpsDevice, T: RecordingTape<D>>(
        &self,
        similarity: Tensor<(B, B), f32, D, T>,
    ) -> Result<Tensor<(), f32, D, T>, OpError> {
        match self {
            Self::MaxMargin(loss) => loss.forward(similarity),
            Self::InfoNce(loss) => loss.forward(similarity),
        }
    }
}
