mod composed;
mod cpu;

pub use composed::dropout as composed;

use dfdx::prelude::{Device, Shape, Tape, Tensor};

use super::{OpError, OpsDevice, check_option};

/// A place in a stream of random numbers: number `offset + i` of the stream `seed` decides about value `i`.
///
/// Nothing is drawn in sequence, so the choice depends neither on the number of threads nor on the device. Operations that
/// shall choose independently take different seeds, or offsets at least as far apart as they have values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomStream {
    /// Which stream.
    pub seed: u64,
    /// Where in it.
    pub offset: u64,
}

/// The finaliser of SplitMix64 (Steele, Lea & Flood 2014), a bijection that scatters neighbouring numbers.
#[inline(always)]
fn scatter(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Decides for every value whether it stays, and by what it is multiplied.
#[derive(Debug, Clone, Copy)]
pub struct Lottery {
    start: u64,
    /// Values whose 32 random bits are below this go.
    threshold: u64,
    scale: f32,
}

impl Lottery {
    /// The choice of [`dropout`] for a rate from 0 to 1.
    pub fn new(rate: f32, stream: RandomStream) -> Self {
        let threshold = (f64::from(rate) * 2f64.powi(32)).round() as u64;
        // A rate of 1 keeps nothing: no scale is infinite.
        let scale = if rate < 1.0 { 1.0 / (1.0 - rate) } else { 0.0 };
        Self { start: scatter(stream.seed).wrapping_add(stream.offset), threshold, scale }
    }

    /// 0, or the scale of the values that stay.
    #[inline(always)]
    pub(crate) fn factor(self, i: usize) -> f32 {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let bits = scatter(self.start.wrapping_add(i as u64).wrapping_mul(GOLDEN)) >> 32;
        if bits < self.threshold { 0.0 } else { self.scale }
    }
}

/// Devices that can compute [`dropout`].
pub trait DropoutKernel: Device<f32> {
    /// Multiplies value `i` by factor `i` of the lottery.
    fn dropout<S: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        lottery: Lottery,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed(x, lottery)
    }
}

/// Sets values to 0 with probability `rate` and multiplies the others by `1 / (1 − rate)` (Srivastava et al. 2014, scaled in
/// training as PyTorch does).
///
/// Without a stream (in evaluation) and with rate 0 this is the identity. The choice is made again in the backward pass, no
/// mask is kept.
///
/// # Shapes
/// Any.
///
/// # Errors
/// [`OpError::Option`] for a rate outside 0 to 1.
pub fn dropout<S: Shape, D: OpsDevice, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    rate: f32,
    stream: Option<RandomStream>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    check_option("dropout", (0.0..=1.0).contains(&rate), "the rate is not between 0 and 1")?;
    match stream {
        Some(stream) if rate > 0.0 => D::dropout(x, Lottery::new(rate, stream)),
        _ => Ok(x),
    }
}
