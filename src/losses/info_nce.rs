use dfdx::prelude::{Dim, Tensor};
use serde::{Deserialize, Serialize};

use crate::ops::{self, OpError, OpsDevice, RecordingTape, check_option};

/// Symmetric cross-entropy over a matrix of similarities with the matching pairs on the diagonal (van den Oord et al. 2018, in both directions
/// as in CLIP): every row and every column is a choice among its entries, divided by the temperature; see
/// [`ops::symmetric_cross_entropy`] for the formula.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InfoNceLoss {
    /// What similarities are divided by.
    pub temperature: f32,
}

impl Default for InfoNceLoss {
    /// 0.07, where CLIP begins.
    fn default() -> Self {
        Self { temperature: 0.07 }
    }
}

impl InfoNceLoss {
    /// # Shapes
    /// `(B, B)` to a scalar.
    ///
    /// # Errors
    /// As [`ops::symmetric_cross_entropy`], and [`OpError::Option`] for a temperature that is not a finite number above 0, or so small that
    /// its inverse is not.
    pub fn forward<B: Dim, D: OpsDevice, T: RecordingTape<D>>(
        &self,
        similarity: Tensor<(B, B), f32, D, T>,
    ) -> Result<Tensor<(), f32, D, T>, OpError> {
        let scale = 1.0 / self.temperature;
        let holds = self.temperature > 0.0 && self.temperature.is_finite() && scale.is_finite();
        check_option("InfoNCE", holds, "the temperature is not a finite number above 0 with a finite inverse")?;
        ops::symmetric_cross_entropy(ops::scale(similarity, scale)?)
    }
}
