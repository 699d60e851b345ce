//! What a block of one's own needs, and a program that builds one: `use coembed::prelude::*`.
//!
//! Tensors, sizes, devices and tapes of dfdx, the traits of blocks, and the random numbers that they are built with. Models, losses and
//! optimizers are named where they are used.

pub use dfdx::prelude::{
    Backward, Const, Cpu, Dim, Gradients, HasShape, NoneTape, OnesTensor, OwnedTape, Tape, Tensor, TensorFromVec,
    Trace, WithEmptyTape, ZerosTensor,
};
pub use rand::Rng;

pub use crate::blocks::{Config, Linear, LinearConfig, Parameters, Phase};
pub use crate::embedding::Embedding;
pub use crate::ops::{DataTape, LayerTape, OpError, OpsDevice, RecordingTape};
pub use crate::train::{Purpose, rng};
