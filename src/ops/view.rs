//! The only place that looks at a tensor's memory as a slice.
//!
//! dfdx 0.13 lends a tensor's data one element at a time (`Index`); copying a whole tensor out for every operation would
//! cost as much as many of the operations themselves. These two functions widen the borrow of the first element to
//! the whole buffer.

use dfdx::prelude::{Cpu, Shape, Tensor};

/// Borrows the data of a contiguous tensor in row-major order.
///
/// Callers pass the result of `try_contiguous` (or a parameter, which is always contiguous).
pub(crate) fn view<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> &[f32] {
    let len = shape_len(tensor);
    if len == 0 {
        return &[];
    }
    let first: &f32 = &tensor[S::Concrete::default()];
    // SAFETY: the buffer of a contiguous tensor on `Cpu` is one `Vec<f32>` with exactly `num_elements` values, index
    // zero is its first value, and the tensor (hence the buffer) outlives the returned borrow. No mutable borrow can
    // exist meanwhile, since it would need `&mut` to a tensor that shares the buffer, and that copies the buffer first.
    unsafe { std::slice::from_raw_parts(first, len) }
}

/// Borrows the data of a contiguous tensor for writing; a buffer shared with another tensor is copied first.
pub(crate) fn view_mut<S: Shape, T>(tensor: &mut Tensor<S, f32, Cpu, T>) -> &mut [f32] {
    let len = shape_len(tensor);
    if len == 0 {
        return &mut [];
    }
    let first: &mut f32 = &mut tensor[S::Concrete::default()];
    // SAFETY: as in `view`; `IndexMut` made the buffer unique to this tensor, and the exclusive borrow of the tensor is
    // held for the life of the slice.
    unsafe { std::slice::from_raw_parts_mut(first, len) }
}

fn shape_len<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> usize {
    dfdx::prelude::HasShape::shape(tensor).num_elements()
}
