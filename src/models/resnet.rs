//! ResNet-50 (He et al. 2016) as torchvision has it, to compute features of pictures.

use dfdx::prelude::{Axis, Const, Dim, HasShape, Tensor};
use rand::Rng;

use crate::blocks::{
    BatchNorm1d, BatchNorm1dConfig, ChannelBias, Config, Conv2d, Conv2dConfig, Linear, LinearConfig, Parameters,
};
use crate::ops::{self, Border, Conv2dSteps, OpError, OpsDevice, PoolSteps, Reduction};

type Convolution<D> = Conv2d<usize, usize, D>;
type Maps<B, D> = Tensor<(B, usize, usize, usize), f32, D>;

/// Channels of the first convolution.
const STEM: usize = 64;

/// A block's output has this many times the channels of its middle.
const EXPANSION: usize = 4;

/// Blocks, channels of their middle and stride of the first, for every stage.
const STAGES: [(usize, usize, usize); 4] = [(3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2)];

fn convolution(inputs: usize, outputs: usize, kernel: usize, stride: usize) -> Conv2dConfig<usize, usize> {
    let steps = Conv2dSteps { stride, padding: kernel / 2, border: Border::Zeros };
    Conv2dConfig { inputs, outputs, kernel, steps, bias: false }
}

/// A convolution's configuration and that of the batch norm behind it.
type Normed = (Conv2dConfig<usize, usize>, BatchNorm1dConfig<usize>);

fn normed(inputs: usize, outputs: usize, kernel: usize, stride: usize) -> Normed {
    (convolution(inputs, outputs, kernel, stride), BatchNorm1dConfig::new(outputs))
}

fn build<D: OpsDevice>(
    (convolution, norm): Normed,
    device: &D,
    rng: &mut impl Rng,
) -> Result<(Convolution<D>, BatchNorm1d<usize, D>), OpError> {
    Ok((convolution.build(device, rng)?, norm.build(device, rng)?))
}

/// Describes a [`Bottleneck`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BottleneckConfig {
    /// Channels of its input.
    pub inputs: usize,
    /// Channels of its middle; its output has four times as many.
    pub planes: usize,
    /// Of the middle convolution and the shortcut.
    pub stride: usize,
}

impl BottleneckConfig {
    fn outputs(self) -> usize {
        EXPANSION * self.planes
    }

    fn convolutions(self) -> [Normed; 3] {
        let Self { inputs, planes, stride } = self;
        [normed(inputs, planes, 1, 1), normed(planes, planes, 3, stride), normed(planes, self.outputs(), 1, 1)]
    }

    /// Where the shortcut is not the input itself.
    fn downsample(self) -> Option<Normed> {
        let same = self.stride == 1 && self.inputs == self.outputs();
        (!same).then(|| normed(self.inputs, self.outputs(), 1, self.stride))
    }
}

/// 1 x 1, 3 x 3 (which has the stride) and 1 x 1 convolution, a batch norm behind each, ReLU behind the first two; plus the shortcut; ReLU.
#[derive(Debug, Clone)]
pub struct Bottleneck<D: OpsDevice> {
    /// To the middle.
    pub conv1: Convolution<D>,
    /// Behind it.
    pub bn1: BatchNorm1d<usize, D>,
    /// In the middle.
    pub conv2: Convolution<D>,
    /// Behind it.
    pub bn2: BatchNorm1d<usize, D>,
    /// From the middle.
    pub conv3: Convolution<D>,
    /// Behind it.
    pub bn3: BatchNorm1d<usize, D>,
    /// The shortcut, where it is not the input itself.
    pub downsample: Option<Downsample<D>>,
}

/// A shortcut that changes sizes.
#[derive(Debug, Clone)]
pub struct Downsample<D: OpsDevice> {
    /// 1 x 1, with the stride of its block.
    pub convolution: Convolution<D>,
    /// Behind it.
    pub norm: BatchNorm1d<usize, D>,
}

impl<D: OpsDevice> Parameters<D> for Downsample<D> {
    crate::visit_fields! { D; convolution: module = "0", norm: module = "1" }
}

impl<D: OpsDevice> Parameters<D> for Bottleneck<D> {
    crate::visit_fields! {
        D;
        conv1: module, bn1: module, conv2: module, bn2: module, conv3: module, bn3: module, downsample: module,
    }
}

fn count<D: OpsDevice>((convolution, norm): Normed) -> usize {
    Config::<D>::num_parameters(&convolution) + Config::<D>::num_parameters(&norm)
}

impl<D: OpsDevice> Config<D> for BottleneckConfig {
    type Built = Bottleneck<D>;

    fn num_parameters(&self) -> usize {
        self.convolutions().into_iter().chain(self.downsample()).map(count::<D>).sum()
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let [first, second, third] = self.convolutions();
        let (conv1, bn1) = build(first, device, rng)?;
        let (conv2, bn2) = build(second, device, rng)?;
        let (conv3, bn3) = build(third, device, rng)?;
        let downsample = match self.downsample() {
            Some(shortcut) => {
                let (convolution, norm) = build(shortcut, device, rng)?;
                Some(Downsample { convolution, norm })
            }
            None => None,
        };
        Ok(Bottleneck { conv1, bn1, conv2, bn2, conv3, bn3, downsample })
    }
}

/// Describes a [`ResNet50`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResNet50Config;

impl ResNet50Config {
    /// The blocks of every stage.
    fn stages() -> [Vec<BottleneckConfig>; 4] {
        let mut inputs = STEM;
        STAGES.map(|(blocks, planes, first)| {
            let block = |i| {
                let stride = if i == 0 { first } else { 1 };
                let config = BottleneckConfig { inputs, planes, stride };
                inputs = config.outputs();
                config
            };
            (0..blocks).map(block).collect()
        })
    }
}

/// The parameters of ResNet-50 under torchvision's names (`conv1.weight`, `bn1.running_var`, `layer3.5.bn2.bias`, `layer1.0.downsample.1.weight`,
/// `fc.weight`). [`ResNet50::folded`] is the network that runs.
///
/// Checkpoints from before PyTorch 0.4.1, torchvision's first among them, have no `num_batches_tracked`; loading reports those as missing, and
/// nothing here reads them.
#[derive(Debug, Clone)]
pub struct ResNet50<D: OpsDevice> {
    /// 7 x 7, stride 2.
    pub conv1: Convolution<D>,
    /// Behind it.
    pub bn1: BatchNorm1d<usize, D>,
    /// Three blocks of 256 channels.
    pub layer1: Vec<Bottleneck<D>>,
    /// Four of 512.
    pub layer2: Vec<Bottleneck<D>>,
    /// Six of 1024.
    pub layer3: Vec<Bottleneck<D>>,
    /// Three of 2048.
    pub layer4: Vec<Bottleneck<D>>,
    /// To the classes of ImageNet.
    pub fc: Linear<Const<2048>, Const<1000>, D>,
}

impl<D: OpsDevice> Parameters<D> for ResNet50<D> {
    crate::visit_fields! {
        D;
        conv1: module, bn1: module, layer1: module, layer2: module, layer3: module, layer4: module, fc: module,
    }
}

const HEAD: LinearConfig<Const<2048>, Const<1000>> = LinearConfig { inputs: Const, outputs: Const };

impl<D: OpsDevice> Config<D> for ResNet50Config {
    type Built = ResNet50<D>;

    fn num_parameters(&self) -> usize {
        let blocks = Self::stages().into_iter().flatten();
        let blocks: usize = blocks.map(|block| Config::<D>::num_parameters(&block)).sum();
        count::<D>(normed(3, STEM, 7, 2)) + blocks + Config::<D>::num_parameters(&HEAD)
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        let (conv1, bn1) = build(normed(3, STEM, 7, 2), device, rng)?;
        let mut layer = |blocks: Vec<BottleneckConfig>| {
            blocks.iter().map(|block| block.build(device, rng)).collect::<Result<Vec<_>, OpError>>()
        };
        let [first, second, third, fourth] = Self::stages();
        let (layer1, layer2, layer3, layer4) = (layer(first)?, layer(second)?, layer(third)?, layer(fourth)?);
        Ok(ResNet50 { conv1, bn1, layer1, layer2, layer3, layer4, fc: HEAD.build(device, rng)? })
    }
}

/// A convolution that does what one and the batch norm behind it do in evaluation: `W' = scale · W`, `b' = shift`.
fn fold<D: OpsDevice>(convolution: &Convolution<D>, norm: &BatchNorm1d<usize, D>) -> Result<Convolution<D>, OpError> {
    let (scale, shift) = norm.scale_and_shift()?;
    let (shape, device) = (*convolution.weight.shape(), convolution.weight.device());
    let mut weight = ops::to_vec(&convolution.weight)?;
    let of_output = weight.len() / shape.0.max(1);
    for (values, scale) in weight.chunks_exact_mut(of_output.max(1)).zip(scale) {
        values.iter_mut().for_each(|value| *value = (f64::from(*value) * scale) as f32);
    }
    let shift = shift.into_iter().map(|value| value as f32).collect();
    let bias = Some(ChannelBias { bias: ops::to_tensor(device, shift, (shape.0,))? });
    Ok(Conv2d { weight: ops::to_tensor(device, weight, shape)?, bias, steps: convolution.steps })
}

impl<D: OpsDevice> ResNet50<D> {
    /// The network in evaluation, with every batch norm folded into the convolution before it.
    ///
    /// # Errors
    /// [`OpError::Device`]; [`OpError::Shape`] for parameters of other sizes than they were built with.
    pub fn folded(&self) -> Result<FoldedResNet50<D>, OpError> {
        let block = |block: &Bottleneck<D>| {
            let shortcut = block.downsample.as_ref().map(|shortcut| fold(&shortcut.convolution, &shortcut.norm));
            Ok(FoldedBottleneck {
                conv1: fold(&block.conv1, &block.bn1)?,
                conv2: fold(&block.conv2, &block.bn2)?,
                conv3: fold(&block.conv3, &block.bn3)?,
                downsample: shortcut.transpose()?,
            })
        };
        let layer = |blocks: &[Bottleneck<D>]| blocks.iter().map(block).collect::<Result<Vec<_>, OpError>>();
        Ok(FoldedResNet50 {
            conv1: fold(&self.conv1, &self.bn1)?,
            layer1: layer(&self.layer1)?,
            layer2: layer(&self.layer2)?,
            layer3: layer(&self.layer3)?,
            layer4: layer(&self.layer4)?,
            fc: self.fc.clone(),
        })
    }
}

/// A [`Bottleneck`] without batch norms.
#[derive(Debug, Clone)]
pub struct FoldedBottleneck<D: OpsDevice> {
    /// To the middle.
    pub conv1: Convolution<D>,
    /// In the middle.
    pub conv2: Convolution<D>,
    /// From the middle.
    pub conv3: Convolution<D>,
    /// The shortcut, where it is not the input itself.
    pub downsample: Option<Convolution<D>>,
}

impl<D: OpsDevice> FoldedBottleneck<D> {
    /// # Shapes
    /// `(B, inputs, H, W)` to `(B, outputs, ⌈H / stride⌉, ⌈W / stride⌉)`.
    ///
    /// # Errors
    /// [`OpError`] for maps that do not fit.
    pub fn forward<B: Dim>(&self, x: Maps<B, D>) -> Result<Maps<B, D>, OpError> {
        let h = ops::relu(self.conv1.forward(x.clone())?)?;
        let h = self.conv3.forward(ops::relu(self.conv2.forward(h)?)?)?;
        let shortcut = match &self.downsample {
            Some(convolution) => convolution.forward(x)?,
            None => x,
        };
        ops::relu(ops::add(h, shortcut)?)
    }
}

/// ResNet-50 in evaluation.
#[derive(Debug, Clone)]
pub struct FoldedResNet50<D: OpsDevice> {
    /// 7 x 7, stride 2.
    pub conv1: Convolution<D>,
    /// Three blocks of 256 channels.
    pub layer1: Vec<FoldedBottleneck<D>>,
    /// Four of 512.
    pub layer2: Vec<FoldedBottleneck<D>>,
    /// Six of 1024.
    pub layer3: Vec<FoldedBottleneck<D>>,
    /// Three of 2048.
    pub layer4: Vec<FoldedBottleneck<D>>,
    /// To the classes of ImageNet.
    pub fc: Linear<Const<2048>, Const<1000>, D>,
}

/// The outputs of the four stages, each after its last ReLU.
#[derive(Debug, Clone)]
pub struct StageMaps<B: Dim, D: OpsDevice> {
    /// At a quarter of the picture's size.
    pub layer1: Tensor<(B, Const<256>, usize, usize), f32, D>,
    /// At an eighth.
    pub layer2: Tensor<(B, Const<512>, usize, usize), f32, D>,
    /// At a sixteenth.
    pub layer3: Tensor<(B, Const<1024>, usize, usize), f32, D>,
    /// At a thirty-second.
    pub layer4: Tensor<(B, Const<2048>, usize, usize), f32, D>,
}

fn stage<B: Dim, D: OpsDevice>(blocks: &[FoldedBottleneck<D>], x: Maps<B, D>) -> Result<Maps<B, D>, OpError> {
    blocks.iter().try_fold(x, |x, block| block.forward(x))
}

/// The number of channels, in the type.
fn typed<B: Dim, C: Dim + Default, D: OpsDevice>(
    x: Maps<B, D>,
) -> Result<Tensor<(B, C, usize, usize), f32, D>, OpError> {
    let (batch, _, height, width) = *x.shape();
    ops::reshape(x, (batch, C::default(), height, width))
}

impl<D: OpsDevice> FoldedResNet50<D> {
    /// What the first stage gets: convolution, ReLU, maxima of 3 x 3.
    ///
    /// # Shapes
    /// `(B, 3, H, W)` to `(B, 64, ⌈⌈H/2⌉/2⌉, ⌈⌈W/2⌉/2⌉)`.
    ///
    /// # Errors
    /// [`OpError::TooFew`] for pictures without a pixel.
    pub fn stem<B: Dim, H: Dim, W: Dim>(
        &self,
        pictures: Tensor<(B, Const<3>, H, W), f32, D>,
    ) -> Result<Maps<B, D>, OpError> {
        let (batch, channels, height, width) = *pictures.shape();
        let pictures = ops::reshape(pictures, (batch, channels.size(), height.size(), width.size()))?;
        let pool = PoolSteps { kernel: 3, stride: 2, padding: 1 };
        ops::max_pool2d(ops::relu(self.conv1.forward(pictures)?)?, pool)
    }

    /// The maps of the four stages.
    ///
    /// Memory is that of the largest maps, about 10 MiB for each picture of 224 x 224; give it some at a time.
    ///
    /// # Shapes
    /// `pictures`: `(B, 3, H, W)`, normalised as [`Transform::IMAGENET`](crate::vision::Transform::IMAGENET) does.
    ///
    /// # Errors
    /// [`OpError::TooFew`] for pictures without a pixel.
    pub fn stages<B: Dim, H: Dim, W: Dim>(
        &self,
        pictures: Tensor<(B, Const<3>, H, W), f32, D>,
    ) -> Result<StageMaps<B, D>, OpError> {
        let first = stage(&self.layer1, self.stem(pictures)?)?;
        let second = stage(&self.layer2, first.clone())?;
        let third = stage(&self.layer3, second.clone())?;
        let fourth = stage(&self.layer4, third.clone())?;
        Ok(StageMaps { layer1: typed(first)?, layer2: typed(second)?, layer3: typed(third)?, layer4: typed(fourth)? })
    }

    /// The scores of ImageNet's classes.
    ///
    /// # Shapes
    /// `(B, 3, H, W)` to `(B, 1000)`.
    ///
    /// # Errors
    /// As [`FoldedResNet50::stages`].
    pub fn forward<B: Dim, H: Dim, W: Dim>(
        &self,
        pictures: Tensor<(B, Const<3>, H, W), f32, D>,
    ) -> Result<Tensor<(B, Const<1000>), f32, D>, OpError> {
        let maps = self.stages(pictures)?.layer4;
        let (batch, channels, height, width) = *maps.shape();
        let positions = ops::reshape(maps, (batch, channels, height * width))?;
        self.fc.forward(ops::reduce(positions, Axis::<2>, Reduction::Mean)?)
    }
}
