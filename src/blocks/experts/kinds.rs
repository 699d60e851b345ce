use std::fmt::Debug;
use std::marker::PhantomData;

use dfdx::prelude::{Const, Dim, HasShape, Tensor};
use rand::Rng;

use super::{ExpertFeatures, sequence, vector};
use crate::blocks::{self, Config, FrameStatistic, Frames, NetVladConfig, Parameters, Phase, Pooled, pool_frames};
use crate::ops::{self, LayerTape, OpError, OpsDevice};

/// A way to make one vector of an expert's features: what stands on the right in [`experts!`](crate::experts).
///
/// A kind of one's own implements [`PoolingKind`](super::PoolingKind), which serves configurations too, and stands here as
/// [`Sequence`](super::Sequence); or it implements this trait, where its features have a type of their own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no kind of expert",
    label = "not a kind of expert",
    note = "kinds are in `blocks::experts`: `Vector<W>`, `NetVladFrames<W, K>`, `PooledFrames<W, S>`, `Sequence<W, ..>`",
    note = "a kind of one's own implements `PoolingKind` (in `Sequence<W, ..>`) or `ExpertKind`"
)]
pub trait ExpertKind: 'static {
    /// The features of a batch.
    type Features<B: Dim, D: OpsDevice, T: LayerTape<D>>;
    /// The block that pools them.
    type Pooling<D: OpsDevice>: Parameters<D> + Debug;

    /// Width of the pooled vector.
    fn pooled_width() -> usize;

    /// Width of the embedding where experts have no common space: that of the features, by default taken for that of the pooled vector.
    fn own_width() -> usize {
        Self::pooled_width()
    }

    /// Number of trained values.
    fn num_parameters<D: OpsDevice>() -> usize;

    /// Builds the block.
    ///
    /// # Errors
    /// As [`Config::build`].
    fn build<D: OpsDevice>(device: &D, rng: &mut impl Rng) -> Result<Self::Pooling<D>, OpError>;

    /// Features of a batch that were read, as this kind takes them: [`vector`](super::vector) or [`sequence`](super::sequence).
    ///
    /// # Errors
    /// [`OpError`] when they have another width or are of the other form.
    fn features<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        read: ExpertFeatures<B, D, T>,
    ) -> Result<Self::Features<B, D, T>, OpError>;

    /// Features to vectors.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time sizes disagree, [`OpError::TooFew`] for a batch norm over fewer than two rows in training.
    fn pool<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        pooling: &Self::Pooling<D>,
        features: Self::Features<B, D, T>,
        phase: Phase,
    ) -> Result<Pooled<B, D, T>, OpError>;
}

/// One vector of width `W` per video: features that were pooled when they were extracted.
#[derive(Debug, Clone, Copy)]
pub struct Vector<const W: usize>;

impl<const W: usize> ExpertKind for Vector<W> {
    type Features<B: Dim, D: OpsDevice, T: LayerTape<D>> = Tensor<(B, Const<W>), f32, D, T>;
    type Pooling<D: OpsDevice> = ();

    fn pooled_width() -> usize {
        W
    }

    fn num_parameters<D: OpsDevice>() -> usize {
        0
    }

    fn build<D: OpsDevice>(_: &D, _: &mut impl Rng) -> Result<(), OpError> {
        Ok(())
    }

    fn pool<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        (): &(),
        features: Self::Features<B, D, T>,
        _: Phase,
    ) -> Result<Pooled<B, D, T>, OpError> {
        let batch = features.shape().0;
        Ok(Pooled::Data(ops::reshape(features, (batch, W))?))
    }

    fn features<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        read: ExpertFeatures<B, D, T>,
    ) -> Result<Self::Features<B, D, T>, OpError> {
        vector(read, Const)
    }
}

/// A sequence of descriptors of width `W`, pooled by [`NetVlad`](crate::blocks::NetVlad) with `K` clusters. Zero padding counts, as published:
/// the features have no mask. [`Sequence`](super::Sequence)`<W, `[`MaskedNetVlad`](super::MaskedNetVlad)`<K>>` leaves padding out.
#[derive(Debug, Clone, Copy)]
pub struct NetVladFrames<const W: usize, const K: usize>;

impl<const W: usize, const K: usize> ExpertKind for NetVladFrames<W, K> {
    type Features<B: Dim, D: OpsDevice, T: LayerTape<D>> = Tensor<(B, usize, Const<W>), f32, D, T>;
    type Pooling<D: OpsDevice> = blocks::NetVlad<Const<W>, D>;

    fn pooled_width() -> usize {
        W * K
    }

    fn own_width() -> usize {
        W
    }

    fn num_parameters<D: OpsDevice>() -> usize {
        Config::<D>::num_parameters(&NetVladConfig::new(Const::<W>, K))
    }

    fn build<D: OpsDevice>(device: &D, rng: &mut impl Rng) -> Result<Self::Pooling<D>, OpError> {
        NetVladConfig::new(Const::<W>, K).build(device, rng)
    }

    fn pool<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        pooling: &Self::Pooling<D>,
        features: Self::Features<B, D, T>,
        phase: Phase,
    ) -> Result<Pooled<B, D, T>, OpError> {
        Ok(Pooled::Computed(pooling.forward(features, phase)?))
    }

    fn features<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        read: ExpertFeatures<B, D, T>,
    ) -> Result<Self::Features<B, D, T>, OpError> {
        Ok(sequence(read, Const)?.into_unmasked())
    }
}

/// Statistics as a type: [`Mean`], [`Max`], [`Std`], [`Entropy`], and tuples of them.
pub trait Statistics: 'static + Debug {
    /// In order.
    const LIST: &'static [FrameStatistic];
}

macro_rules! statistic {
    ($($name:ident),*) => {
        $(
            #[doc = concat!("See [`FrameStatistic::", stringify!($name), "`].")]
            #[derive(Debug, Clone, Copy)]
            pub struct $name;

            impl Statistics for $name {
                const LIST: &'static [FrameStatistic] = &[FrameStatistic::$name];
            }
        )*
    };
}

statistic!(Mean, Max, Std, Entropy);

macro_rules! statistics {
    ($($name:ident),*) => {
        impl<$($name: Statistics),*> Statistics for ($($name,)*) {
            // One of each: a tuple of tuples counts the first of every part.
            const LIST: &'static [FrameStatistic] = &[$($name::LIST[0]),*];
        }
    };
}

statistics!(A, B);
statistics!(A, B, C);
statistics!(A, B, C, E);

/// Frames of width `W`, pooled by statistics: `PooledFrames<2048, (Mean, Max)>`.
#[derive(Debug, Clone, Copy)]
pub struct PooledFrames<const W: usize, S>(PhantomData<S>);

impl<const W: usize, S: Statistics> ExpertKind for PooledFrames<W, S> {
    type Features<B: Dim, D: OpsDevice, T: LayerTape<D>> = Frames<B, Const<W>, D, T>;
    type Pooling<D: OpsDevice> = ();

    fn pooled_width() -> usize {
        W * S::LIST.len()
    }

    fn num_parameters<D: OpsDevice>() -> usize {
        0
    }

    fn build<D: OpsDevice>(_: &D, _: &mut impl Rng) -> Result<(), OpError> {
        Ok(())
    }

    fn pool<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        (): &(),
        features: Self::Features<B, D, T>,
        _: Phase,
    ) -> Result<Pooled<B, D, T>, OpError> {
        pool_frames(features, S::LIST)
    }

    fn features<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        read: ExpertFeatures<B, D, T>,
    ) -> Result<Self::Features<B, D, T>, OpError> {
        // Frames as wide as one statistic.
        sequence(read, Const)
    }
}
