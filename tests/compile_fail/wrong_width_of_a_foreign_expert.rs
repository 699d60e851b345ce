//! An expert of one's own kind declares 512 values per frame and is given 128.

use coembed::blocks::experts::{ExpertFeatures, ExpertKind, sequence};
use coembed::blocks::{FrameStatistic, Frames, Phase, Pooled, pool_frames};
use coembed::ops::{LayerTape, OpError, OpsDevice};
use coembed::prelude::{Const, Cpu, Dim, NoneTape, Tensor};

struct Loudest<const W: usize>;

impl<const W: usize> ExpertKind for Loudest<W> {
    type Features<B: Dim, D: OpsDevice, T: LayerTape<D>> = Frames<B, Const<W>, D, T>;
    type Pooling<D: OpsDevice> = ();

    fn pooled_width() -> usize {
        W
    }

    fn num_parameters<D: OpsDevice>() -> usize {
        0
    }

    fn build<D: OpsDevice>(_: &D, _: &mut impl rand::Rng) -> Result<(), OpError> {
        Ok(())
    }

    fn features<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        read: ExpertFeatures<B, D, T>,
    ) -> Result<Self::Features<B, D, T>, OpError> {
        sequence(read, Const)
    }

    fn pool<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        _: &(),
        frames: Self::Features<B, D, T>,
        _: Phase,
    ) -> Result<Pooled<B, D, T>, OpError> {
        pool_frames(frames, &[FrameStatistic::Max])
    }
}

coembed::experts! {
    pub Sounds, features SoundFeatures, pooling SoundPooling { speech: Loudest<512> }
}

fn features(frames: Tensor<(usize, usize, Const<128>), f32, Cpu>) -> SoundFeatures<usize, Cpu, NoneTape> {
    SoundFeatures { speech: Frames::complete(frames) }
}

fn main() {}
