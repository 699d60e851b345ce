//! The HowTo100M S3D baseline in the tables of QuerYD: features of video and text that already share a space (`MNNet`).

use dfdx::prelude::{Axes2, BroadcastTo, Const, Dim, HasShape, ReshapeTo, Tensor, TryAdd};
use rand::Rng;

use crate::blocks::{Config, Parameters};
use crate::ops::{self, LayerTape, OpError, OpsDevice, device_error};

/// Describes an [`Mnnet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MnnetConfig;

/// Inner products of sentence and video embeddings, without normalisation. Its one parameter is added to every coordinate of the video: the
/// published program needs something to train.
#[derive(Debug, Clone)]
pub struct Mnnet<D: OpsDevice> {
    /// 1e-5 at first.
    pub dummy_param: Tensor<(Const<1>,), f32, D>,
}

impl<D: OpsDevice> Config<D> for MnnetConfig {
    type Built = Mnnet<D>;

    fn num_parameters(&self) -> usize {
        1
    }

    fn build(&self, device: &D, _: &mut impl Rng) -> Result<Mnnet<D>, OpError> {
        Ok(Mnnet { dummy_param: ops::to_tensor(device, vec![1e-5], (Const::<1>,))? })
    }
}

impl<D: OpsDevice> Mnnet<D> {
    /// # Shapes
    /// Texts `(Q, E)`, videos `(B, E)`; result `(Q, B)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time widths disagree.
    pub fn forward<Q: Dim, B: Dim, E: Dim, T: LayerTape<D>>(
        &self,
        text: Tensor<(Q, E), f32, D, T>,
        video: Tensor<(B, E), f32, D, T>,
    ) -> Result<Tensor<(Q, B), f32, D, T::Output>, OpError> {
        let shape = *video.shape();
        let (text, video) = (ops::begin(text), ops::begin(video));
        let moved = || -> Result<_, D::Err> {
            let added = self.dummy_param.retaped::<T::Output>().try_reshape_like(&())?;
            video.try_add(added.try_broadcast_like::<_, Axes2<0, 1>>(&shape)?)
        };
        let video = moved().map_err(device_error)?;
        ops::matmul_nt(text, video)
    }
}

impl<D: OpsDevice> Parameters<D> for Mnnet<D> {
    crate::visit_fields! { D; dummy_param: trained }
}
