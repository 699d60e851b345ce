//! CUDA: every operation is composed of dfdx's own kernels until a measurement asks for a fused one.

use cudarc::driver::result::mem_get_info;
use dfdx::prelude::Cuda;

use super::OpsDevice;
use super::kernels::*;
use crate::device::{DeviceError, probe};

impl OpsDevice for Cuda {
    fn open() -> Result<Self, DeviceError> {
        probe(0)?;
        Self::try_build(0, 0).map_err(|error| DeviceError::Open(error.to_string()))
    }

    fn free_memory(&self) -> Option<usize> {
        mem_get_info().ok().map(|(free, _)| free)
    }
}

impl AdamKernel for Cuda {}
impl AddKernel for Cuda {}
impl AttentionKernel for Cuda {}
impl BatchNormKernel for Cuda {}
impl ConcatKernel for Cuda {}
impl Conv1dKernel for Cuda {}
impl Conv2dKernel for Cuda {}
impl DropoutKernel for Cuda {}
impl GeluKernel for Cuda {}
impl GradientKernel for Cuda {}
impl HingeKernel for Cuda {}
impl L2NormalizeKernel for Cuda {}
impl LayerNormKernel for Cuda {}
impl LinearKernel for Cuda {}
impl LookAheadKernel for Cuda {}
impl MatmulKernel for Cuda {}
impl MaxMarginKernel for Cuda {}
impl MaxPool2dKernel for Cuda {}
impl MishKernel for Cuda {}
impl MixtureSimilarityKernel for Cuda {}
impl PermuteKernel for Cuda {}
impl ReduceKernel for Cuda {}
impl ReluKernel for Cuda {}
impl RowDistanceKernel for Cuda {}
impl ScaleKernel for Cuda {}
impl SelectRowsKernel for Cuda {}
impl SetColumnsKernel for Cuda {}
impl SgdKernel for Cuda {}
impl SigmoidGateKernel for Cuda {}
impl SmoothL1Kernel for Cuda {}
impl SoftmaxKernel for Cuda {}
impl SquaredErrorKernel for Cuda {}
impl SumTermsKernel for Cuda {}
impl SymmetricCrossEntropyKernel for Cuda {}
impl VladKernel for Cuda {}
impl WeightedSumKernel for Cuda {}
