//! Triplet losses with a fixed or a per-triplet margin.

use dfdx::prelude::{Dim, MeanTo, SumTo, Tape, Tensor, WithEmptyTape};
use serde::{Deserialize, Serialize};

use crate::embedding::Embedding;
use crate::ops::{self, OpError, OpsDevice, RecordingTape, device_error};

/// Added to the squared norms of [`Distance::Cosine`].
pub const COSINE_EPS: f32 = 1e-18;

/// What a triplet compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Distance {
    /// `‖x − y‖²`, in `[0, 4]` for unit vectors: the published default.
    #[default]
    SquaredEuclidean,
    /// Cosine similarity with norms `√(Σx² + 1e-18)`: the published `--cosine`.
    Cosine,
}

/// The triplet loss, one term per row:
///
/// ```text
/// squared euclidean   max(0, mᵢ + ‖xᵢ − pᵢ‖² − ‖xᵢ − nᵢ‖²)
/// cosine              max(0, mᵢ + cos(xᵢ, nᵢ) − cos(xᵢ, pᵢ))
/// ```
///
/// With `mᵢ` fixed this is the loss of JPoSE (Wray et al. 2019); with `mᵢ = 1 − relevance(xᵢ, nᵢ)` it is the
/// relevance-based margin (Falcon et al. 2022). The margin is a constant, and the gradient where a term is
/// exactly 0 is 0. The published cosine variant builds a B x B matrix and reads its diagonal: the same values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TripletLoss {
    /// What is compared.
    pub distance: Distance,
}

impl TripletLoss {
    /// The terms, one per triplet; [`mean`] of them is what training minimises.
    ///
    /// # Shapes
    /// `anchor`, `positive`, `negative`: `(B, E)` in one space; `margin` and result: `(B,)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time sizes disagree.
    pub fn terms<S, B: Dim, E: Dim, D: OpsDevice, T: RecordingTape<D>>(
        &self,
        anchor: Embedding<S, B, E, D, T>,
        positive: Embedding<S, B, E, D, T>,
        negative: Embedding<S, B, E, D, T>,
        margin: &Tensor<(B,), f32, D>,
    ) -> Result<Tensor<(B,), f32, D, T>, OpError> {
        let (x, p, n) = (anchor.into_tensor(), positive.into_tensor(), negative.into_tensor());
        let again = x.with_empty_tape();
        match self.distance {
            Distance::SquaredEuclidean => {
                ops::hinge(margin, ops::row_squared_distance(x, p)?, ops::row_squared_distance(again, n)?)
            }
            Distance::Cosine => {
                ops::hinge(margin, ops::row_cosine(x, n, COSINE_EPS)?, ops::row_cosine(again, p, COSINE_EPS)?)
            }
        }
    }
}

/// Sum of the terms.
///
/// # Shapes
/// `(B,)` to a scalar.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn sum<B: Dim, D: OpsDevice, T: Tape<f32, D>>(
    terms: Tensor<(B,), f32, D, T>,
) -> Result<Tensor<(), f32, D, T>, OpError> {
    terms.try_sum().map_err(device_error)
}

/// Mean of the terms.
///
/// # Shapes
/// `(B,)` to a scalar.
///
/// # Errors
/// [`OpError::Device`] only.
pub fn mean<B: Dim, D: OpsDevice, T: Tape<f32, D>>(
    terms: Tensor<(B,), f32, D, T>,
) -> Result<Tensor<(), f32, D, T>, OpError> {
    terms.try_mean().map_err(device_error)
}
