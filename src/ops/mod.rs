//! Differentiable operations on dfdx tensors that dfdx 0.13 lacks or does slowly.
//!
//! Every operation is one function, generic over the device. A folder has a fused CPU kernel (`cpu.rs`) and the same
//! operation composed of dfdx's own (`composed.rs`), which is what CUDA runs and what the tests compare with.
//! Operations are deterministic: the same bits for any number of threads.

mod adam;
mod add;
mod around_axis;
mod attention;
mod batch_norm;
mod concat;
mod conv1d;
mod conv2d;
mod convolution;
#[cfg(feature = "cuda")]
mod cuda;
mod dropout;
mod elementwise;
mod embedding;
mod error;
#[cfg(test)]
mod every_path;
mod gelu;
mod gradient;
mod hinge;
mod l2_normalize;
mod largest;
mod layer_norm;
mod linear;
mod look_ahead;
mod math;
mod matmul;
mod max_margin;
mod max_pool2d;
mod mish;
mod mixture_similarity;
mod nothing;
mod parallel;
mod patch_embedding;
mod permute;
mod pointwise;
mod record;
mod reduce;
mod relu;
mod reshape;
mod row_distance;
mod rows;
mod saturating;
mod scale;
mod select_rows;
mod set_columns;
mod sgd;
mod sigmoid_gate;
mod slot;
mod smooth_l1;
mod softmax;
mod squared_error;
mod sum_terms;
mod symmetric_cross_entropy;
mod tape;
mod transfer;
mod unwritten;
mod view;
mod vlad;
mod weighted_sum;

pub use adam::{
    AdamMoments, AdamStep, MomentUpdate, Rectification, RectifiedStep, StepProjection, Unrectified, WeightDecay, adam,
    moment_update, moment_update_projecting, rectified_adam,
};
pub use add::add;
pub use around_axis::AroundAxis;
pub use attention::{AttentionOptions, attention, self_attention};
pub use batch_norm::{BatchStatistics, batch_norm_eval, batch_norm_train};
pub use concat::{concat, concat_along};
pub use conv1d::{Conv1dSteps, conv1d};
pub use conv2d::{Conv2dSteps, conv2d};
pub use convolution::Border;
pub use dropout::{Lottery, RandomStream, dropout};
pub use embedding::embedding;
pub use error::OpError;
pub use gelu::{gelu, quick_gelu};
pub use gradient::{backward, gradient_norm, has_gradient, scale_gradient};
pub use hinge::hinge;
pub use l2_normalize::{NORM_EPS, l2_normalize};
pub use layer_norm::layer_norm;
pub use linear::{linear, linear_columns};
pub use look_ahead::look_ahead;
pub use matmul::{Matrices, Product, matmul, matmul_nt, matmul_tn};
pub use max_margin::{MarginTerms, max_margin};
pub use max_pool2d::{PoolSteps, max_pool2d};
pub use mish::mish;
pub use mixture_similarity::mixture_similarity;
pub use patch_embedding::patch_embedding;
pub use permute::permute;
pub use pointwise::{exp, mul, sigmoid, sub, tanh};
pub use reduce::{EmptyRows, ReduceMask, Reduction, TieGradient, masked_reduce, reduce};
pub use relu::relu;
pub use reshape::reshape;
pub use row_distance::{row_cosine, row_squared_distance};
pub use rows::Rows;
pub use scale::scale;
pub use select_rows::select_rows;
pub use set_columns::set_columns;
pub use sgd::sgd_momentum;
pub use sigmoid_gate::sigmoid_gate;
pub use smooth_l1::{LossReduction, smooth_l1};
pub use softmax::{log_softmax, masked_softmax, softmax};
pub use squared_error::mean_squared_error;
pub use sum_terms::sum_terms;
pub use symmetric_cross_entropy::symmetric_cross_entropy;
pub use tape::{DataTape, LayerTape, RecordingTape, data};
pub use transfer::{drawn, to_tensor, to_vec, value};
pub use vlad::vlad;
pub use weighted_sum::weighted_sum;

use crate::device::DeviceError;
use kernels::*;

pub(crate) use error::{check_eps, check_least, check_option, check_size, check_sizes, device_error, typed_size};
pub(crate) use tape::begin;

/// What a device provides: a trait for each operation, whose provided methods are the operation composed of dfdx's own.
pub mod kernels {
    pub use super::adam::AdamKernel;
    pub use super::add::AddKernel;
    pub use super::attention::AttentionKernel;
    pub use super::batch_norm::BatchNormKernel;
    pub use super::concat::ConcatKernel;
    pub use super::conv1d::Conv1dKernel;
    pub use super::conv2d::Conv2dKernel;
    pub use super::dropout::DropoutKernel;
    pub use super::gelu::GeluKernel;
    pub use super::gradient::GradientKernel;
    pub use super::hinge::HingeKernel;
    pub use super::l2_normalize::L2NormalizeKernel;
    pub use super::layer_norm::LayerNormKernel;
    pub use super::linear::LinearKernel;
    pub use super::look_ahead::LookAheadKernel;
    pub use super::matmul::MatmulKernel;
    pub use super::max_margin::MaxMarginKernel;
    pub use super::max_pool2d::MaxPool2dKernel;
    pub use super::mish::MishKernel;
    pub use super::mixture_similarity::MixtureSimilarityKernel;
    pub use super::permute::PermuteKernel;
    pub use super::reduce::ReduceKernel;
    pub use super::relu::ReluKernel;
    pub use super::row_distance::RowDistanceKernel;
    pub use super::scale::ScaleKernel;
    pub use super::select_rows::SelectRowsKernel;
    pub use super::set_columns::SetColumnsKernel;
    pub use super::sgd::SgdKernel;
    pub use super::sigmoid_gate::SigmoidGateKernel;
    pub use super::smooth_l1::SmoothL1Kernel;
    pub use super::softmax::SoftmaxKernel;
    pub use super::squared_error::SquaredErrorKernel;
    pub use super::sum_terms::SumTermsKernel;
    pub use super::symmetric_cross_entropy::SymmetricCrossEntropyKernel;
    pub use super::vlad::VladKernel;
    pub use super::weighted_sum::WeightedSumKernel;
}

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
    + Conv1dKernel
    + Conv2dKernel
    + DropoutKernel
    + GradientKernel
    + HingeKernel
    + L2NormalizeKernel
    + LayerNormKernel
    + LinearKernel
    + LookAheadKernel
    + MatmulKernel
    + MaxMarginKernel
    + MaxPool2dKernel
    + MishKernel
    + MixtureSimilarityKernel
    + PermuteKernel
    + ReduceKernel
    + ReluKernel
    + RowDistanceKernel
    + ScaleKernel
    + SelectRowsKernel
    + SetColumnsKernel
    + SgdKernel
    + SigmoidGateKernel
    + SoftmaxKernel
    + SquaredErrorKernel
    + SymmetricCrossEntropyKernel
    + SmoothL1Kernel
    + SumTermsKernel
    + VladKernel
    + WeightedSumKernel
{
    /// Opens the device: the first GPU, or the CPU.
    ///
    /// # Errors
    /// [`DeviceError`] names what is missing. (`Cuda::default()` panics instead.)
    fn open() -> Result<Self, DeviceError>;

    /// Bytes that are free in a memory of its own; `None` where tensors stand in the memory of the program, or that is not known.
    fn free_memory(&self) -> Option<usize> {
        None
    }
}

impl OpsDevice for dfdx::prelude::Cpu {
    fn open() -> Result<Self, DeviceError> {
        Ok(Self::default())
    }
}

/// The same operations composed of dfdx's own, on any device: the reference that the fused kernels are tested against.
pub mod composed {
    pub use super::adam::{composed as moment_update, composed_projecting as moment_update_projecting};
    pub use super::add::composed as add;
    pub use super::attention::{composed as attention, composed_self as self_attention};
    pub use super::batch_norm::{composed_eval as batch_norm_eval, composed_train as batch_norm_train};
    pub use super::concat::composed as concat;
    pub use super::conv1d::composed as conv1d;
    pub use super::conv2d::composed as conv2d;
    pub use super::dropout::composed as dropout;
    pub use super::gelu::{composed_gelu as gelu, composed_quick_gelu as quick_gelu};
    pub use super::gradient::{composed_norm as gradient_norm, composed_scale as scale_gradient};
    pub use super::hinge::composed as hinge;
    pub use super::l2_normalize::composed as l2_normalize;
    pub use super::layer_norm::composed as layer_norm;
    pub use super::linear::composed as linear;
    pub use super::look_ahead::composed as look_ahead;
    pub use super::matmul::composed as matmul;
    pub use super::max_margin::composed as max_margin;
    pub use super::max_pool2d::composed as max_pool2d;
    pub use super::mish::composed as mish;
    pub use super::mixture_similarity::composed as mixture_similarity;
    pub use super::permute::composed as permute;
    pub use super::reduce::composed as reduce;
    pub use super::relu::composed as relu;
    pub use super::row_distance::{composed_cosine as row_cosine, composed_squared_distance as row_squared_distance};
    pub use super::scale::composed as scale;
    pub use super::select_rows::composed as select_rows;
    pub use super::set_columns::composed as set_columns;
    pub use super::sgd::composed as sgd_momentum;
    pub use super::sigmoid_gate::composed as sigmoid_gate;
    pub use super::smooth_l1::composed as smooth_l1;
    pub use super::softmax::{composed_log_softmax as log_softmax, composed_softmax as softmax};
    pub use super::squared_error::composed as mean_squared_error;
    pub use super::sum_terms::composed as sum_terms;
    pub use super::symmetric_cross_entropy::composed as symmetric_cross_entropy;
    pub use super::vlad::composed as vlad;
    pub use super::weighted_sum::composed as weighted_sum;
}
