mod composed;
mod cpu;

pub use composed::mixture_similarity as composed;

use dfdx::prelude::{Device, Dim, HasShape, Tensor};

use super::{OpError, OpsDevice, RecordingTape, check_least, check_size};

/// Added to every weight: without a trace beside any that is not tiny, and equal weights where those of all experts of a video underflow.
const LEAST_WEIGHT: f32 = f32::MIN_POSITIVE;

/// Devices that can compute [`mixture_similarity`].
pub trait MixtureSimilarityKernel: Device<f32> {
    /// See [`mixture_similarity`]. The sizes agree, there is an expert, and every video has one.
    fn mixture_similarity<Q: Dim, V: Dim, E: Dim, T: RecordingTape<Self>>(
        text: Vec<Tensor<(Q, E), f32, Self, T>>,
        video: Vec<Tensor<(V, E), f32, Self, T>>,
        weights: Tensor<(Q, usize), f32, Self, T>,
        available: &Tensor<(V, usize), f32, Self>,
    ) -> Result<Tensor<(Q, V), f32, Self, T>, OpError> {
        composed(text, video, weights, available)
    }
}

/// The mixture of experts' similarities (Miech, Laptev & Sivic 2018, section 3; Liu et al. 2019, section 3.3): the inner products of every
/// expert, weighted by the text and renormalised over the experts that the video has,
///
/// ```text
/// s_qv = Σ_m W_qvm ⟨text_mq, video_mv⟩      W_qvm = w_qm a_vm / Σ_n w_qn a_vn
/// ```
///
/// Where the weights of all experts that a video has underflow to 0, those experts count equally (the published code divides 0 by 0 and stops).
///
/// # Shapes
/// `text`: for each of M experts `(Q, E)`, `video`: `(V, E)`, of equal width per expert (widths may differ between experts where `E` is a
/// run-time size); `weights`: `(Q, M)`, at least 0; `available`: `(V, M)`, 1 or 0; result: `(Q, V)`.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree, [`OpError::TooFew`] without experts.
pub fn mixture_similarity<Q: Dim, V: Dim, E: Dim, D: OpsDevice, T: RecordingTape<D>>(
    text: Vec<Tensor<(Q, E), f32, D, T>>,
    video: Vec<Tensor<(V, E), f32, D, T>>,
    weights: Tensor<(Q, usize), f32, D, T>,
    available: &Tensor<(V, usize), f32, D>,
) -> Result<Tensor<(Q, V), f32, D, T>, OpError> {
    const OP: &str = "mixture similarity";
    check_least(OP, "experts", 1, text.len())?;
    check_size(OP, "experts of the videos", text.len(), video.len())?;
    check_size(OP, "experts of the weights", text.len(), weights.shape().1)?;
    check_size(OP, "experts of the availability", text.len(), available.shape().1)?;
    let (queries, videos) = (weights.shape().0.size(), available.shape().0.size());
    for (text, video) in text.iter().zip(&video) {
        check_size(OP, "texts of an expert", queries, text.shape().0.size())?;
        check_size(OP, "videos of an expert", videos, video.shape().0.size())?;
        check_size(OP, "width of an expert's videos", text.shape().1.size(), video.shape().1.size())?;
    }
    D::mixture_similarity(text, video, weights, available)
}
