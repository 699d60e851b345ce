//! What a program over the library usually needs: `use coembed::prelude::*`.

pub use dfdx::prelude::{
    Backward, Const, Cpu, Dim, Gradients, HasShape, NoneTape, OnesTensor, OwnedTape, Tape, Tensor, TensorFromVec,
    Trace, WithEmptyTape, ZerosTensor,
};
pub use rand::Rng;

pub use crate::blocks::{
    Combination, ConcatConfig, Config, LearnedConfig, Linear, LinearConfig, Parameters, PartOrder, Phase, PosText,
};
pub use crate::embedding::Embedding;
pub use crate::losses::{Distance, TripletLoss};
pub use crate::matrix::{Matrix, MatrixView};
pub use crate::models::{Caption, Jpose, JposeConfig, Mmen, MmenConfig, Noun, Verb, VerbNoun};
pub use crate::ops::{LayerTape, OpError, OpsDevice, RecordingTape};
pub use crate::train::{Fit, Purpose, Sgd, SgdConfig, Step, Task, rng};
