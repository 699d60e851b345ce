use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tensor};

use super::LinearKernel;
use crate::gemm::{Operand, Threads, gemm};
use crate::ops::parallel::{add_column_sums, collect_blocks};
use crate::ops::record::{record, weight_and_bias};
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, Rows, device_error};

impl LinearKernel for Cpu {
    fn linear<S: Rows, O: Dim, W: Dim, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        weight: &Tensor<(O, W), f32, Self>,
        first: usize,
        bias: Option<&Tensor<(O,), f32, Self>>,
    ) -> Result<Tensor<S::With<O>, f32, Self, T::Output>, OpError> {
        let (x, tape) = x.try_contiguous().map_err(device_error)?.split_tape();
        let (weight, bias, tape) = weight_and_bias(weight, bias, tape.begin())?;
        let (rows, inputs, (outputs, columns)) = (x.shape().rows(), x.shape().last().size(), *weight.shape());
        let columns = columns.size();
        let shape = x.shape().with(outputs);
        let outputs = outputs.size();

        let bias_data = bias.as_ref().map(view);
        let mut y = collect_blocks(rows * outputs, outputs, |_, block| {
            if let Some(bias) = &bias_data {
                block.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
            }
        });
        drop(bias_data);
        let (x_data, w_data) = (view(&x), view(&weight));
        let a = Operand::new(&x_data, rows, inputs);
        let w = Operand::strided(w_data.get(first..).unwrap_or_default(), outputs, inputs, columns);
        gemm(a, w.t(), &mut y, outputs, bias.is_some(), Threads::All);

        let device = x.device().clone();
        record(&device, y, shape, tape, move |grad, grads| {
            let gy = Operand::new(&grad, rows, outputs);
            let (x_data, w_data) = (view(&x), view(&weight));
            let w = Operand::strided(w_data.get(first..).unwrap_or_default(), outputs, inputs, columns);
            let a = Operand::new(&x_data, rows, inputs);
            if T::GRADIENT {
                Slot::gradient(&x, grads)?.add_product(gy, w, inputs, Threads::All);
            }
            let gw = Slot::gradient(&weight, grads)?;
            if inputs == columns {
                gw.add_product(gy.t(), a, columns, Threads::All);
            } else {
                let part = gw.filled().get_mut(first..).unwrap_or_default();
                gemm(gy.t(), a, part, columns, true, Threads::All);
            }
            if let Some(bias) = &bias {
                add_column_sums(&grad, grads.get_or_alloc_mut(bias)?);
            }
            Ok(())
        })
    }
}
