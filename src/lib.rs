//! Video-text retrieval models composed at compile time from statically-typed building blocks, with property-tested losses
//! and metrics, fast similarity kernels, and published systems re-implemented to the digit.
//!
//! A model is a type; a wrong composition does not compile:
//!
//! ```
//! use coembed::blocks::{ConcatConfig, PartOrder};
//! use coembed::models::{JposeConfig, VerbNoun};
//! use coembed::prelude::*;
//!
//! let device = Cpu::default();
//! // Video features of 32, text features of a width known at run time, verb and noun embeddings of 8, side by side 16.
//! let config = JposeConfig::<VerbNoun, _, _, _, _>::new(Const::<32>, 10usize, Const::<8>, ConcatConfig { width: Const::<16> });
//! assert_eq!(Config::<Cpu>::num_parameters(&config), 1056);
//! let model = config.build(&device, &mut rng(0, Purpose::Weights, 0, 0))?;
//!
//! let videos: Tensor<(usize, Const<32>), f32, Cpu> = device.zeros_like(&(4, Const));
//! let actions = model.embed_video(videos, PartOrder::Declared)?;
//! assert_eq!(*actions.tensor().shape(), (4, Const::<16>));
//! # Ok::<(), OpError>(())
//! ```
//!
//! # The story, and the modules that tell it
//!
//! Data flows one way: [`formats`] reads users' files as values, [`data`] makes features, classes, relevance and batches of them;
//! [`blocks`] compose to [`models`] over differentiable [`ops`]; [`losses`] compare [`embedding`]s of one space; [`train`] fits;
//! [`similarity`] compares all with all; [`metrics`] judge by [`relevance`]; [`report`] says what a number rests on. [`recipes`] are
//! the published training recipes, where all of these meet. [`vision`] is what stands before a network that reads frames. [`matrix`] is the currency between the parts that know no tensors, so
//! that the numbers of any framework can be evaluated.
//!
//! `docs/architecture.md` states the rules of the tree, `docs/extending.md` adds a block, a loss and a metric from outside.

#![warn(missing_docs)]

pub mod blocks;
pub mod data;
pub mod device;
pub mod digest;
pub mod embedding;
pub mod files;
pub mod formats;
mod gemm;
pub mod losses;
pub mod matrix;
pub mod metrics;
pub mod models;
pub mod ops;
pub mod options;
pub mod prelude;
mod processor;
pub mod recipes;
pub mod relevance;
pub mod report;
pub mod run;
pub mod similarity;
pub mod train;
pub mod vision;

/// The snippets of the pages run as tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;

    #[doc = include_str!("../docs/extending.md")]
    struct Extending;
}
