use std::fmt;

use dfdx::prelude::{Backward, Gradients, HasShape, OwnedTape, Tensor, TryMul};

use crate::losses::{Distance, TripletLoss, mean};
use crate::ops::{self, OpError, OpsDevice, device_error};
use crate::space::Embedding;

/// Video or text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modality {
    /// Captions.
    Text,
    /// Videos.
    Video,
}

/// A pair of modalities: that of the anchor, and that of its positives and negatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Of the anchor.
    pub anchor: Modality,
    /// Of positives and negatives.
    pub other: Modality,
}

impl Pair {
    /// Text to text.
    pub const TT: Pair = Pair { anchor: Modality::Text, other: Modality::Text };
    /// Text to video.
    pub const TV: Pair = Pair { anchor: Modality::Text, other: Modality::Video };
    /// Video to text.
    pub const VT: Pair = Pair { anchor: Modality::Video, other: Modality::Text };
    /// Video to video.
    pub const VV: Pair = Pair { anchor: Modality::Video, other: Modality::Video };
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |modality| if modality == Modality::Video { 'v' } else { 't' };
        write!(f, "{}{}", letter(self.anchor), letter(self.other))
    }
}

/// The triplets of one pair in one batch: row `i` of each list is a triplet.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// Which modalities.
    pub pair: Pair,
    /// Pair weight.
    pub weight: f32,
    /// Rows of the anchors, each repeated once per triplet.
    pub anchors: Vec<u32>,
    /// Rows of the positives.
    pub positives: Vec<u32>,
    /// Rows of the negatives.
    pub negatives: Vec<u32>,
    /// Margins.
    pub margins: Vec<f32>,
}

/// The loss of one term.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TermLoss {
    /// Pair weight times mean over triplets.
    pub value: f64,
    /// Triplets that are not yet satisfied: `m + ‖a − p‖² − ‖a − n‖² > 0`, by squared distance also under cosine, as
    /// published.
    pub hard: usize,
}

/// Embeddings of anchors, positives and negatives on one tape.
pub(super) type Traced<S, E, D> = Embedding<S, usize, E, D, OwnedTape<f32, D>>;

/// `weight · mean(terms)`, its gradient times `scale` added to `gradients` (which the anchor's tape carries).
pub(super) fn backward_term<S, E: dfdx::prelude::Dim, D: OpsDevice>(
    loss: TripletLoss,
    term: &Term,
    scale: f32,
    device: &D,
    [anchor, positive, negative]: [Traced<S, E, D>; 3],
) -> Result<(TermLoss, Gradients<f32, D>), OpError> {
    let margins = ops::to_tensor(device, term.margins.clone(), (term.margins.len(),))?;
    let untraced = |e: &Traced<S, E, D>| e.tensor().retaped::<dfdx::prelude::NoneTape>();
    let cosine = loss.distance == Distance::Cosine;
    let rows = cosine.then(|| [untraced(&anchor), untraced(&positive), untraced(&negative)]);
    let terms = loss.terms(anchor, positive, negative, &margins)?;
    let distances = match rows {
        None => terms.retaped(),
        Some([x, p, n]) => {
            ops::hinge(&margins, ops::row_squared_distance(x.clone(), p)?, ops::row_squared_distance(x, n)?)?
        }
    };
    let hard = count_positive(&distances)?;
    let weighted = mean(terms)?.try_mul(term.weight).map_err(device_error)?;
    let value = f64::from(ops::to_vec(&weighted.retaped())?[0]);
    let gradients = weighted.try_mul(scale).map_err(device_error)?.try_backward().map_err(device_error)?;
    Ok((TermLoss { value, hard }, gradients))
}

fn count_positive<D: OpsDevice>(terms: &Tensor<(usize,), f32, D>) -> Result<usize, OpError> {
    debug_assert!(terms.shape().0 > 0);
    Ok(ops::to_vec(terms)?.iter().filter(|v| **v > 0.0).count())
}
