//! Contrast with a memory bank, whose keys come from an encoder that follows the trained one.
//!
//! He, Fan, Wu, Xie & Girshick, "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020, in the supervised form of
//! Shao et al., "Temporal Context Aggregation for Video Retrieval with Contrastive Learning", WACV 2021.

use std::vec;

use dfdx::prelude::{Axes2, Axis, HasShape, NoneTape, OwnedTape, PutTape, Shape, SplitTape, Tensor, TryAdd, TryMul};
use rand::Rng;
use rand_distr::StandardNormal;

use super::VideoEncoder;
use crate::blocks::{Frames, Parameters, Path, Phase, Role, Visitor, VisitorMut, independent_copy};
use crate::ops::{self, NORM_EPS, OpError, OpsDevice, Reduction, check_least, check_option, check_size, device_error};

/// Describes a [`MomentumContrast`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MomentumContrastConfig {
    /// Width of an embedding.
    pub width: usize,
    /// Keys in the bank.
    pub keys: usize,
    /// Share of its parameters that the key encoder keeps in a step; with 0 it is the trained encoder of that step.
    pub momentum: f32,
    /// What similarities are divided by.
    pub temperature: f32,
}

impl MomentumContrastConfig {
    /// The bank of the training runs of Temporal Context Aggregation: 4096 keys, momentum 0, temperature 1.
    pub fn tca(width: usize) -> Self {
        Self { width, keys: 4096, momentum: 0.0, temperature: 1.0 }
    }

    /// The key encoder as a copy of an encoder, and a bank of random directions.
    ///
    /// # Errors
    /// [`OpError::TooFew`] for an empty bank or width, [`OpError::Option`] for a momentum outside `[0, 1]` or a temperature that is not above 0
    /// with a finite inverse.
    pub fn build<D: OpsDevice, M: Parameters<D> + Clone>(
        &self,
        encoder: &M,
        device: &D,
        rng: &mut impl Rng,
    ) -> Result<MomentumContrast<M, D>, OpError> {
        check_least("memory bank", "keys", 1, self.keys)?;
        check_least("memory bank", "values of a key", 1, self.width)?;
        let holds = (0.0..=1.0).contains(&self.momentum);
        check_option("memory bank", holds, "the momentum is not between 0 and 1")?;
        let holds = self.temperature > 0.0 && (1.0 / self.temperature).is_finite();
        check_option("memory bank", holds, "the temperature is not a number above 0 with a finite inverse")?;
        let mut queue: Tensor<(usize, usize), f32, D> =
            ops::drawn(device, "memory bank", (self.keys, self.width), || rng.sample(StandardNormal))?;
        queue = ops::l2_normalize(queue, NORM_EPS)?;
        Ok(MomentumContrast {
            encoder_k: independent_copy(encoder)?,
            queue: ops::permute::<_, _, Axes2<1, 0>, _, _>(queue, Axes2::<1, 0>)?,
            queue_ptr: 0,
            momentum: self.momentum,
            temperature: self.temperature,
        })
    }
}

/// Anchors, a positive of each, and negatives: `M` of each anchor, one anchor's after the other's.
#[derive(Debug)]
pub struct ContrastBatch<D: OpsDevice> {
    /// `B` videos.
    pub anchors: Frames<usize, usize, D, NoneTape>,
    /// `B` videos.
    pub positives: Frames<usize, usize, D, NoneTape>,
    /// `B · M` videos.
    pub negatives: Frames<usize, usize, D, NoneTape>,
}

/// The key encoder and the memory bank: a ring of keys of unit length.
///
/// As published, positives never enter the bank, a step's negatives enter it after its logits are computed, and the key encoder drops values in
/// training as the trained one does.
#[derive(Debug, Clone)]
pub struct MomentumContrast<M, D: OpsDevice> {
    /// Follows the trained encoder; never receives a gradient.
    pub encoder_k: M,
    /// `(C, K)`, a key in every column.
    pub queue: Tensor<(usize, usize), f32, D>,
    /// The column that is written next.
    pub queue_ptr: u64,
    momentum: f32,
    temperature: f32,
}

impl<D: OpsDevice, M: Parameters<D>> Parameters<D> for MomentumContrast<M, D> {
    crate::visit_fields! { D; encoder_k: module, queue: buffer, queue_ptr: counter }
}

/// Logits on the tape of a step.
pub type Logits<D> = Tensor<(usize, usize), f32, D, OwnedTape<f32, D>>;

impl<D: OpsDevice, M: VideoEncoder<D>> MomentumContrast<M, D> {
    /// One step: the key encoder moves towards `encoder`; similarities of each anchor with its positive (column 0) and with the keys of the bank,
    /// divided by the temperature; then the negatives' keys are written over the oldest ones.
    ///
    /// # Shapes
    /// Result: `(B, 1 + K)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when there are not as many positives as anchors or embeddings are not of the bank's width; [`OpError::Option`] when the
    /// number of keys is no multiple of the number of negatives (published: an assertion fails); as [`VideoEncoder::embed`].
    pub fn contrast(&mut self, encoder: &M, batch: ContrastBatch<D>, phase: Phase) -> Result<Logits<D>, OpError> {
        let (width, keys) = *self.queue.shape();
        let (anchors, negatives) = (batch.anchors.shape().0, batch.negatives.shape().0);
        check_size("momentum contrast", "number of positives", anchors, batch.positives.shape().0)?;
        let divides = negatives > 0 && keys % negatives == 0;
        check_option("momentum contrast", divides, "the keys of the bank are no multiple of a step's negatives")?;

        let query = ops::l2_normalize(encoder.embed(batch.anchors.into_data(), phase)?, NORM_EPS)?;
        check_size("momentum contrast", "width of an embedding", width, query.shape().1)?;
        self.follow(encoder)?;
        let key = |frames| ops::l2_normalize(self.encoder_k.embed(frames, phase)?, NORM_EPS);
        let (positives, new_keys) = (key(batch.positives)?, key(batch.negatives)?);

        let (query, tape) = query.split_tape();
        let with_positive = ops::mul(query.clone().put_tape(tape), ops::data(positives))?;
        let with_positive = ops::reduce(with_positive, Axis::<1>, Reduction::Sum)?;
        let with_positive = ops::reshape(with_positive, (anchors, 1))?;
        let with_keys = ops::matmul(query.put_tape(OwnedTape::default()), ops::data(self.queue.clone()))?;
        let logits = ops::concat_along(vec![with_positive, with_keys], Axis::<1>, (anchors, 1 + keys))?;

        ops::set_columns(&mut self.queue, self.queue_ptr as usize, &new_keys)?;
        self.queue_ptr = ((self.queue_ptr as usize + negatives) % keys) as u64;
        ops::scale(logits, 1.0 / self.temperature)
    }

    /// `θ_k ← m θ_k + (1 − m) θ`, for trained parameters; running statistics are the key encoder's own.
    fn follow(&mut self, encoder: &M) -> Result<(), OpError> {
        let mut followed = Followed(vec![]);
        encoder.visit(&Path::ROOT, &mut followed)?;
        let mut follower = Follower { of_encoder: followed.0.into_iter(), momentum: self.momentum };
        self.encoder_k.visit_mut(&Path::ROOT, &mut follower)
    }
}

/// Trained parameters, flat, in order.
struct Followed<D: OpsDevice>(Vec<Tensor<(usize,), f32, D>>);

impl<D: OpsDevice> Visitor<D> for Followed<D> {
    type Error = OpError;

    fn tensor<S: Shape>(&mut self, _: &Path, role: Role, tensor: &Tensor<S, f32, D>) -> Result<(), OpError> {
        if role == Role::Trained {
            self.0.push(ops::reshape(tensor.clone(), (tensor.shape().num_elements(),))?);
        }
        Ok(())
    }
}

struct Follower<D: OpsDevice> {
    of_encoder: vec::IntoIter<Tensor<(usize,), f32, D>>,
    momentum: f32,
}

impl<D: OpsDevice> VisitorMut<D> for Follower<D> {
    type Error = OpError;

    fn tensor<S: Shape>(&mut self, _: &Path, role: Role, tensor: &mut Tensor<S, f32, D>) -> Result<(), OpError> {
        let Some(target) = (role == Role::Trained).then(|| self.of_encoder.next()).flatten() else { return Ok(()) };
        let shape = *tensor.shape();
        let target = if self.momentum == 0.0 {
            target
        } else {
            let own = ops::reshape(tensor.clone(), (shape.num_elements(),))?;
            let kept = own.try_mul(self.momentum).map_err(device_error)?;
            kept.try_add(target.try_mul(1.0 - self.momentum).map_err(device_error)?).map_err(device_error)?
        };
        *tensor = ops::reshape(target, shape)?;
        Ok(())
    }
}
