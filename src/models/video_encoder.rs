use dfdx::prelude::{Dim, HasShape, Tensor};

use crate::blocks::{Frames, Parameters, Phase};
use crate::ops::{LayerTape, OpError, OpsDevice};

/// A model that makes one vector of a video's frames, or several: what near-duplicate retrieval compares.
pub trait VideoEncoder<D: OpsDevice>: Parameters<D> {
    /// Video level: one vector.
    ///
    /// # Shapes
    /// Frames `(B, N, E)` to `(B, O)`, rows of unit length.
    ///
    /// # Errors
    /// [`OpError::TooFew`] for a video without frames, [`OpError::Shape`] when run-time widths disagree.
    fn embed<B: Dim, T: LayerTape<D>>(
        &self,
        frames: Frames<B, usize, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, usize), f32, D, T::Output>, OpError>;

    /// Frame level: a set of vectors.
    ///
    /// # Errors
    /// As [`VideoEncoder::embed`].
    fn embed_frames<B: Dim, T: LayerTape<D>>(
        &self,
        frames: Frames<B, usize, D, T>,
        phase: Phase,
    ) -> Result<FrameSets<B, D, T::Output>, OpError>;
}

/// A set of vectors for each video of a batch, of unit length.
#[derive(Debug)]
pub enum FrameSets<B: Dim, D: OpsDevice, T> {
    /// One for each frame, `(B, N, O)`; those of padding mean nothing.
    OfFrames(Tensor<(B, usize, usize), f32, D, T>),
    /// As many for every video, `(B, K, O)`, such as one for each cluster.
    OfVideo(Tensor<(B, usize, usize), f32, D, T>),
}

impl<B: Dim, D: OpsDevice, T> FrameSets<B, D, T> {
    /// All of them, and how many of a video of so many frames count.
    pub fn into_parts(self) -> (Tensor<(B, usize, usize), f32, D, T>, impl Fn(usize) -> usize) {
        let (vectors, of_frames) = match self {
            Self::OfFrames(vectors) => (vectors, true),
            Self::OfVideo(vectors) => (vectors, false),
        };
        let all = vectors.shape().1;
        (vectors, move |frames: usize| if of_frames { frames.min(all) } else { all })
    }
}

/// [`VideoEncoder`] for a model that has both levels itself, as `forward` and `encode`; the latter's vectors are [`FrameSets`] of that kind.
macro_rules! video_encoder {
    ($D:ident; $model:ty: $kind:ident) => {
        impl<$D: $crate::ops::OpsDevice> $crate::models::VideoEncoder<$D> for $model {
            fn embed<B: dfdx::prelude::Dim, T: $crate::ops::LayerTape<$D>>(
                &self,
                frames: $crate::blocks::Frames<B, usize, $D, T>,
                phase: $crate::blocks::Phase,
            ) -> Result<dfdx::prelude::Tensor<(B, usize), f32, $D, T::Output>, $crate::ops::OpError> {
                self.forward(frames, phase)
            }

            fn embed_frames<B: dfdx::prelude::Dim, T: $crate::ops::LayerTape<$D>>(
                &self,
                frames: $crate::blocks::Frames<B, usize, $D, T>,
                phase: $crate::blocks::Phase,
            ) -> Result<$crate::models::FrameSets<B, $D, T::Output>, $crate::ops::OpError> {
                Ok($crate::models::FrameSets::$kind(self.encode(frames, phase)?))
            }
        }
    };
}
pub(super) use video_encoder;
