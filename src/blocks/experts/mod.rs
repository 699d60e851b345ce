//! Sets of experts: declared with [`experts!`](crate::experts), or read from a configuration ([`ExpertList`]).
//!
//! [`ExpertKind`] is what a declared set takes, [`PoolingKind`] what a list takes. A kind of one's own implements [`PoolingKind`] once: in a
//! list it stands through [`expert_kinds!`](crate::expert_kinds), in a declared set through [`Sequence`].

mod kinds;
mod list;
mod macros;
mod pooling;

pub use kinds::{Entropy, ExpertKind, Max, Mean, NetVladFrames, PooledFrames, Statistics, Std, Vector};
pub use list::{ExpertConfig, ExpertList, ListedPoolings};
pub use pooling::{ConstKind, MaskedNetVlad, Pooling, PoolingKind, PublishedPooling, Sequence};

use std::fmt::Debug;

#[doc(hidden)]
pub use dfdx::prelude::{Dim, NoneTape};
use dfdx::prelude::{HasShape, Tensor};
#[doc(hidden)]
pub use rand::Rng;

use super::{Frames, Parameters, Phase, Pooled};
use crate::ops::{self, LayerTape, OpError, OpsDevice, check_size};

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

/// The features of one expert, of width `W`: that of what was read only run time knows.
#[derive(Debug)]
pub enum ExpertFeatures<B: Dim, D: OpsDevice, T, W: Dim = usize> {
    /// One vector per video.
    Vector(Tensor<(B, W), f32, D, T>),
    /// A sequence per video, and what of it is padding.
    Sequence(Frames<B, W, D, T>),
}

impl<B: Dim, D: OpsDevice, T, W: Dim> ExpertFeatures<B, D, T, W> {
    /// Width of the features.
    pub fn width(&self) -> W {
        match self {
            Self::Vector(x) => x.shape().1,
            Self::Sequence(x) => x.shape().2,
        }
    }

    /// One vector per video.
    ///
    /// # Errors
    /// [`OpError::Form`] when it is a sequence.
    pub fn into_vector(self) -> Result<Tensor<(B, W), f32, D, T>, OpError> {
        match self {
            Self::Vector(x) => Ok(x),
            Self::Sequence(_) => Err(form("a sequence where one vector per video is expected")),
        }
    }

    /// A sequence per video.
    ///
    /// # Errors
    /// [`OpError::Form`] when it is one vector.
    pub fn into_sequence(self) -> Result<Frames<B, W, D, T>, OpError> {
        match self {
            Self::Sequence(x) => Ok(x),
            Self::Vector(_) => Err(form("one vector per video where a sequence is expected")),
        }
    }
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
    /// As [`Config::build`](super::Config::build).
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
    let x = read.into_vector()?;
    let (batch, got) = *x.shape();
    check_size("expert", "width of the features", width.size(), got)?;
    ops::reshape(x, (batch, width))
}

/// Features that are a sequence per video, of a width that the type knows.
///
/// # Errors
/// [`OpError`] when they are vectors, or of another width.
pub fn sequence<B: Dim, W: Dim, D: OpsDevice, T: LayerTape<D>>(
    read: ExpertFeatures<B, D, T>,
    width: W,
) -> Result<Frames<B, W, D, T>, OpError> {
    read.into_sequence()?.with_width(width)
}

fn form(reason: &'static str) -> OpError {
    OpError::Form { op: "expert", reason }
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
    pub fn take_next(&mut self) -> Result<ExpertFeatures<B, D, T>, OpError> {
        self.0.next().ok_or(OpError::TooFew { op: "experts", what: "features", least: 1, got: 0 })
    }
}
