use dfdx::prelude::{Axis, Dim, HasShape, PutTape, SplitTape, Tensor};
use serde::{Deserialize, Serialize};

use crate::ops::{self, OpError, OpsDevice, RecordingTape, Reduction, check_eps, check_least};

/// Which logits [`CircleLoss`] weights as positives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum CircleWeighting {
    /// The first column, as the paper says.
    #[default]
    Positives,
    /// The whole first ROW, and nothing in the others: the published code of Temporal Context Aggregation indexes the wrong axis.
    FirstRow,
}

/// Circle loss (Sun et al., "Circle Loss: A Unified Perspective of Pair Similarity Optimization", CVPR 2020) of logits whose first column is the
/// positive, as cross-entropy (temporal context aggregation, Shao et al. 2021):
///
/// ```text
/// positive:  α = max(1 + m − z, 0),  δ = 1 − m          negative:  α = max(z + m, 0),  δ = m
/// loss = mean over rows of  logsumexp_j s_j − s_0       with  s = γ α (z − δ), α a constant
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CircleLoss {
    /// `m`.
    pub margin: f32,
    /// `γ`.
    pub gamma: f32,
    /// Which logits count as positives.
    pub weighting: CircleWeighting,
}

impl Default for CircleLoss {
    /// `m` 0.25 and `γ` 256.
    fn default() -> Self {
        Self { margin: 0.25, gamma: 256.0, weighting: CircleWeighting::default() }
    }
}

impl CircleLoss {
    /// # Shapes
    /// `(B, N)` to a scalar.
    ///
    /// # Errors
    /// [`OpError::TooFew`] without rows or columns, [`OpError::Option`] for a margin or gamma that is not a finite number of at least 0.
    pub fn forward<B: Dim, N: Dim, D: OpsDevice, T: RecordingTape<D>>(
        &self,
        logits: Tensor<(B, N), f32, D, T>,
    ) -> Result<Tensor<(), f32, D, T>, OpError> {
        check_eps("circle loss", self.margin)?;
        check_eps("circle loss", self.gamma)?;
        let ((rows, columns), (z, tape)) = (*logits.shape(), logits.split_tape());
        let (mut weights, mut centres) = (ops::to_vec(&z)?, vec![]);
        centres.reserve_exact(weights.len());
        for (at, weight) in weights.iter_mut().enumerate() {
            let (row, column) = (at / columns.size(), at % columns.size());
            let positive = match self.weighting {
                CircleWeighting::Positives => column == 0,
                CircleWeighting::FirstRow => row == 0,
            };
            let (alpha, delta) = if positive {
                (1.0 + self.margin - *weight, 1.0 - self.margin)
            } else {
                (*weight + self.margin, self.margin)
            };
            *weight = self.gamma * alpha.max(0.0);
            centres.push(delta);
        }
        let device = z.device().clone();
        let constant =
            |values| Ok::<_, OpError>(ops::to_tensor(&device, values, (rows, columns))?.put_tape(T::default()));
        let distance = ops::sub(z.put_tape(tape), constant(centres)?)?;
        contrast_with_first(ops::mul(distance, constant(weights)?)?)
    }
}

/// Cross-entropy of rows whose first entry is the right one: `−mean_i log softmax(z_i)_0`. Over similarities with a positive and the negatives of a
/// memory bank, divided by a temperature, it is InfoNCE (van den Oord et al. 2018) as momentum contrast has it (He et al. 2020, equation 1).
///
/// # Shapes
/// `(B, N)` to a scalar.
///
/// # Errors
/// [`OpError::TooFew`] without rows or columns.
pub fn contrast_with_first<B: Dim, N: Dim, D: OpsDevice, T: RecordingTape<D>>(
    logits: Tensor<(B, N), f32, D, T>,
) -> Result<Tensor<(), f32, D, T>, OpError> {
    let (rows, columns) = (logits.shape().0.size(), logits.shape().1.size());
    check_least("contrast", "rows", 1, rows)?;
    check_least("contrast", "columns", 1, columns)?;
    let entries = ops::reshape(ops::log_softmax(logits)?, (rows * columns, 1usize))?;
    let firsts: Vec<usize> = (0..rows).map(|row| row * columns).collect();
    let sum = ops::reduce(ops::reshape(ops::select_rows(entries, &firsts)?, (rows,))?, Axis::<0>, Reduction::Sum)?;
    ops::scale(sum, -1.0 / rows as f32)
}
