//! Differentiable operations on dfdx tensors that dfdx 0.13 lacks or does slowly.
//!
//! Every operation is one function, generic over the device. A folder has a fused CPU kernel (`cpu.rs`) and the same
//! operation composed of dfdx's own (`composed.rs`), which is what CUDA runs and what the tests compare with.
//! Operations are deterministic: the same bits for any number of threads.

mod adam;
mod add;
mod attention;
mod batch_norm;
mod concat;
#[cfg(feature = "cuda")]
mod cuda;
mod elementwise;
mod error;
mod gelu;
mod hinge;
mod inner_products;
mod l2_normalize;
mod layer_norm;
mod linear;
mod math;
mod mish;
mod parallel;
mod random;
mod record;
mod reduce;
mod relu;
mod row_distance;
mod rows;
mod scale;
mod select_rows;
mod sgd;
mod sigmoid_gate;
mod softmax;
mod squared_error;
mod symmetric_cross_entropy;
mod tape;
mod transfer;
mod vectorise;
mod view;

pub use adam::{AdamKernel, AdamMoments, AdamStep, WeightDecay, adam};
pub use add::{AddKernel, add};
pub use attention::{AttentionDropout, AttentionKernel, AttentionOptions, attention};
pub use batch_norm::{BatchNormKernel, BatchStatistics, batch_norm_eval, batch_norm_train};
pub use concat::{ConcatKernel, concat};
pub use error::OpError;
pub use gelu::{GeluKernel, gelu, quick_gelu};
pub use hinge::{HingeKernel, hinge};
pub use inner_products::{InnerProductsKernel, inner_products};
pub use l2_normalize::{L2NormalizeKernel, NORM_EPS, l2_normalize};
pub use layer_norm::{LayerNormKernel, layer_norm};
pub use linear::{LinearKernel, linear};
pub use mish::{MishKernel, mish};
pub use reduce::{AroundAxis, EmptyRows, ReduceKernel, ReduceMask, Reduction, TieGradient, masked_reduce, reduce};
pub use relu::{ReluKernel, relu};
pub use row_distance::{RowDistanceKernel, row_cosine, row_squared_distance};
pub use rows::Rows;
pub use scale::{ScaleKernel, scale};
pub use select_rows::{SelectRowsKernel, select_rows};
pub use sgd::{SgdKernel, sgd_momentum};
pub use sigmoid_gate::{SigmoidGateKernel, sigmoid_gate};
pub use softmax::{SoftmaxKernel, log_softmax, masked_softmax, softmax};
pub use squared_error::{SquaredErrorKernel, mean_squared_error};
pub use symmetric_cross_entropy::{SymmetricCrossEntropyKernel, symmetric_cross_entropy};
pub use tape::{DataTape, LayerTape, data};
pub use transfer::{to_tensor, to_vec};

pub(crate) use error::{check_size, device_error};
pub(crate) use tape::begin;

/// A device on which every operation of this module runs.
///
/// Implemented by `Cpu` and, with the feature `cuda`, by `Cuda`.
pub trait OpsDevice:
    dfdx::prelude::Device<f32>
    + AdamKernel
    + AddKernel
    + AttentionKernel
    + BatchNormKernel
    + ConcatKernel
    + GeluKernel
    + HingeKernel
    + InnerProductsKernel
    + L2NormalizeKernel
    + LayerNormKernel
    + LinearKernel
    + MishKernel
    + ReduceKernel
    + ReluKernel
    + RowDistanceKernel
    + ScaleKernel
    + SelectRowsKernel
    + SgdKernel
    + SigmoidGateKernel
    + SoftmaxKernel
    + SquaredErrorKernel
    + SymmetricCrossEntropyKernel
{
}

impl OpsDevice for dfdx::prelude::Cpu {}

/// The same operations composed of dfdx's own, on any device: the reference that the fused kernels are tested against.
pub mod composed {
    pub use super::adam::composed as adam;
    pub use super::add::composed as add;
    pub use super::attention::composed as attention;
    pub use super::batch_norm::{composed_eval as batch_norm_eval, composed_train as batch_norm_train};
    pub use super::concat::composed as concat;
    pub use super::gelu::{composed_gelu as gelu, composed_quick_gelu as quick_gelu};
    pub use super::hinge::composed as hinge;
    pub use super::inner_products::composed as inner_products;
    pub use super::l2_normalize::composed as l2_normalize;
    pub use super::layer_norm::composed as layer_norm;
    pub use super::linear::composed as linear;
    pub use super::mish::composed as mish;
    pub use super::reduce::composed as reduce;
    pub use super::relu::composed as relu;
    pub use super::row_distance::{composed_cosine as row_cosine, composed_squared_distance as row_squared_distance};
    pub use super::scale::composed as scale;
    pub use super::select_rows::composed as select_rows;
    pub use super::sgd::composed as sgd_momentum;
    pub use super::sigmoid_gate::composed as sigmoid_gate;
    pub use super::softmax::{composed_log_softmax as log_softmax, composed_softmax as softmax};
    pub use super::squared_error::composed as mean_squared_error;
    pub use super::symmetric_cross_entropy::composed as symmetric_cross_entropy;
}
