use std::fmt::Debug;
use std::marker::PhantomData;

use dfdx::prelude::{Const, Dim, HasShape};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{ExpertFeatures, ExpertKind, sequence};
use crate::blocks::{self, Config, FrameStatistic, Frames, NetVladConfig, Parameters, Phase, Pooled, pool_frames};
use crate::ops::{self, LayerTape, OpError, OpsDevice};

/// How the features of an expert become one vector, described by a value: the options of a block that pools features of any width.
///
/// It is what a kind of one's own implements, once for both ways to a set: an [`ExpertList`](super::ExpertList) takes it through
/// [`expert_kinds!`](crate::expert_kinds), at widths that a configuration gives (derive `Serialize` and `Deserialize` for that);
/// [`experts!`](crate::experts) takes it as [`Sequence`], at widths that the type gives.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not describe how features are pooled",
    label = "does not implement `PoolingKind`"
)]
pub trait PoolingKind: Clone + Debug + 'static {
    /// The block, for features of width `W`.
    type Block<W: Dim, D: OpsDevice>: Parameters<D> + Debug;

    /// Width of the pooled vector; by default that of the features.
    fn pooled_width(&self, width: usize) -> usize {
        width
    }

    /// Width of the embedding where experts have no common space; by default that of the features.
    fn own_width(&self, width: usize) -> usize {
        width
    }

    /// Number of trained values for features of a width.
    fn num_parameters<D: OpsDevice>(&self, width: usize) -> usize;

    /// Builds the block.
    ///
    /// # Errors
    /// As [`Config::build`].
    fn build<W: Dim, D: OpsDevice>(
        &self,
        width: W,
        device: &D,
        rng: &mut impl Rng,
    ) -> Result<Self::Block<W, D>, OpError>;

    /// Features to vectors. What they have too few of, or not the form for, is an error: see [`ExpertFeatures::into_sequence`].
    ///
    /// # Shapes
    /// `(B, W)` or `(B, N, W)` to `(B, pooled width)`.
    ///
    /// # Errors
    /// [`OpError::Form`] for features of another form, [`OpError::Shape`] when run-time sizes disagree.
    fn pool<B: Dim, W: Dim, D: OpsDevice, T: LayerTape<D>>(
        block: &Self::Block<W, D>,
        features: ExpertFeatures<B, D, T, W>,
        phase: Phase,
    ) -> Result<Pooled<B, D, T>, OpError>;
}

/// The kinds that published configurations name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pooling {
    /// It is one vector.
    None,
    /// [`NetVlad`](crate::blocks::NetVlad) over a sequence, with batch norm and without ghosts. Padding counts, as published.
    NetVlad {
        /// Number of clusters.
        clusters: usize,
    },
    /// The same over the frames that are there: see [`NetVlad::forward_masked`](crate::blocks::NetVlad::forward_masked).
    MaskedNetVlad {
        /// Number of clusters.
        clusters: usize,
    },
    /// Statistics over frames, side by side.
    Frames(Vec<FrameStatistic>),
}

/// What a [`Pooling`] describes.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)]
pub enum PublishedPooling<W: Dim, D: OpsDevice> {
    /// See [`Pooling::None`].
    None,
    /// See [`Pooling::NetVlad`].
    NetVlad(blocks::NetVlad<W, D>),
    /// See [`Pooling::MaskedNetVlad`].
    MaskedNetVlad(blocks::NetVlad<W, D>),
    /// See [`Pooling::Frames`].
    Frames(Vec<FrameStatistic>),
}

impl<W: Dim, D: OpsDevice> Parameters<D> for PublishedPooling<W, D> {
    crate::visit_variants! { D; None, NetVlad(net_vlad: flat), MaskedNetVlad(net_vlad: flat), Frames {} }
}

impl PoolingKind for Pooling {
    type Block<W: Dim, D: OpsDevice> = PublishedPooling<W, D>;

    fn pooled_width(&self, width: usize) -> usize {
        match self {
            Self::None => width,
            Self::NetVlad { clusters } | Self::MaskedNetVlad { clusters } => width * clusters,
            Self::Frames(statistics) => width * statistics.len(),
        }
    }

    fn own_width(&self, width: usize) -> usize {
        match self {
            Self::None | Self::NetVlad { .. } | Self::MaskedNetVlad { .. } => width,
            Self::Frames(statistics) => width * statistics.len(),
        }
    }

    fn num_parameters<D: OpsDevice>(&self, width: usize) -> usize {
        match self {
            Self::NetVlad { clusters } | Self::MaskedNetVlad { clusters } => {
                Config::<D>::num_parameters(&NetVladConfig::new(width, *clusters))
            }
            Self::None | Self::Frames(_) => 0,
        }
    }

    fn build<W: Dim, D: OpsDevice>(
        &self,
        width: W,
        device: &D,
        rng: &mut impl Rng,
    ) -> Result<PublishedPooling<W, D>, OpError> {
        let mut net_vlad = |clusters| NetVladConfig::new(width, clusters).build(device, rng);
        Ok(match self {
            Self::None => PublishedPooling::None,
            Self::NetVlad { clusters } => PublishedPooling::NetVlad(net_vlad(*clusters)?),
            Self::MaskedNetVlad { clusters } => PublishedPooling::MaskedNetVlad(net_vlad(*clusters)?),
            Self::Frames(statistics) => PublishedPooling::Frames(statistics.clone()),
        })
    }

    fn pool<B: Dim, W: Dim, D: OpsDevice, T: LayerTape<D>>(
        block: &PublishedPooling<W, D>,
        features: ExpertFeatures<B, D, T, W>,
        phase: Phase,
    ) -> Result<Pooled<B, D, T>, OpError> {
        match block {
            PublishedPooling::None => {
                let x = features.into_vector()?;
                let (batch, width) = *x.shape();
                Ok(Pooled::Data(ops::reshape(x, (batch, width.size()))?))
            }
            PublishedPooling::NetVlad(net_vlad) => {
                Ok(Pooled::Computed(net_vlad.forward(features.into_sequence()?.into_unmasked(), phase)?))
            }
            PublishedPooling::MaskedNetVlad(net_vlad) => {
                Ok(Pooled::Computed(net_vlad.forward_masked(features.into_sequence()?, phase)?))
            }
            PublishedPooling::Frames(statistics) => pool_frames(features.into_sequence()?, statistics),
        }
    }
}

/// A [`PoolingKind`] whose options are constants: what [`Sequence`] takes.
///
/// ```
/// use coembed::blocks::experts::{ConstKind, ExpertSet, Pooling, Sequence, Vector};
///
/// #[derive(Debug)]
/// struct Clusters<const K: usize>;
///
/// impl<const K: usize> ConstKind for Clusters<K> {
///     type Kind = Pooling;
///     const KIND: Pooling = Pooling::NetVlad { clusters: K };
/// }
///
/// coembed::experts! {
///     Two, features TwoFeatures, pooling TwoPooling { audio: Sequence<128, Clusters<16>>, rgb: Vector<2048> }
/// }
/// assert_eq!(Two.experts()[0].pooled_width, 2048);
/// ```
pub trait ConstKind: 'static {
    /// The kind.
    type Kind: PoolingKind;
    /// Its options.
    const KIND: Self::Kind;
}

/// [`Pooling::MaskedNetVlad`] with `K` clusters: `Sequence<W, MaskedNetVlad<K>>`.
#[derive(Debug, Clone, Copy)]
pub struct MaskedNetVlad<const K: usize>;

impl<const K: usize> ConstKind for MaskedNetVlad<K> {
    type Kind = Pooling;
    const KIND: Pooling = Pooling::MaskedNetVlad { clusters: K };
}

/// A sequence of descriptors of width `W` with its mask, pooled as `C` says.
#[derive(Debug, Clone, Copy)]
pub struct Sequence<const W: usize, C>(PhantomData<C>);

impl<const W: usize, C: ConstKind> ExpertKind for Sequence<W, C> {
    type Features<B: Dim, D: OpsDevice, T: LayerTape<D>> = Frames<B, Const<W>, D, T>;
    type Pooling<D: OpsDevice> = <C::Kind as PoolingKind>::Block<Const<W>, D>;

    fn pooled_width() -> usize {
        C::KIND.pooled_width(W)
    }

    fn own_width() -> usize {
        C::KIND.own_width(W)
    }

    fn num_parameters<D: OpsDevice>() -> usize {
        C::KIND.num_parameters::<D>(W)
    }

    fn build<D: OpsDevice>(device: &D, rng: &mut impl Rng) -> Result<Self::Pooling<D>, OpError> {
        C::KIND.build(Const::<W>, device, rng)
    }

    fn features<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        read: ExpertFeatures<B, D, T>,
    ) -> Result<Self::Features<B, D, T>, OpError> {
        sequence(read, Const)
    }

    fn pool<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        pooling: &Self::Pooling<D>,
        features: Self::Features<B, D, T>,
        phase: Phase,
    ) -> Result<Pooled<B, D, T>, OpError> {
        <C::Kind as PoolingKind>::pool(pooling, ExpertFeatures::Sequence(features), phase)
    }
}
