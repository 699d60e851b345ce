use dfdx::prelude::{Cpu, Dim, HasShape, Tensor};

use super::SumTermsKernel;
use crate::ops::elementwise::add_to;
use crate::ops::parallel::collect_blocks;
use crate::ops::record::{operand_list, record};
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{OpError, RecordingTape, device_error};

impl SumTermsKernel for Cpu {
    fn sum_terms<B: Dim, E: Dim, T: RecordingTape<Self>>(
        terms: Vec<Tensor<(B, E), f32, Self, T>>,
        groups: Vec<Vec<usize>>,
    ) -> Result<Tensor<(usize, B, E), f32, Self, T>, OpError> {
        let (inputs, tape) = operand_list(terms, T::default())?;
        // The caller checked that there is a term.
        let ((rows, width), device) = (*inputs[0].shape(), inputs[0].device().clone());
        let size = rows.size() * width.size();
        let data: Vec<_> = inputs.iter().map(view).collect();
        let y = collect_blocks(groups.len() * size, width.size(), |first, y| {
            // A block may reach over the border between two groups.
            let (mut at, mut rest) = (first * width.size(), y);
            while !rest.is_empty() {
                let (group, from) = (at / size, at % size);
                let (part, after) = rest.split_at_mut(rest.len().min(size - from));
                groups[group].iter().for_each(|&t| add_to(&data[t][from..][..part.len()], part));
                (at, rest) = (at + part.len(), after);
            }
        });
        drop(data);

        let slots: Vec<Slot> = inputs.iter().map(Slot::of).collect::<Result<_, _>>().map_err(device_error)?;
        drop(inputs);
        record(&device, y, (groups.len(), rows, width), tape, move |grad, grads| {
            for (t, slot) in slots.into_iter().enumerate() {
                let uses = groups.iter().enumerate();
                let uses: Vec<usize> =
                    uses.flat_map(|(g, group)| group.iter().filter(|u| **u == t).map(move |_| g)).collect();
                slot.open(grads)?.add_blocks(|at, out| {
                    uses.iter().for_each(|g| add_to(&grad[g * size + at..][..out.len()], out));
                });
            }
            Ok(())
        })
    }
}
