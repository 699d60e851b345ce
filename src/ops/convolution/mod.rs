//! What convolutions and pooling along one or two axes share: where a kernel stands, and on the CPU the products with what is under it.

pub(crate) mod composed;
mod cpu;

pub(crate) use cpu::{Convolution, convolve};

use super::{OpError, check_least, check_option};

/// What a kernel meets over the padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Border {
    /// Zeros.
    #[default]
    Zeros,
    /// The nearest value of the input.
    Replicate,
}

/// An axis that a kernel moves along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KernelAxis {
    pub length: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub border: Border,
    /// How often the kernel fits.
    pub positions: usize,
}

impl KernelAxis {
    /// An axis that is not there.
    pub const ONE: Self = Self { length: 1, kernel: 1, stride: 1, padding: 0, border: Border::Zeros, positions: 1 };

    /// Checks the sizes in the name of an operation.
    pub fn new(
        op: &'static str,
        [length, kernel]: [usize; 2],
        [stride, padding]: [usize; 2],
        border: Border,
    ) -> Result<Self, OpError> {
        check_option(op, stride > 0, "the stride is 0")?;
        check_least(op, "values of the kernel", 1, kernel)?;
        let padded = padding.saturating_mul(2).saturating_add(length);
        check_least(op, "values of the padded input", kernel, padded)?;
        if border == Border::Replicate {
            check_least(op, "values to replicate", 1, length)?;
        }
        Ok(Self { length, kernel, stride, padding, border, positions: (padded - kernel) / stride + 1 })
    }

    /// Which value stands under place `k` of the kernel at a position; none over padding of zeros.
    pub fn source(self, position: usize, k: usize) -> Option<usize> {
        let place = position * self.stride + k;
        match self.border {
            Border::Zeros => place.checked_sub(self.padding).filter(|i| *i < self.length),
            Border::Replicate => Some(place.saturating_sub(self.padding).min(self.length - 1)),
        }
    }

    /// [`KernelAxis::source`] of all positions, for every place of the kernel.
    fn sources(self) -> Vec<Vec<Option<usize>>> {
        let of_place = |k: usize| (0..self.positions).map(|position| self.source(position, k)).collect();
        (0..self.kernel).map(of_place).collect()
    }

    /// Whether the kernel stands on every value alone.
    fn is_pointwise(self) -> bool {
        (self.kernel, self.stride, self.padding) == (1, 1, 0)
    }
}
