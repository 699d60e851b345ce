use dfdx::prelude::{Cpu, Shape, Tensor};
use rayon::prelude::*;

use super::LookAheadKernel;
use crate::ops::OpError;
use crate::ops::view::view_mut;
use crate::processor::vectorise;

vectorise! {
    fn update(parameter: &mut [f32], slow: &mut [f32], alpha: f32) {
        for (p, s) in parameter.iter_mut().zip(slow) {
            *s = (*p - *s).mul_add(alpha, *s);
            *p = *s;
        }
    }
}

impl LookAheadKernel for Cpu {
    fn look_ahead<S: Shape>(
        parameter: &mut Tensor<S, f32, Self>,
        slow: &mut Tensor<(usize,), f32, Self>,
        alpha: f32,
    ) -> Result<(), OpError> {
        const BLOCK: usize = 1 << 14;
        let (mut parameter, mut slow) = (view_mut(parameter)?, view_mut(slow)?);
        let blocks = parameter.par_chunks_mut(BLOCK).zip(slow.par_chunks_mut(BLOCK));
        blocks.for_each(|(p, s)| update(p, s, alpha));
        Ok(())
    }
}
