use std::fmt::Debug;

use dfdx::prelude::Shape;

/// What can go wrong in a differentiable operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    /// Two run-time sizes disagree (sizes known at compile time cannot).
    #[error("{op}: {what} is {got}, expected {expected}")]
    Shape {
        /// The operation.
        op: &'static str,
        /// Which size.
        what: &'static str,
        /// The size the other operand asks for.
        expected: usize,
        /// The size that was given.
        got: usize,
    },
    /// An index is out of range.
    #[error("{op}: there is no row {index}, only {rows}")]
    Index {
        /// The operation.
        op: &'static str,
        /// The index.
        index: usize,
        /// Number of rows.
        rows: usize,
    },
    /// The operation has no value for this input.
    #[error("{op}: {reason}")]
    Undefined {
        /// The operation.
        op: &'static str,
        /// Why there is no value.
        reason: &'static str,
    },
    /// There is no memory for so many values.
    #[error("{op}: {shape:?} values take {bytes} bytes, which cannot be had")]
    Memory {
        /// The operation or layer.
        op: &'static str,
        /// How many there are to be, axis by axis.
        shape: Vec<usize>,
        /// Four for each value.
        bytes: u128,
    },
    /// The device failed (out of memory, a failed kernel launch).
    #[error("device: {0}")]
    Device(String),
}

impl OpError {
    /// Wraps a device's own error: what dfdx's `try_` methods fail with.
    pub fn device(error: impl Debug) -> Self {
        Self::Device(format!("{error:?}"))
    }
}

/// [`OpError::device`].
pub(crate) fn device_error(error: impl Debug) -> OpError {
    OpError::device(error)
}

/// Room for a number of values, which is the product of sizes.
pub(crate) fn room(op: &'static str, shape: &[usize]) -> Result<Vec<f32>, OpError> {
    let bytes = shape.iter().fold(4, |bytes: u128, size| bytes.saturating_mul(*size as u128));
    let mut values = vec![];
    let reserved = usize::try_from(bytes / 4).is_ok_and(|count| values.try_reserve_exact(count).is_ok());
    if reserved { Ok(values) } else { Err(OpError::Memory { op, shape: shape.to_vec(), bytes }) }
}

/// Refuses a number that an operation has no value for; `holds` is to be false for NaN.
pub(crate) fn check_number(op: &'static str, holds: bool, reason: &'static str) -> Result<(), OpError> {
    if holds { Ok(()) } else { Err(OpError::Undefined { op, reason }) }
}

/// Refuses an epsilon that is not a finite number of at least 0.
pub(crate) fn check_eps(op: &'static str, eps: f32) -> Result<(), OpError> {
    check_number(op, eps.is_finite() && eps >= 0.0, "eps is not a finite number of at least 0")
}

/// Refuses a size that is not the expected one.
pub(crate) fn check_size(op: &'static str, what: &'static str, expected: usize, got: usize) -> Result<(), OpError> {
    if expected == got { Ok(()) } else { Err(OpError::Shape { op, what, expected, got }) }
}

/// [`check_size`] of every axis of two tensors.
pub(crate) fn check_sizes<S: Shape>(
    op: &'static str,
    what: &'static str,
    expected: &S,
    got: &S,
) -> Result<(), OpError> {
    expected.concrete().into_iter().zip(got.concrete()).try_for_each(|(x, y)| check_size(op, what, x, y))
}
