use dfdx::prelude::{
    Axis, BroadcastTo, Dim, HasShape, NoneTape, PutTape, SplitTape, Tensor, TryDiv, TryMul, TrySub, WithEmptyTape,
};
use serde::{Deserialize, Serialize};

use super::{Frames, Pooled};
use crate::ops::{self, EmptyRows, LayerTape, OpError, OpsDevice, RecordingTape, Reduction, TieGradient, device_error};

/// What is taken of a feature over the frames of a video. The published archives have one file for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FrameStatistic {
    /// `avg`: the mean.
    Mean,
    /// `max`: the greatest value.
    Max,
    /// `std`: the standard deviation, divided by the number of frames (NumPy's default).
    Std,
    /// `ent`: the entropy in nats of the feature's distribution over the frames, `−Σ_n p_n ln p_n` with `p_n = x_n / Σ x`. For features that
    /// are not negative; one that is 0 in every frame has entropy 0. How the published files were computed is not documented: this is the
    /// usual reading.
    Entropy,
}

/// Pools frames to one vector: the statistics side by side, in order. A video without frames becomes zeros.
///
/// # Shapes
/// `(B, N, E)` to `(B, statistics · E)`.
///
/// # Errors
/// [`OpError::TooFew`] without statistics, [`OpError::Shape`] when run-time sizes disagree.
pub fn pool_frames<B: Dim, E: Dim, D: OpsDevice, T: LayerTape<D>>(
    input: Frames<B, E, D, T>,
    statistics: &[FrameStatistic],
) -> Result<Pooled<B, D, T>, OpError> {
    let (frames, valid) = input.into_masked()?;
    let (frames, tape) = frames.split_tape();
    if T::GRADIENT {
        Ok(Pooled::Computed(pool::<_, _, _, T::Output>(frames.put_tape(tape.begin()), &valid, statistics)?))
    } else {
        Ok(Pooled::Data(pool::<_, _, _, NoneTape>(frames, &valid, statistics)?.put_tape(tape)))
    }
}

fn pool<B: Dim, E: Dim, D: OpsDevice, T: RecordingTape<D>>(
    frames: Tensor<(B, usize, E), f32, D, T>,
    valid: &Tensor<(B, usize), f32, D>,
    statistics: &[FrameStatistic],
) -> Result<Tensor<(B, usize), f32, D, T>, OpError> {
    let width = frames.shape().2.size();
    let (frames, tape) = frames.split_tape();
    // The tape so far goes with the first part.
    let mut tape = Some(tape);
    let parts = statistics.iter().map(|statistic| {
        let frames = frames.clone().put_tape(tape.take().unwrap_or_default());
        over_frames(frames, valid, *statistic)
    });
    ops::concat(parts.collect::<Result<_, OpError>>()?, statistics.len() * width)
}

/// One statistic, `(B, E)`.
fn over_frames<B: Dim, E: Dim, D: OpsDevice, T: RecordingTape<D>>(
    frames: Tensor<(B, usize, E), f32, D, T>,
    valid: &Tensor<(B, usize), f32, D>,
    statistic: FrameStatistic,
) -> Result<Tensor<(B, E), f32, D, T>, OpError> {
    let shape = *frames.shape();
    let reduced = |x, reduction| ops::masked_reduce(x, valid, reduction, EmptyRows::Value(0.0));
    match statistic {
        FrameStatistic::Mean => reduced(frames, Reduction::Mean),
        FrameStatistic::Max => reduced(frames, Reduction::Max(TieGradient::Shared)),
        FrameStatistic::Std => {
            let mean = reduced(frames.with_empty_tape(), Reduction::Mean)?;
            let squares = || frames.try_sub(mean.try_broadcast_like::<_, Axis<1>>(&shape)?)?.try_square();
            let variance = reduced(squares().map_err(device_error)?, Reduction::Mean)?;
            // Below the clamp there is no gradient, where the root would have an infinite one.
            let root = || variance.try_clamp(f32::MIN_POSITIVE, f32::MAX)?.try_sqrt();
            root().map_err(device_error)
        }
        FrameStatistic::Entropy => {
            let sum = reduced(frames.with_empty_tape(), Reduction::Sum)?;
            let terms = || -> Result<_, D::Err> {
                let sum = sum.try_clamp(f32::MIN_POSITIVE, f32::MAX)?.try_broadcast_like::<_, Axis<1>>(&shape)?;
                let probability = frames.try_div(sum)?;
                let logarithm = probability.with_empty_tape().try_clamp(f32::MIN_POSITIVE, 1.0)?.try_ln()?;
                probability.try_mul(logarithm)
            };
            reduced(terms().map_err(device_error)?, Reduction::Sum)?.try_negate().map_err(device_error)
        }
    }
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::{Cpu, TensorFromVec};

    use super::*;

    #[test]
    fn statistics_over_the_frames_that_are_there() {
        let device = Cpu::default();
        // One feature of two videos: 1, 3 and padding; no frames.
        let frames = device.tensor_from_vec(vec![1.0, 3.0, 100.0, 5.0, 5.0, 5.0], (2usize, 3usize, 1usize));
        let valid = device.tensor_from_vec(vec![1.0, 1.0, 0.0, 0.0, 0.0, 0.0], (2usize, 3usize));
        let all = [FrameStatistic::Mean, FrameStatistic::Max, FrameStatistic::Std, FrameStatistic::Entropy];
        let input = Frames::padded(ops::data(frames), valid).unwrap();
        let Pooled::Data(pooled) = pool_frames(input, &all).unwrap() else { panic!("data stay data") };
        let pooled = pooled.as_vec();
        let entropy = -(0.25f32 * 0.25f32.ln() + 0.75 * 0.75f32.ln());
        for (got, want) in pooled.iter().zip([2.0, 3.0, 1.0, entropy, 0.0, 0.0, 0.0, 0.0]) {
            assert!((got - want).abs() < 1e-6, "{pooled:?}");
        }
    }
}
