//! From pictures to features: what stands before a network that reads frames, and what pools and reduces its outputs.
//!
//! Plain bytes and numbers, no tensors: pictures are 8-bit RGB ([`Picture`]), feature maps slices of f32. Resizing is that of the libraries
//! which published programs call, bit for bit ([`opencv`], [`pillow`]), since features computed from other pixels are other features.
//!
//! A video of the near-duplicate retrieval systems (ViSiL, TCA) goes this way: [`Ffmpeg::read_frames`](ffmpeg::Ffmpeg::read_frames) keeps the frames that [`FrameSampling`]
//! names, each as [`opencv::stored_frame`]; [`Transform::IMAGENET`] makes the network's input of a frame; [`imac`] or [`rmac`] pools
//! the maps of the network's stages; [`Pca`] whitens and shortens.

pub mod ffmpeg;
mod norm;
pub mod opencv;
mod pca;
mod picture;
pub mod pillow;
mod pooling;
mod sampling;
mod transform;

pub use pca::{Pca, PcaError, Projection};
pub use picture::{Picture, PictureError, Window};
pub use pooling::{FeatureMaps, PoolingError, imac, rmac};
pub use sampling::FrameSampling;
pub use transform::{Normalisation, Transform};
