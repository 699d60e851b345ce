use std::fmt::Debug;

use dfdx::prelude::{Dim, Shape};

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
    /// An option makes no sense: an epsilon, a rate, a temperature, the number of heads.
    #[error("{op}: {reason}")]
    Option {
        /// The operation or layer.
        op: &'static str,
        /// What is wrong with which option.
        reason: &'static str,
    },
    /// There are too few things for the operation to have a value: rows of a variance, terms of a sum, experts of a mixture.
    #[error("{op}: too few {what}: {got}, at least {least} needed")]
    TooFew {
        /// The operation or layer.
        op: &'static str,
        /// Of what, in the plural.
        what: &'static str,
        /// How many it takes.
        least: usize,
        /// How many there are.
        got: usize,
    },
    /// An operand has another form than the operation takes: a sequence for a vector, another number of axes or order of values.
    #[error("{op}: {reason}")]
    Form {
        /// The operation or layer.
        op: &'static str,
        /// Which form was met, and which is expected.
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

/// Refuses an option unless `holds`, which is to be false for NaN.
pub(crate) fn check_option(op: &'static str, holds: bool, reason: &'static str) -> Result<(), OpError> {
    if holds { Ok(()) } else { Err(OpError::Option { op, reason }) }
}

/// Refuses an epsilon that is not a finite number of at least 0.
pub(crate) fn check_eps(op: &'static str, eps: f32) -> Result<(), OpError> {
    check_option(op, eps.is_finite() && eps >= 0.0, "eps is not a finite number of at least 0")
}

/// Refuses less than `least` of something.
pub(crate) fn check_least(op: &'static str, what: &'static str, least: usize, got: usize) -> Result<(), OpError> {
    if got >= least { Ok(()) } else { Err(OpError::TooFew { op, what, least, got }) }
}

/// A size that run time knows as one of a type that may know another.
pub(crate) fn typed_size<W: Dim>(op: &'static str, what: &'static str, got: usize) -> Result<W, OpError> {
    // A `Dim` tells its size by a value alone, and there is none: the one that the type takes is searched for.
    let expected = || (0..=usize::MAX).find(|size| W::from_size(*size).is_some()).unwrap_or_default();
    W::from_size(got).ok_or_else(|| OpError::Shape { op, what, expected: expected(), got })
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

#[cfg(test)]
mod tests {
    use dfdx::prelude::Const;

    use super::*;

    #[test]
    fn errors_say_what_is_wrong() {
        let message = |result: Result<(), OpError>| result.unwrap_err().to_string();
        assert_eq!(message(check_eps("l2", f32::NAN)), "l2: eps is not a finite number of at least 0");
        assert_eq!(message(check_least("concat", "parts", 1, 0)), "concat: too few parts: 0, at least 1 needed");
        assert_eq!(message(check_size("add", "width", 3, 2)), "add: width is 2, expected 3");
        assert_eq!(message(typed_size::<Const<3>>("take", "width", 2).map(drop)), "take: width is 2, expected 3");
        assert_eq!(typed_size::<usize>("take", "width", 2), Ok(2));
        let form = OpError::Form { op: "expert", reason: "one vector per video where a sequence is expected" };
        assert_eq!(message(Err(form)), "expert: one vector per video where a sequence is expected");
    }
}
