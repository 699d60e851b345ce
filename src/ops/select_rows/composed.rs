use dfdx::prelude::{
    ChooseFrom, Device, Dim, GatherTo, HasShape, NoneTape, PutTape, SplitTape, Tape, Tensor, TryMul, TryNe,
};

use crate::ops::nothing::constant;
use crate::ops::{OpError, device_error};

/// [`select_rows`](super::select_rows) in dfdx's own operations; row `frozen` receives no gradient.
pub fn select_rows<B: Dim, E: Dim, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<(B, E), f32, D, T>,
    rows: &[usize],
    frozen: Option<usize>,
) -> Result<Tensor<(usize, E), f32, D, T>, OpError> {
    let (device, width) = (x.device().clone(), x.shape().1);
    if rows.len() * width.size() == 0 {
        let (x, tape) = x.split_tape();
        return constant(device, 0.0, (rows.len(), width), tape, move |gradients| gradients.try_alloc_for(&x));
    }
    let forward = || -> Result<_, D::Err> {
        let picked = x.try_gather(device.try_tensor_from_vec(rows.to_vec(), (rows.len(),))?)?;
        let Some(frozen) = frozen else { return Ok(picked) };
        let shape = *picked.shape();
        let mask = rows.iter().flat_map(|row| vec![f32::from(*row == frozen); shape.1.size()]).collect();
        // A product makes a tensor of its own, whose gradient nobody asks for.
        let constant = picked.retaped::<NoneTape>().try_mul(1.0)?.put_tape(T::default());
        device.try_tensor_from_vec(mask, shape)?.try_ne(0.0)?.try_choose(constant, picked)
    };
    forward().map_err(device_error)
}
