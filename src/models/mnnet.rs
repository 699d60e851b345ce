//! The HowTo100M S3D baseline in the tables of QuerYD: features of video and text that already share a space (`MNNet`).

use dfdx::prelude::{Axes2, BroadcastTo, Const, Dim, HasShape, PutTape, ReshapeTo, Tensor, TryAdd};
use rand::Rng;

use super::expert_network::{ExpertNetwork, TextEmbedding, VideoEmbedding, experts};
use crate::blocks::{Availability, Config, ExpertFeatures, Parameters, Phase};
use crate::ops::{self, LayerTape, OpError, OpsDevice, RecordingTape, check_size, device_error};

const OP: &str = "MNNet";

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
    /// Embeds videos: features and the parameter, added.
    ///
    /// # Shapes
    /// `(B, E)` to `(B, E)`.
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

    /// Similarities of every text with every video.
    ///
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

/// Of videos with one expert, a vector, and texts of one word, the vector of the sentence. Availability is not looked at.
impl<D: OpsDevice> ExpertNetwork<D> for Mnnet<D> {
    fn embed_video<T: LayerTape<D>>(
        &self,
        features: Vec<ExpertFeatures<usize, D, T>>,
        _: &Availability,
        _: Phase,
    ) -> Result<VideoEmbedding<usize, D, T::Output>, OpError> {
        let [video] = experts(OP, features)?;
        Ok(VideoEmbedding(vec![Self::embed_video(self, video.into_vector()?)?]))
    }

    fn embed_text<T: LayerTape<D>>(
        &self,
        words: Tensor<(usize, usize, usize), f32, D, T>,
        _: Phase,
    ) -> Result<TextEmbedding<usize, D, T::Output>, OpError> {
        let ((texts, steps, width), device) = (*words.shape(), words.device().clone());
        check_size(OP, "words of a text", 1, steps)?;
        let text = ops::reshape(ops::begin(words), (texts, width))?;
        let weights = ops::to_tensor(&device, vec![1.0; texts], (texts, 1))?.put_tape(Default::default());
        Ok(TextEmbedding { experts: vec![text], weights })
    }

    fn similarity<T: RecordingTape<D>>(
        &self,
        text: TextEmbedding<usize, D, T>,
        video: VideoEmbedding<usize, D, T>,
        _: &Availability,
    ) -> Result<Tensor<(usize, usize), f32, D, T>, OpError> {
        let ([text], [video]) = (experts(OP, text.experts)?, experts(OP, video.0)?);
        ops::matmul_nt(text, video)
    }
}

impl<D: OpsDevice> Parameters<D> for Mnnet<D> {
    crate::visit_fields! { D; dummy_param: trained }
}
