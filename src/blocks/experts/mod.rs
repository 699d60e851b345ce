//! Sets of experts: declared with [`experts!`](crate::experts), or read from a configuration ([`ExpertList`]).

use std::fmt::Debug;
use std::marker::PhantomData;

use dfdx::prelude::{Const, Dim, HasShape, ReshapeTo, Tensor};
#[doc(hidden)]
pub use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{Config, FrameStatistic, Frames, NetVladConfig, Parameters, Path, Phase, Visitor, VisitorMut, pool_frames};
use crate::ops::{LayerTape, OpError, OpsDevice, check_size, device_error};

/// What a model needs to know of an expert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpertInfo {
    /// Its name in checkpoints and files.
    pub name: String,
    /// Width of its pooled vector.
    pub pooled_width: usize,
    /// Width of its embedding where experts have no common space (MoEE): that of its features.
    pub own_width: usize,
}

/// The features of one expert as one vector per video.
///
/// # Shapes
/// `(B, pooled width)`.
#[derive(Debug)]
pub enum Pooled<B: Dim, D: OpsDevice, T: LayerTape<D>> {
    /// Still the features themselves.
    Data(Tensor<(B, usize), f32, D, T>),
    /// Computed by layers.
    Computed(Tensor<(B, usize), f32, D, T::Output>),
}

impl<B: Dim, D: OpsDevice, T: LayerTape<D>> Pooled<B, D, T> {
    /// Batch and width.
    pub fn shape(&self) -> (B, usize) {
        match self {
            Self::Data(x) => *x.shape(),
            Self::Computed(x) => *x.shape(),
        }
    }
}

/// A way to make one vector of an expert's features: what stands on the right in [`experts!`](crate::experts).
///
/// Implement it for a kind of expert of your own.
pub trait ExpertKind: 'static {
    /// The features of a batch.
    type Features<B: Dim, D: OpsDevice, T: LayerTape<D>>;
    /// The block that pools them.
    type Pooling<D: OpsDevice>: Parameters<D> + Debug;
    /// Width of the pooled vector.
    const POOLED_WIDTH: usize;
    /// Width of the features.
    const WIDTH: usize;

    /// Number of trained values.
    fn num_parameters<D: OpsDevice>() -> usize;

    /// Builds the block.
    ///
    /// # Errors
    /// As [`Config::build`].
    fn build<D: OpsDevice>(device: &D, rng: &mut impl Rng) -> Result<Self::Pooling<D>, OpError>;

    /// Features of a batch that were read, as this kind takes them: [`vector`] or [`sequence`].
    ///
    /// # Errors
    /// [`OpError`] when they have another width or are of the other form.
    fn features<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        read: ExpertFeatures<B, D, T>,
    ) -> Result<Self::Features<B, D, T>, OpError>;

    /// Features to vectors.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time sizes disagree, [`OpError::Undefined`] for a batch norm over fewer than two rows in training.
    fn pool<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        pooling: &Self::Pooling<D>,
        features: Self::Features<B, D, T>,
        phase: Phase,
    ) -> Result<Pooled<B, D, T>, OpError>;
}

/// A set of experts.
pub trait ExpertSet: Clone + Debug {
    /// The features of all experts for a batch of videos.
    type Features<B: Dim, D: OpsDevice, T: LayerTape<D>>;
    /// The blocks that pool them; their parameters stand under the names of the experts.
    type Pooling<D: OpsDevice>: Parameters<D> + Debug;

    /// The experts, in order.
    fn experts(&self) -> Vec<ExpertInfo>;

    /// Number of trained values of the pooling.
    fn num_parameters<D: OpsDevice>(&self) -> usize;

    /// Builds the pooling.
    ///
    /// # Errors
    /// As [`Config::build`].
    fn build<D: OpsDevice>(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Pooling<D>, OpError>;

    /// Features of a batch that were read, in the order of the experts, as the set takes them.
    ///
    /// # Errors
    /// [`OpError`] when they are not as many, or one has another width or form than its expert.
    fn features<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        &self,
        read: Vec<ExpertFeatures<B, D, T>>,
    ) -> Result<Self::Features<B, D, T>, OpError>;

    /// One vector per video for each expert, in order.
    ///
    /// # Errors
    /// As [`ExpertKind::pool`].
    fn pool<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        pooling: &Self::Pooling<D>,
        features: Self::Features<B, D, T>,
        phase: Phase,
    ) -> Result<Vec<Pooled<B, D, T>>, OpError>;
}

/// Features that are one vector per video, of a width that the type knows.
///
/// # Errors
/// [`OpError`] when they are sequences, or of another width.
pub fn vector<B: Dim, W: Dim, D: OpsDevice, T: LayerTape<D>>(
    read: ExpertFeatures<B, D, T>,
    width: W,
) -> Result<Tensor<(B, W), f32, D, T>, OpError> {
    let ExpertFeatures::Vector(x) = read else { return Err(wrong_form("a sequence where one vector per video is expected")) };
    let (batch, got) = *x.shape();
    check_size("expert", "width of the features", width.size(), got)?;
    x.try_reshape_like(&(batch, width)).map_err(device_error)
}

/// Features that are a sequence per video, of a width that the type knows.
///
/// # Errors
/// [`OpError`] when they are vectors, or of another width.
pub fn sequence<B: Dim, W: Dim, D: OpsDevice, T: LayerTape<D>>(
    read: ExpertFeatures<B, D, T>,
    width: W,
) -> Result<Frames<B, W, D, T>, OpError> {
    let ExpertFeatures::Sequence(x) = read else { return Err(wrong_form("one vector per video where a sequence is expected")) };
    let (batch, steps, got) = *x.frames.shape();
    check_size("expert", "width of the features", width.size(), got)?;
    let frames = x.frames.try_reshape_like(&(batch, steps, width)).map_err(device_error)?;
    Ok(Frames { frames, valid: x.valid })
}

fn wrong_form(reason: &'static str) -> OpError {
    OpError::Undefined { op: "expert", reason }
}

/// One vector of width `W` per video: features that were pooled when they were extracted.
#[derive(Debug, Clone, Copy)]
pub struct Vector<const W: usize>;

impl<const W: usize> ExpertKind for Vector<W> {
    type Features<B: Dim, D: OpsDevice, T: LayerTape<D>> = Tensor<(B, Const<W>), f32, D, T>;
    type Pooling<D: OpsDevice> = ();
    const POOLED_WIDTH: usize = W;
    const WIDTH: usize = W;

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
        Ok(Pooled::Data(features.try_reshape_like(&(batch, W)).map_err(device_error)?))
    }

    fn features<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        read: ExpertFeatures<B, D, T>,
    ) -> Result<Self::Features<B, D, T>, OpError> {
        vector(read, Const)
    }
}

/// A sequence of descriptors of width `W`, pooled by [`NetVlad`](super::NetVlad) with `K` clusters. Zero padding counts, as published.
#[derive(Debug, Clone, Copy)]
pub struct NetVlad<const W: usize, const K: usize>;

impl<const W: usize, const K: usize> ExpertKind for NetVlad<W, K> {
    type Features<B: Dim, D: OpsDevice, T: LayerTape<D>> = Tensor<(B, usize, Const<W>), f32, D, T>;
    type Pooling<D: OpsDevice> = super::NetVlad<Const<W>, D>;
    const POOLED_WIDTH: usize = W * K;
    const WIDTH: usize = W;

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
        Ok(sequence(read, Const)?.frames)
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
    const POOLED_WIDTH: usize = W * S::LIST.len();
    const WIDTH: usize = W * S::LIST.len();

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

/// How an expert of an [`ExpertList`] becomes one vector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pooling {
    /// It is one.
    None,
    /// [`NetVlad`](super::NetVlad) over a sequence, with batch norm and without ghosts.
    NetVlad {
        /// Number of clusters.
        clusters: usize,
    },
    /// Statistics over frames, side by side.
    Frames(Vec<FrameStatistic>),
}

/// An expert that a configuration describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpertConfig {
    /// Its name in checkpoints and files.
    pub name: String,
    /// Width of its features.
    pub width: usize,
    /// How they become one vector.
    pub pooling: Pooling,
    /// Width of its embedding where experts have no common space; by default that of the features, of all statistics together for frames.
    #[serde(default)]
    pub own_width: Option<usize>,
}

impl ExpertConfig {
    fn info(&self) -> ExpertInfo {
        let (pooled_width, own_width) = match &self.pooling {
            Pooling::None => (self.width, self.width),
            Pooling::NetVlad { clusters } => (self.width * clusters, self.width),
            Pooling::Frames(statistics) => (self.width * statistics.len(), self.width * statistics.len()),
        };
        ExpertInfo { name: self.name.clone(), pooled_width, own_width: self.own_width.unwrap_or(own_width) }
    }

    fn net_vlad(&self) -> Option<NetVladConfig<usize>> {
        match self.pooling {
            Pooling::NetVlad { clusters } => Some(NetVladConfig::new(self.width, clusters)),
            _ => None,
        }
    }
}

/// Experts that only a configuration knows: one program for every published one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExpertList(pub Vec<ExpertConfig>);

/// The features of one expert of an [`ExpertList`].
#[derive(Debug)]
pub enum ExpertFeatures<B: Dim, D: OpsDevice, T> {
    /// One vector per video.
    Vector(Tensor<(B, usize), f32, D, T>),
    /// A sequence per video. What is padding matters to statistics, not to NetVLAD.
    Sequence(Frames<B, usize, D, T>),
}

/// One expert's pooling, with what it takes to check features.
#[derive(Debug)]
pub struct ListedPooling<D: OpsDevice> {
    config: ExpertConfig,
    net_vlad: Option<super::NetVlad<usize, D>>,
}

impl<D: OpsDevice> ListedPooling<D> {
    fn pool<B: Dim, T: LayerTape<D>>(
        &self,
        features: ExpertFeatures<B, D, T>,
        phase: Phase,
    ) -> Result<Pooled<B, D, T>, OpError> {
        match (features, &self.net_vlad, &self.config.pooling) {
            (ExpertFeatures::Vector(x), _, Pooling::None) => {
                check_size("expert", "width of the features", self.config.width, x.shape().1)?;
                Ok(Pooled::Data(x))
            }
            (ExpertFeatures::Sequence(x), Some(net_vlad), _) => {
                check_size("expert", "width of the features", self.config.width, x.frames.shape().2)?;
                Ok(Pooled::Computed(net_vlad.forward(x.frames, phase)?))
            }
            (ExpertFeatures::Sequence(x), _, Pooling::Frames(statistics)) => {
                check_size("expert", "width of the features", self.config.width, x.frames.shape().2)?;
                pool_frames(x, statistics)
            }
            (ExpertFeatures::Vector(_), ..) => {
                Err(OpError::Undefined { op: "expert", reason: "one vector per video where a sequence is expected" })
            }
            (ExpertFeatures::Sequence(_), ..) => {
                Err(OpError::Undefined { op: "expert", reason: "a sequence where one vector per video is expected" })
            }
        }
    }
}

/// The poolings of an [`ExpertList`].
#[derive(Debug)]
pub struct ListedPoolings<D: OpsDevice>(Vec<ListedPooling<D>>);

impl<D: OpsDevice> Parameters<D> for ListedPoolings<D> {
    fn visit<V: Visitor<D>>(&self, path: &Path, visitor: &mut V) -> Result<(), V::Error> {
        let mut poolings = self.0.iter();
        poolings.try_for_each(|pooling| pooling.net_vlad.visit(&path.join(&pooling.config.name), visitor))
    }

    fn visit_mut<V: VisitorMut<D>>(&mut self, path: &Path, visitor: &mut V) -> Result<(), V::Error> {
        let mut poolings = self.0.iter_mut();
        poolings.try_for_each(|pooling| pooling.net_vlad.visit_mut(&path.join(&pooling.config.name), visitor))
    }
}

impl ExpertSet for ExpertList {
    type Features<B: Dim, D: OpsDevice, T: LayerTape<D>> = Vec<ExpertFeatures<B, D, T>>;
    type Pooling<D: OpsDevice> = ListedPoolings<D>;

    fn experts(&self) -> Vec<ExpertInfo> {
        self.0.iter().map(ExpertConfig::info).collect()
    }

    fn num_parameters<D: OpsDevice>(&self) -> usize {
        self.0.iter().filter_map(ExpertConfig::net_vlad).map(|config| Config::<D>::num_parameters(&config)).sum()
    }

    fn build<D: OpsDevice>(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Pooling<D>, OpError> {
        let build = |config: &ExpertConfig| {
            let net_vlad = config.net_vlad().map(|net_vlad| net_vlad.build(device, rng)).transpose()?;
            Ok(ListedPooling { config: config.clone(), net_vlad })
        };
        Ok(ListedPoolings(self.0.iter().map(build).collect::<Result<_, OpError>>()?))
    }

    fn features<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        &self,
        read: Vec<ExpertFeatures<B, D, T>>,
    ) -> Result<Self::Features<B, D, T>, OpError> {
        Ok(read)
    }

    fn pool<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        pooling: &Self::Pooling<D>,
        features: Self::Features<B, D, T>,
        phase: Phase,
    ) -> Result<Vec<Pooled<B, D, T>>, OpError> {
        check_size("experts", "number of features", pooling.0.len(), features.len())?;
        pooling.0.iter().zip(features).map(|(pooling, features)| pooling.pool(features, phase)).collect()
    }
}

/// Features handed out one expert after the other.
#[doc(hidden)]
pub struct InOrder<B: Dim, D: OpsDevice, T>(std::vec::IntoIter<ExpertFeatures<B, D, T>>);

impl<B: Dim, D: OpsDevice, T> InOrder<B, D, T> {
    /// An error unless they are as many as experts.
    pub fn new(read: Vec<ExpertFeatures<B, D, T>>, experts: usize) -> Result<Self, OpError> {
        check_size("experts", "number of features", experts, read.len())?;
        Ok(Self(read.into_iter()))
    }

    /// Those of the next.
    pub fn next(&mut self) -> Result<ExpertFeatures<B, D, T>, OpError> {
        self.0.next().ok_or(wrong_form("there are no more features"))
    }
}

/// Declares a set of experts: its type, the features of a batch (a flat struct with one field per expert) and the blocks that pool them.
///
/// Every expert has a kind ([`ExpertKind`]); features of another width than its own do not compile. An expert's name in checkpoints and files
/// is that of the field unless one is given. Published checkpoints of Collaborative Experts number experts in alphabetical order.
///
/// ```
/// use coembed::blocks::experts::{ExpertSet, Max, Mean, NetVlad, PooledFrames, Vector};
///
/// coembed::experts! {
///     /// Three experts.
///     pub Kitchen, features KitchenFeatures, pooling KitchenPooling {
///         audio: NetVlad<128, 16>,
///         rgb: PooledFrames<1024, (Mean, Max)>,
///         scene: Vector<2208> = "scene.densenet161.0",
///     }
/// }
/// let widths: Vec<usize> = Kitchen.experts().iter().map(|expert| expert.pooled_width).collect();
/// assert_eq!(widths, [2048, 2048, 2208]);
/// assert_eq!(Kitchen.experts()[2].name, "scene.densenet161.0");
/// ```
#[macro_export]
macro_rules! experts {
    ($(#[$meta:meta])* $vis:vis $set:ident, features $features:ident, pooling $pooling:ident {
        $($expert:ident: $kind:ty $(= $name:literal)?),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        $vis struct $set;

        #[doc = concat!("Features of the experts of [`", stringify!($set), "`] for a batch of videos.")]
        $vis struct $features<
            B: $crate::prelude::Dim,
            D: $crate::ops::OpsDevice,
            T: $crate::ops::LayerTape<D> = $crate::prelude::NoneTape,
        > {
            $(
                #[doc = concat!("Of the expert `", stringify!($expert), "`.")]
                pub $expert: <$kind as $crate::blocks::experts::ExpertKind>::Features<B, D, T>,
            )+
        }

        #[doc = concat!("The poolings of the experts of [`", stringify!($set), "`].")]
        #[derive(Debug)]
        $vis struct $pooling<D: $crate::ops::OpsDevice> {
            $(
                #[doc = concat!("Of the expert `", stringify!($expert), "`.")]
                pub $expert: <$kind as $crate::blocks::experts::ExpertKind>::Pooling<D>,
            )+
        }

        impl<D: $crate::ops::OpsDevice> $crate::blocks::Parameters<D> for $pooling<D> {
            $crate::visit_fields! { D; $($expert: module $(= $name)?),+ }
        }

        impl $crate::blocks::experts::ExpertSet for $set {
            type Features<B: $crate::prelude::Dim, D: $crate::ops::OpsDevice, T: $crate::ops::LayerTape<D>> =
                $features<B, D, T>;
            type Pooling<D: $crate::ops::OpsDevice> = $pooling<D>;

            fn experts(&self) -> ::std::vec::Vec<$crate::blocks::experts::ExpertInfo> {
                ::std::vec![$(
                    $crate::blocks::experts::ExpertInfo {
                        name: ::std::string::String::from($crate::visit_fields!(@name $expert $($name)?)),
                        pooled_width: <$kind as $crate::blocks::experts::ExpertKind>::POOLED_WIDTH,
                        own_width: <$kind as $crate::blocks::experts::ExpertKind>::WIDTH,
                    }
                ),+]
            }

            fn num_parameters<D: $crate::ops::OpsDevice>(&self) -> usize {
                0 $(+ <$kind as $crate::blocks::experts::ExpertKind>::num_parameters::<D>())+
            }

            fn build<D: $crate::ops::OpsDevice>(
                &self,
                device: &D,
                rng: &mut impl $crate::blocks::experts::Rng,
            ) -> ::std::result::Result<$pooling<D>, $crate::ops::OpError> {
                ::std::result::Result::Ok($pooling {
                    $($expert: <$kind as $crate::blocks::experts::ExpertKind>::build(device, rng)?,)+
                })
            }

            fn features<B: $crate::prelude::Dim, D: $crate::ops::OpsDevice, T: $crate::ops::LayerTape<D>>(
                &self,
                read: ::std::vec::Vec<$crate::blocks::experts::ExpertFeatures<B, D, T>>,
            ) -> ::std::result::Result<$features<B, D, T>, $crate::ops::OpError> {
                let mut read = $crate::blocks::experts::InOrder::new(read, [$(stringify!($expert)),+].len())?;
                ::std::result::Result::Ok($features {
                    $($expert: <$kind as $crate::blocks::experts::ExpertKind>::features(read.next()?)?,)+
                })
            }

            fn pool<B: $crate::prelude::Dim, D: $crate::ops::OpsDevice, T: $crate::ops::LayerTape<D>>(
                pooling: &$pooling<D>,
                features: $features<B, D, T>,
                phase: $crate::blocks::Phase,
            ) -> ::std::result::Result<
                ::std::vec::Vec<$crate::blocks::experts::Pooled<B, D, T>>,
                $crate::ops::OpError,
            > {
                ::std::result::Result::Ok(::std::vec![$(
                    <$kind as $crate::blocks::experts::ExpertKind>::pool(&pooling.$expert, features.$expert, phase)?
                ),+])
            }
        }
    };
}
