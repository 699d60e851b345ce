use dfdx::prelude::{Cpu, Dim, HasShape, Merge, ReshapeTo, SplitTape, Tape, Tensor};

use super::InnerProductsKernel;
use crate::gemm::{Operand, Threads, gemm};
use crate::ops::record::record;
use crate::ops::view::view;
use crate::ops::{OpError, device_error};

impl InnerProductsKernel for Cpu {
    fn inner_products<B: Dim, C: Dim, E: Dim, T: Tape<f32, Self> + Merge<R>, R: Tape<f32, Self>>(
        a: Tensor<(B, E), f32, Self, T>,
        b: Tensor<(C, E), f32, Self, R>,
    ) -> Result<Tensor<(B, C), f32, Self, T>, OpError> {
        let (a, tape) = a.try_contiguous().map_err(device_error)?.split_tape();
        let (b, b_tape) = b.try_contiguous().map_err(device_error)?.split_tape();
        let (shape, width) = ((a.shape().0, b.shape().0), a.shape().1.size());
        let (rows, columns) = (shape.0.size(), shape.1.size());
        let mut y = vec![0.0; rows * columns];
        let (x, z) = (view(&a), view(&b));
        gemm(Operand::new(&x, rows, width), Operand::new(&z, columns, width).t(), &mut y, columns, false, Threads::All);

        drop((x, z));
        let device = a.device().clone();
        record(&device, y, shape, tape.merge(b_tape), move |grad, grads| {
            let g = Operand::new(grad, rows, columns);
            let (a_data, b_data) = (view(&a), view(&b));
            let (x, y) = (Operand::new(&a_data, rows, width), Operand::new(&b_data, columns, width));
            gemm(g, y, grads.get_or_alloc_mut(&a)?, width, true, Threads::All);
            gemm(g.t(), x, grads.get_or_alloc_mut(&b)?, width, true, Threads::All);
            Ok(())
        })
    }
}
