//! Batches as tensors.

use dfdx::prelude::{PutTape, Tensor};

use super::CeError;
use crate::blocks::{Availability, ExpertFeatures, Frames};
use crate::data::experts::{ExpertBatch, TeacherBatch, TextBatch};
use crate::losses::TeacherEmbeddings;
use crate::matrix::Matrix;
use crate::models::collaborative_experts::clear_missing;
use crate::ops::{self, LayerTape, OpError, OpsDevice};

/// Word vectors of all captions, `(B · C, N, W)`.
pub(super) fn words<D: OpsDevice, T: LayerTape<D>>(
    device: &D,
    text: TextBatch,
) -> Result<Tensor<(usize, usize, usize), f32, D, T>, OpError> {
    let [videos, captions, words, width] = text.shape;
    Ok(ops::to_tensor(device, text.values, (videos * captions, words, width))?.put_tape(T::default()))
}

/// Features of all experts, zeros where they are missing, and which video has which.
pub(super) fn experts<D: OpsDevice, T: LayerTape<D>>(
    device: &D,
    names: &[String],
    batches: Vec<ExpertBatch>,
) -> Result<(Vec<ExpertFeatures<usize, D, T>>, Availability), CeError> {
    let mut available = Vec::with_capacity(batches.len());
    let mut features = Vec::with_capacity(batches.len());
    for (name, mut batch) in names.iter().zip(batches) {
        clear_missing(name, &mut batch.values, &batch.available)?;
        features.push(match *batch.shape.as_slice() {
            [videos, width] => {
                let vectors = ops::to_tensor(device, batch.values, (videos, width))?;
                ExpertFeatures::Vector(vectors.put_tape(T::default()))
            }
            [videos, steps, width] => {
                let step = |i: usize| f32::from(i % steps.max(1) < batch.tokens[i / steps.max(1)]);
                let valid = ops::to_tensor(device, (0..videos * steps).map(step).collect(), (videos, steps))?;
                let frames = ops::to_tensor(device, batch.values, (videos, steps, width))?.put_tape(T::default());
                ExpertFeatures::Sequence(Frames::padded(frames, valid)?)
            }
            _ => return Err(OpError::Form { op: "experts", reason: "features have two or three axes" }.into()),
        });
        available.push(batch.available);
    }
    Ok((features, Availability::new(&available)?))
}

/// What every teacher makes of a batch.
pub(super) fn teachers<D: OpsDevice>(
    device: &D,
    teachers: Vec<Vec<TeacherBatch>>,
) -> Result<Vec<TeacherEmbeddings<usize, usize, D>>, OpError> {
    let tensor = |matrix: Matrix<f32>| {
        let shape = (matrix.rows(), matrix.cols());
        ops::to_tensor(device, matrix.as_slice().to_vec(), shape)
    };
    let one = |experts: Vec<TeacherBatch>| {
        let (mut text, mut video) = (vec![], vec![]);
        for expert in experts {
            text.push(tensor(expert.text)?);
            video.push(tensor(expert.video)?);
        }
        Ok(TeacherEmbeddings { text, video })
    };
    teachers.into_iter().map(one).collect()
}
