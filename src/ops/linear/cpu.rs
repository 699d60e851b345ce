use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tensor};

use super::LinearKernel;
use crate::gemm::{Operand, Threads, gemm, product};
use crate::ops::parallel::{add_column_sums, collect_written};
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

        let (x_data, w_data) = (view(&x), view(&weight));
        let a = Operand::new(&x_data, rows, inputs);
        let w = Operand::strided(w_data.get(first..).unwrap_or_default(), outputs, inputs, columns);
        let y = match bias.as_ref().map(view) {
            None => product(a, w.t(), Threads::All),
            Some(bias) => {
                let mut y = collect_written(rows * outputs, outputs, |_, block| {
                    let block_rows = block.len() / outputs;
                    let mut rows = block.rows(outputs);
                    for _ in 0..block_rows {
                        let row = rows.row().copied(&bias);
                        rows.written(row);
                    }
                    rows.all()
                });
                gemm(a, w.t(), &mut y, outputs, true, Threads::All);
                y
            }
        };
        drop((x_data, w_data));

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
