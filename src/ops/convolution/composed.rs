use dfdx::prelude::{
    Axes2, Axis, BroadcastTo, ChooseFrom, Device, GatherTo, HasShape, PermuteTo, PutTape, Tape, Tensor, TryNe,
};

use super::KernelAxis;

/// What is under the kernel, in dfdx's own operations: planes `(N, height · width)` to `(places of the kernel · positions, N)`. Over padding of
/// zeros stands `outside`.
pub(crate) fn windows<D: Device<f32>, T: Tape<f32, D>>(
    planes: Tensor<(usize, usize), f32, D, T>,
    [down, across]: [KernelAxis; 2],
    outside: f32,
) -> Result<Tensor<(usize, usize), f32, D, T>, D::Err> {
    let (device, count) = (planes.device().clone(), planes.shape().0);
    let mut sources = vec![];
    for (k, l) in (0..down.kernel).flat_map(|k| (0..across.kernel).map(move |l| (k, l))) {
        for (row, column) in (0..down.positions).flat_map(|row| (0..across.positions).map(move |column| (row, column)))
        {
            let source = down.source(row, k).zip(across.source(column, l));
            sources.push(source.map(|(row, column)| row * across.length + column));
        }
    }
    let places: Vec<usize> = sources.iter().map(|source| source.unwrap_or(0)).collect();
    let places = device.try_tensor_from_vec(places, (sources.len(),))?;
    let windows = planes.try_permute::<_, Axes2<1, 0>>()?.try_gather(places)?;
    if sources.iter().all(Option::is_some) {
        return Ok(windows);
    }
    let shape = (sources.len(), count);
    let inside = sources.iter().map(|source| f32::from(source.is_some())).collect();
    let inside = device.try_tensor_from_vec(inside, (sources.len(),))?.try_broadcast_like::<_, Axis<1>>(&shape)?;
    let outside = device.try_tensor_from_vec(vec![outside; shape.0 * shape.1], shape)?;
    inside.try_ne(0.0)?.try_choose(windows, outside.put_tape(T::default()))
}
