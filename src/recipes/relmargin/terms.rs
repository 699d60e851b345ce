use std::collections::HashMap;
use std::fmt;

use dfdx::prelude::{
    Backward, Dim, Gradients, Merge, NoneTape, OwnedTape, PutTape, SplitTape, Tensor, Trace, TryAdd, TryMul,
};

use crate::embedding::Embedding;
use crate::losses::{Distance, TripletLoss, mean};
use crate::ops::{self, OpError, OpsDevice, device_error};

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

/// What the terms of a batch gave: losses `L`, the total, and gradients.
pub struct TermStep<L, D: OpsDevice> {
    /// Of every term.
    pub losses: L,
    /// Their weighted sum.
    pub loss: f64,
    /// Of every parameter that was used, added to those before.
    pub gradients: Gradients<f32, D>,
}

/// Embeddings of some rows, with their tape.
pub(super) type Traced<S, E, D> = Embedding<S, usize, E, D, OwnedTape<f32, D>>;

/// The embedding of a role where a tower already gives it.
pub(super) fn single<S, E: Dim, D: OpsDevice>(parts: Vec<TracedTensor<E, D>>) -> Result<Traced<S, E, D>, OpError> {
    let part = parts.into_iter().next();
    Ok(Embedding::new(part.ok_or(OpError::TooFew { op: "embed", what: "parts", least: 1, got: 0 })?))
}

/// The rows of each modality that some terms need, each once: anchors are repeated for every triplet, and a row may have
/// several roles. Towers see a row once, roles pick their rows from what the towers gave.
#[derive(Debug, Default)]
pub(super) struct BatchRows {
    /// Rows of the videos.
    pub video: Vec<u32>,
    /// Rows of the captions.
    pub text: Vec<u32>,
    places: [HashMap<u32, usize>; 2],
}

impl BatchRows {
    pub fn of(terms: &[Term]) -> Self {
        let mut needed = Self::default();
        for term in terms {
            for (modality, rows) in [
                (term.pair.anchor, &term.anchors),
                (term.pair.other, &term.positives),
                (term.pair.other, &term.negatives),
            ] {
                let (list, places) = match modality {
                    Modality::Video => (&mut needed.video, &mut needed.places[0]),
                    Modality::Text => (&mut needed.text, &mut needed.places[1]),
                };
                for row in rows {
                    places.entry(*row).or_insert_with(|| {
                        list.push(*row);
                        list.len() - 1
                    });
                }
            }
        }
        needed
    }

    /// Whether every term is empty.
    pub fn is_empty(&self) -> bool {
        self.video.is_empty() && self.text.is_empty()
    }

    /// Where the rows of a role stand among the rows of their modality.
    fn places(&self, modality: Modality, rows: &[u32]) -> Vec<usize> {
        let places = &self.places[if modality == Modality::Video { 0 } else { 1 }];
        rows.iter().map(|row| places[row]).collect()
    }
}

/// What the towers gave for the rows of a batch: for each modality one tensor per part. The tape is apart, since every role
/// starts from the same values.
pub(super) struct Towers<E: Dim, D: OpsDevice> {
    pub video: Vec<Tensor<(usize, E), f32, D>>,
    pub text: Vec<Tensor<(usize, E), f32, D>>,
    pub tape: OwnedTape<f32, D>,
}

impl<E: Dim, D: OpsDevice> Towers<E, D> {
    /// Splits the tapes of both modalities off and merges them; the gradients to come are added to those from `before`.
    pub fn new(before: Gradients<f32, D>, video: Vec<TracedTensor<E, D>>, text: Vec<TracedTensor<E, D>>) -> Self {
        // dfdx makes a tape of gradients only on some tensor.
        let any = video.first().or(text.first()).map(|part| part.retaped::<NoneTape>().traced(before).split_tape());
        let mut tape = any.map(|(_, tape)| tape).unwrap_or_default();
        let mut split = |parts: Vec<TracedTensor<E, D>>| {
            let mut plain = vec![];
            for part in parts {
                let (part, part_tape) = part.split_tape();
                tape = std::mem::take(&mut tape).merge(part_tape);
                plain.push(part);
            }
            plain
        };
        let (video, text) = (split(video), split(text));
        Self { video, text, tape }
    }
}

type TracedTensor<E, D> = Tensor<(usize, E), f32, D, OwnedTape<f32, D>>;

/// Losses of the terms of one level, `scale · Σ pairs weight · mean(terms)`, and its gradients. Some term is not empty.
///
/// `embed` turns the picked parts of one role into its embedding; it is called for anchor, positive and negative of every
/// term, in this order. Empty terms are left out.
pub(super) fn backward_terms<S, E: Dim, A: Dim, D: OpsDevice>(
    loss: TripletLoss,
    terms: &[Term],
    scale: f32,
    device: &D,
    rows: &BatchRows,
    towers: Towers<E, D>,
    mut embed: impl FnMut(Vec<TracedTensor<E, D>>) -> Result<Traced<S, A, D>, OpError>,
) -> Result<TermStep<Vec<TermLoss>, D>, OpError> {
    let Towers { video, text, tape } = towers;
    let mut role = |modality: Modality, of: &[u32]| {
        let places = rows.places(modality, of);
        let parts = if modality == Modality::Video { &video } else { &text };
        let picked = parts.iter().map(|part| ops::select_rows(part.leaky_trace(), &places));
        embed(picked.collect::<Result<_, _>>()?)
    };
    let mut losses = vec![];
    let mut total: Option<Tensor<(), f32, D, OwnedTape<f32, D>>> = None;
    for term in terms {
        if term.anchors.is_empty() {
            losses.push(TermLoss { value: 0.0, hard: 0 });
            continue;
        }
        let Pair { anchor, other } = term.pair;
        let roles = [role(anchor, &term.anchors)?, role(other, &term.positives)?, role(other, &term.negatives)?];
        let (value, weighted) = term_loss(loss, term, device, roles)?;
        losses.push(value);
        total = Some(match total {
            None => weighted,
            Some(before) => before.try_add(weighted).map_err(device_error)?,
        });
    }
    let total = total.ok_or(OpError::TooFew { op: "triplet terms", what: "triplets", least: 1, got: 0 })?;
    let loss = losses.iter().map(|loss| loss.value).sum::<f64>() * f64::from(scale);
    let (total, terms_tape) = total.try_mul(scale).map_err(device_error)?.split_tape();
    let gradients = total.put_tape(tape.merge(terms_tape)).try_backward().map_err(device_error)?;
    Ok(TermStep { losses, loss, gradients })
}

/// `weight · mean(terms)` of one term.
fn term_loss<S, E: Dim, D: OpsDevice>(
    loss: TripletLoss,
    term: &Term,
    device: &D,
    [anchor, positive, negative]: [Traced<S, E, D>; 3],
) -> Result<(TermLoss, Tensor<(), f32, D, OwnedTape<f32, D>>), OpError> {
    let margins = ops::to_tensor(device, term.margins.clone(), (term.margins.len(),))?;
    let untraced = |e: &Traced<S, E, D>| e.tensor().retaped::<NoneTape>();
    let cosine = loss.distance == Distance::Cosine;
    let rows = cosine.then(|| [untraced(&anchor), untraced(&positive), untraced(&negative)]);
    let terms = loss.terms(anchor, positive, negative, &margins)?;
    let distances = match rows {
        None => terms.retaped(),
        Some([x, p, n]) => {
            ops::hinge(&margins, ops::row_squared_distance(x.clone(), p)?, ops::row_squared_distance(x, n)?)?
        }
    };
    let hard = ops::to_vec(&distances)?.iter().filter(|v| **v > 0.0).count();
    let weighted = mean(terms)?.try_mul(term.weight).map_err(device_error)?;
    Ok((TermLoss { value: ops::value(&weighted)?, hard }, weighted))
}
