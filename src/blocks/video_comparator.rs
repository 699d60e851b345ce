use dfdx::prelude::{Const, Dim, HasShape, Tensor, TryAdd, TryMul};
use rand::Rng;

use super::{Config, Conv2d, Conv2dConfig, Parameters};
use crate::ops::{self, Border, Conv2dSteps, LayerTape, OpError, OpsDevice, PoolSteps, check_least, device_error};

const OP: &str = "video comparator";

/// Frames of a video that it takes: two poolings leave one of four.
const LEAST: usize = 4;

/// Describes a [`VideoComparator`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VideoComparatorConfig;

/// The network of ViSiL (Kordopatis-Zilos et al. 2019) over the similarities of two videos' frames: it finds runs of similar frames, which a
/// maximum over single similarities does not see.
///
/// ```text
/// 3 x 3 convolution to 32, ReLU, maxima of 2 x 2
/// 3 x 3 convolution to 64, ReLU, maxima of 2 x 2
/// 3 x 3 convolution to 128, ReLU, 1 x 1 convolution to 1
/// y = clamp(x, −1, 1) / 2 + 1/2
/// ```
///
/// The edges of its input are replicated, once for each 3 x 3 convolution. The similarity of the videos is the chamfer similarity of the result.
#[derive(Debug, Clone)]
pub struct VideoComparator<D: OpsDevice> {
    /// Of the similarities.
    pub conv1: Conv2d<Const<1>, Const<32>, D>,
    /// Of the first maxima.
    pub conv2: Conv2d<Const<32>, Const<64>, D>,
    /// Of the second maxima.
    pub conv3: Conv2d<Const<64>, Const<128>, D>,
    /// To similarities.
    pub fconv: Conv2d<Const<128>, Const<1>, D>,
}

const fn convolution<const I: usize, const O: usize>() -> Conv2dConfig<Const<I>, Const<O>> {
    let steps = Conv2dSteps { stride: 1, padding: 1, border: Border::Replicate };
    Conv2dConfig { inputs: Const, outputs: Const, kernel: 3, steps, bias: true }
}

/// The last convolution, of single values.
const LAST: Conv2dConfig<Const<128>, Const<1>> = Conv2dConfig {
    inputs: Const,
    outputs: Const,
    kernel: 1,
    steps: Conv2dSteps { stride: 1, padding: 0, border: Border::Zeros },
    bias: true,
};

impl<D: OpsDevice> Config<D> for VideoComparatorConfig {
    type Built = VideoComparator<D>;

    fn num_parameters(&self) -> usize {
        let first = Config::<D>::num_parameters(&convolution::<1, 32>());
        let second = Config::<D>::num_parameters(&convolution::<32, 64>());
        let third = Config::<D>::num_parameters(&convolution::<64, 128>());
        first + second + third + Config::<D>::num_parameters(&LAST)
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        Ok(VideoComparator {
            conv1: convolution().build(device, rng)?,
            conv2: convolution().build(device, rng)?,
            conv3: convolution().build(device, rng)?,
            fconv: LAST.build(device, rng)?,
        })
    }
}

impl<D: OpsDevice> VideoComparator<D> {
    /// # Shapes
    /// Similarities `(B, M, N)` of the frames of `B` pairs of videos to `(B, ⌊⌊M/2⌋/2⌋, ⌊⌊N/2⌋/2⌋)`.
    ///
    /// # Errors
    /// [`OpError::TooFew`] for fewer than 4 frames.
    pub fn forward<B: Dim, M: Dim, N: Dim, T: LayerTape<D>>(
        &self,
        similarities: Tensor<(B, M, N), f32, D, T>,
    ) -> Result<Tensor<(B, usize, usize), f32, D, T::Output>, OpError> {
        let (batch, rows, columns) = *similarities.shape();
        check_least(OP, "frames of the first video", LEAST, rows.size())?;
        check_least(OP, "frames of the second video", LEAST, columns.size())?;
        let halves = PoolSteps { kernel: 2, stride: 2, padding: 0 };
        let x = ops::reshape(similarities, (batch, Const::<1>, rows, columns))?;
        let x = ops::max_pool2d(ops::relu(self.conv1.forward(x)?)?, halves)?;
        let x = ops::max_pool2d(ops::relu(self.conv2.forward(x)?)?, halves)?;
        let x = self.fconv.forward(ops::relu(self.conv3.forward(x)?)?)?;
        let (rows, columns) = (x.shape().2, x.shape().3);
        let x = ops::reshape(x, (batch, rows, columns))?;
        if batch.size() == 0 {
            return Ok(x);
        }
        let scaled = x.try_clamp(-1.0, 1.0).and_then(|x| x.try_mul(0.5)?.try_add(0.5));
        scaled.map_err(device_error)
    }
}

impl<D: OpsDevice> Parameters<D> for VideoComparator<D> {
    crate::visit_fields! { D; conv1: module, conv2: module, conv3: module, fconv: module }
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::{Backward, Cpu, SumTo, Trace};
    use rand::SeedableRng;

    use super::*;
    use crate::blocks::num_parameters;

    fn comparator() -> VideoComparator<Cpu> {
        VideoComparatorConfig.build(&Cpu::default(), &mut rand_chacha::ChaCha8Rng::seed_from_u64(1)).unwrap()
    }

    #[test]
    fn it_has_the_published_number_of_parameters() {
        assert_eq!(Config::<Cpu>::num_parameters(&VideoComparatorConfig), 92_801);
        assert_eq!(num_parameters(&comparator()), 92_801);
    }

    #[test]
    fn fewer_than_four_frames_are_refused() {
        let of = |rows: usize, columns: usize| {
            let similarities = ops::to_tensor(&Cpu::default(), vec![0.5; rows * columns], (1usize, rows, columns));
            comparator().forward(similarities.unwrap())
        };
        assert_eq!(*of(4, 11).unwrap().shape(), (1, 1, 2));
        let error = of(3, 9).unwrap_err().to_string();
        assert_eq!(error, "video comparator: too few frames of the first video: 3, at least 4 needed");
        assert!(of(9, 3).is_err());
    }

    #[test]
    fn all_parameters_and_the_similarities_get_a_gradient() {
        let comparator = comparator();
        let values = (0..90).map(|i| (i as f32).sin()).collect();
        let similarities = ops::to_tensor(&Cpu::default(), values, (1usize, 9usize, 10usize)).unwrap();
        let gradients = SumTo::sum::<(), _>(comparator.forward(similarities.leaky_trace()).unwrap()).backward();
        let some = |values: Vec<f32>| values.iter().any(|value| *value != 0.0);
        assert!(some(gradients.get(&similarities).as_vec()) && some(gradients.get(&comparator.conv1.weight).as_vec()));
        assert!(some(gradients.get(&comparator.fconv.bias.unwrap().bias).as_vec()));
    }
}
