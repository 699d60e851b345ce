use dfdx::prelude::{Dim, Tape, Tensor};
use serde::{Deserialize, Serialize};

use crate::ops::{self, MarginTerms, OpError, OpsDevice};

/// Bidirectional max-margin ranking loss over a matrix of similarities with the matching pairs on the diagonal; see
/// [`ops::max_margin`] for the formula.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MaxMarginLoss {
    /// By how much a matching pair should be better.
    pub margin: f32,
    /// Whether the mean leaves the diagonal out (`fix_norm`: Collaborative Experts) or not (MoEE).
    pub fix_norm: bool,
}

impl Default for MaxMarginLoss {
    /// The published class: margin 1, the diagonal left out.
    fn default() -> Self {
        Self { margin: 1.0, fix_norm: true }
    }
}

impl MaxMarginLoss {
    /// # Shapes
    /// `(B, B)` to a scalar.
    ///
    /// # Errors
    /// As [`ops::max_margin`]: one pair alone has nothing to be compared with, and the margin is a finite number.
    pub fn forward<B: Dim, D: OpsDevice, T: Tape<f32, D>>(
        &self,
        similarity: Tensor<(B, B), f32, D, T>,
    ) -> Result<Tensor<(), f32, D, T>, OpError> {
        let terms = if self.fix_norm { MarginTerms::NonMatching } else { MarginTerms::All };
        ops::max_margin(similarity, self.margin, terms)
    }
}
