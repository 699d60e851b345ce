use dfdx::prelude::{
    Axes3, Axis, BroadcastTo, Const, Device, Dim, HasShape, Merge, PermuteTo, ReshapeTo, SplitTape, SumTo, Tape,
    Tensor, TryMatMul, TryMul, TrySub,
};

use crate::ops::nothing::constant;
use crate::ops::record::distinct;
use crate::ops::{OpError, device_error};

/// [`vlad`](super::vlad) in dfdx's own operations.
pub fn vlad<B: Dim, N: Dim, A: Dim, K: Dim, E: Dim, D: Device<f32>, T: Tape<f32, D> + Merge<R>, R: Tape<f32, D>>(
    assignment: Tensor<(B, N, A), f32, D, T>,
    x: Tensor<(B, N, E), f32, D, R>,
    centres: &Tensor<(Const<1>, E, K), f32, D>,
) -> Result<Tensor<(B, K, E), f32, D, T>, OpError> {
    let (a, x) = distinct(assignment, x)?;
    let ((batch, steps, assigned), (_, width, clusters)) = (*a.shape(), *centres.shape());
    let (items, steps, assigned, clusters_size) = (batch.size(), steps.size(), assigned.size(), clusters.size());
    let device = a.device().clone();
    if items * steps == 0 {
        let ((_, tape), centres) = (a.split_tape(), centres.clone());
        let shape = (batch, clusters, width);
        return constant(device, 0.0, shape, tape, move |gradients| gradients.try_alloc_for(&centres));
    }
    let forward = || -> Result<_, D::Err> {
        // A product with the unit vectors of the clusters leaves the ghosts out.
        let keep = (0..assigned * clusters_size).map(|i| f32::from(i / clusters_size == i % clusters_size)).collect();
        let keep: Tensor<(usize, usize), f32, D> = device.try_tensor_from_vec(keep, (assigned, clusters_size))?;
        let a = a.try_reshape_like(&(items * steps, assigned))?.try_matmul(keep)?;
        let a = a.try_reshape_like(&(items, steps, clusters_size))?.try_permute::<_, Axes3<0, 2, 1>>()?;
        let mass = a.retaped::<T>().try_sum::<(usize, usize), Axis<2>>()?;
        let shape = (items, clusters_size, width.size());
        let centres = centres.retaped::<T>().try_permute::<_, Axes3<0, 2, 1>>()?;
        let centres =
            centres.try_reshape_like(&(clusters_size, width.size()))?.try_broadcast_like::<_, Axis<0>>(&shape)?;
        let offsets = centres.try_mul(mass.try_broadcast_like::<_, Axis<2>>(&shape)?)?;
        let sums = a.try_matmul(x.try_reshape_like(&(items, steps, width.size()))?)?;
        sums.try_sub(offsets)?.try_reshape_like(&(batch, clusters, width))
    };
    forward().map_err(device_error)
}
