use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tape, Tensor};

use super::SelectRowsKernel;
use crate::ops::parallel::for_rows;
use crate::ops::record::record;
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{OpError, device_error};

impl SelectRowsKernel for Cpu {
    fn select_rows<B: Dim, E: Dim, T: Tape<f32, Self>>(
        x: Tensor<(B, E), f32, Self, T>,
        rows: &[usize],
        frozen: Option<usize>,
    ) -> Result<Tensor<(usize, E), f32, Self, T>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (last, width) = (x.shape().1, x.shape().1.size());
        let mut y = vec![0.0; rows.len() * width];
        let data = view(&x);
        for_rows(&mut y, width, |i, out| out.copy_from_slice(&data[rows[i] * width..][..width]));

        drop(data);
        let (device, rows, slot) = (x.device().clone(), rows.to_vec(), Slot::of(&x).map_err(device_error)?);
        drop(x);
        record(&device, y, (rows.len(), last), tape, move |grad, grads| {
            let gx = slot.open(grads)?.filled();
            let picked = rows.iter().zip(grad.chunks_exact(width.max(1)));
            for (row, g) in picked.filter(|(row, _)| frozen != Some(**row)) {
                gx[row * width..][..width].iter_mut().zip(g).for_each(|(gx, g)| *gx += g);
            }
            Ok(())
        })
    }
}
