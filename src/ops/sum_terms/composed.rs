use dfdx::prelude::{Device, Dim, HasShape, PutTape, ReshapeTo, Tensor, TryAdd, TryMul};

use crate::ops::nothing::constant;
use crate::ops::record::split_all;
use crate::ops::{OpError, RecordingTape, composed, device_error};

/// [`sum_terms`](super::sum_terms) in dfdx's own operations.
pub fn sum_terms<B: Dim, E: Dim, D: Device<f32>, T: RecordingTape<D>>(
    terms: Vec<Tensor<(B, E), f32, D, T>>,
    groups: Vec<Vec<usize>>,
) -> Result<Tensor<(usize, B, E), f32, D, T>, OpError> {
    let first = terms.first().ok_or(OpError::TooFew { op: "sum of terms", what: "terms", least: 1, got: 0 })?;
    let ((rows, width), device) = (*first.shape(), first.device().clone());
    let (inputs, mut tape) = split_all(terms, T::default());
    if groups.len() * rows.size() * width.size() == 0 {
        return constant(device, 0.0, (groups.len(), rows, width), tape, move |gradients| {
            inputs.iter().try_for_each(|term| gradients.try_alloc_for(term))
        });
    }
    let zeros = || device.try_zeros_like(&(rows, width)).map_err(device_error);
    let mut sums = Vec::with_capacity(groups.len());
    for group in &groups {
        // The first sum carries the tapes of all terms.
        let mut sum = zeros()?.put_tape(std::mem::take(&mut tape));
        for &t in group {
            // A product gives every use an identity of its own.
            let term = inputs[t].retaped::<T>().try_mul(1.0).map_err(device_error)?;
            sum = sum.try_add(term).map_err(device_error)?;
        }
        sums.push(sum.try_reshape_like(&(1usize, rows.size() * width.size())).map_err(device_error)?);
    }
    composed::concat(sums, 0, (groups.len(), rows, width))
}
