//! The HowTo100M S3D baseline in the tables of QuerYD: features of video and text that already share a space (`MNNet`).

use dfdx::prelude::{Axes2, BroadcastTo, Const, Dim, HasShape, PutTape, ReshapeTo, Tensor, TryAdd};
use rand::Rng;

use super::expert_network::{ExpertNetwork, Rows, TextEmbedding, VideoEmbedding};
use crate::blocks::{Availability, Config, ExpertFeatures, Parameters, Phase};
use crate::ops::{self, LayerTape, OpError, OpsDevice, RecordingTape, check_size, device_error};

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
    /// Moves videos by the parameter.
    ///
    /// # Shapes
    /// `(B, E)` as they come.
    ///
    /// # Errors
    /// [`OpError::Device`].
    pub fn embed_video<B: Dim, E: Dim, T: LayerTape<D>>(
        &self,
        video: Tensor<(B, E), f32, D, T>,
    ) -> Result<Tensor<(B, E), f32, D, T::Output>, OpError> {
        let (shape, video) = (*video.shape(), ops::begin(video));
        let moved = || -> Result<_, D::Err> {
            let added = self.dummy_param.retaped::<T::Output>().try_reshape_like(&())?;
            video.try_add(added.try_broadcast_like::<_, Axes2<0, 1>>(&shape)?)
        };
        moved().map_err(device_error)
    }

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
        ops::matmul_nt(ops::begin(text), self.embed_video(video)?)
    }
}

/// One expert, a vector, and texts of one word: the sentence.
impl<D: OpsDevice> ExpertNetwork<D> for Mnnet<D> {
    fn embed_video<T: LayerTape<D>>(
        &self,
        mut features: Vec<ExpertFeatures<usize, D, T>>,
        _: &Availability,
        _: Phase,
    ) -> Result<VideoEmbedding<usize, D, T::Output>, OpError> {
        check_size("MNNet", "experts", 1, features.len())?;
        let videos = features.pop().map(|expert| Self::embed_video(self, expert.into_vector()?)).transpose()?;
        Ok(VideoEmbedding(videos.into_iter().collect()))
    }

    fn embed_text<T: LayerTape<D>>(
        &self,
        words: Tensor<(usize, usize, usize), f32, D, T>,
        _: Phase,
    ) -> Result<TextEmbedding<usize, D, T::Output>, OpError> {
        let ((texts, steps, width), device) = (*words.shape(), words.device().clone());
        check_size("MNNet", "words of a text", 1, steps)?;
        let text = ops::reshape(ops::begin(words), (texts, width))?;
        let weights = ops::to_tensor(&device, vec![1.0; texts], (texts, 1))?.put_tape(Default::default());
        Ok(TextEmbedding { experts: vec![text], weights })
    }

    fn similarity<T: RecordingTape<D>>(
        &self,
        mut text: TextEmbedding<usize, D, T>,
        mut video: VideoEmbedding<usize, D, T>,
        _: &Availability,
    ) -> Result<Rows<usize, D, T>, OpError> {
        let nothing = || OpError::TooFew { op: "MNNet", what: "experts", least: 1, got: 0 };
        ops::matmul_nt(text.experts.pop().ok_or_else(nothing)?, video.0.pop().ok_or_else(nothing)?)
    }
}

impl<D: OpsDevice> Parameters<D> for Mnnet<D> {
    crate::visit_fields! { D; dummy_param: trained }
}
