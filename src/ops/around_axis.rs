use dfdx::prelude::Shape;

/// A shape read as `(outer, length, inner)` around one of its axes.
#[derive(Debug, Clone, Copy)]
pub struct AroundAxis {
    /// Product of the axes before it.
    pub outer: usize,
    /// Its size.
    pub length: usize,
    /// Product of the axes after it.
    pub inner: usize,
}

impl AroundAxis {
    /// The sizes of `shape` around axis `axis`.
    pub(crate) fn of<S: Shape>(shape: &S, axis: usize) -> Self {
        let sizes: Vec<usize> = shape.concrete().into();
        let product = |sizes: &[usize]| sizes.iter().product();
        Self { outer: product(&sizes[..axis]), length: sizes[axis], inner: product(&sizes[axis + 1..]) }
    }
}
