//! A loss of one's own takes any tape of dfdx: the library's record on a `RecordingTape`.

use coembed::losses::TripletLoss;
use coembed::ops::OpsDevice;
use coembed::embedding::Embedding;
use dfdx::prelude::{Dim, Tape, Tensor};

fn loss<S, B: Dim, E: Dim, D: OpsDevice, T: Tape<f32, D>>(
    [anchor, positive, negative]: [Embedding<S, B, E, D, T>; 3],
    margins: &Tensor<(B,), f32, D>,
) {
    TripletLoss::default().terms(anchor, positive, negative, margins).unwrap();
}

fn main() {}
