//! The only place that looks at a tensor's memory as a slice.
//!
//! dfdx 0.13 lends a tensor's data one element at a time (`Index`); copying a whole tensor out for every operation would
//! cost as much as many of the operations themselves. These functions widen the borrow of the first element to the
//! whole buffer. With the feature `safe-views` they copy instead, and this module has no `unsafe`.
//!
//! Whether a pointer made of a reference to one element may reach its neighbours is not settled in Rust. Miri accepts the
//! tests below under Tree Borrows (`-Zmiri-tree-borrows`) and rejects them under the stricter Stacked Borrows, its default:
//! the reference there is a permission for its own four bytes. (dfdx turns features on under a nightly compiler with which
//! it does not compile; for Miri its build script was told not to.) Who wants the stricter rule takes `safe-views`.

use std::borrow::Cow;
use std::ops::DerefMut;

use dfdx::prelude::{Cpu, HasShape, Shape, Tensor};

use super::OpError;

/// A tensor's values in row-major order: borrowed where they stand so in memory, else copied.
pub(crate) fn view<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> Cow<'_, [f32]> {
    imp::borrow(tensor).map_or_else(|| Cow::Owned(copied(tensor)), Cow::Borrowed)
}

/// Borrows a tensor's values in row-major order for writing; a buffer shared with another tensor is copied first.
pub(crate) fn view_mut<S: Shape, T>(
    tensor: &mut Tensor<S, f32, Cpu, T>,
) -> Result<impl DerefMut<Target = [f32]>, OpError> {
    if tensor.shape().num_elements() > 0 && !is_contiguous(tensor) {
        return Err(OpError::Form {
            op: "update",
            reason: "the values of a parameter do not stand in row-major order",
        });
    }
    Ok(imp::borrow_mut(tensor))
}

/// A copy in row-major order (dfdx's own needs at least one value).
fn copied<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> Vec<f32> {
    if tensor.shape().num_elements() == 0 { vec![] } else { tensor.as_vec() }
}

/// Whether the values of a tensor that has some stand side by side in row-major order.
///
/// dfdx keeps strides private, but they can be read off the addresses of the first element and its neighbours.
fn is_contiguous<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> bool {
    let (sizes, origin) = (tensor.shape().concrete(), S::Concrete::default());
    let address = |index| std::ptr::from_ref(&tensor[index]).addr();
    let mut step = size_of::<f32>();
    (0..S::NUM_DIMS).rev().all(|axis| {
        let mut neighbour = origin;
        neighbour[axis] = 1;
        let fits = sizes[axis] == 1 || address(neighbour) == address(origin) + step;
        step *= sizes[axis];
        fits
    })
}

#[cfg(not(feature = "safe-views"))]
mod imp {
    use super::*;

    pub(super) fn borrow<S: Shape, T>(tensor: &Tensor<S, f32, Cpu, T>) -> Option<&[f32]> {
        let len = tensor.shape().num_elements();
        if len == 0 {
            return Some(&[]);
        }
        if !is_contiguous(tensor) {
            return None;
        }
        let first: &f32 = &tensor[S::Concrete::default()];
        // SAFETY: a tensor on `Cpu` keeps its values in one `Vec<f32>`, where an index stands at the sum of its products
        // with the strides. These are those of row-major order (just checked), so that the `len` values from the first one
        // on are the tensor's. The tensor, hence the buffer, outlives the returned borrow. No mutable borrow can exist
        // meanwhile: it would need `&mut` to a tensor that shares the buffer, and that copies the buffer first.
        Some(unsafe { std::slice::from_raw_parts(first, len) })
    }

    pub(super) fn borrow_mut<S: Shape, T>(tensor: &mut Tensor<S, f32, Cpu, T>) -> &mut [f32] {
        let len = tensor.shape().num_elements();
        if len == 0 {
            return &mut [];
        }
        let first: &mut f32 = &mut tensor[S::Concrete::default()];
        // SAFETY: as in `borrow` (the caller checked the order); `IndexMut` made the buffer unique to this tensor, and the
        // exclusive borrow of the tensor is held for the life of the slice.
        unsafe { std::slice::from_raw_parts_mut(first, len) }
    }
}

#[cfg(feature = "safe-views")]
#[forbid(unsafe_code)]
mod imp {
    use super::*;
    use std::ops::Deref;

    pub(super) fn borrow<S: Shape, T>(_: &Tensor<S, f32, Cpu, T>) -> Option<&[f32]> {
        None
    }

    pub(super) fn borrow_mut<S: Shape, T>(tensor: &mut Tensor<S, f32, Cpu, T>) -> impl DerefMut<Target = [f32]> {
        WriteBack { values: copied(tensor), tensor }
    }

    /// A copy that is written to its tensor when it goes.
    struct WriteBack<'a, S: Shape, T> {
        tensor: &'a mut Tensor<S, f32, Cpu, T>,
        values: Vec<f32>,
    }

    impl<S: Shape, T> Deref for WriteBack<'_, S, T> {
        type Target = [f32];

        fn deref(&self) -> &[f32] {
            &self.values
        }
    }

    impl<S: Shape, T> DerefMut for WriteBack<'_, S, T> {
        fn deref_mut(&mut self) -> &mut [f32] {
            &mut self.values
        }
    }

    impl<S: Shape, T> Drop for WriteBack<'_, S, T> {
        fn drop(&mut self) {
            self.tensor.copy_from(&self.values);
        }
    }
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::{Axes2, BroadcastTo, Const, PermuteTo, TensorFromVec};

    use super::*;

    fn six() -> Tensor<(usize, Const<3>), f32, Cpu> {
        Cpu::default().tensor_from_vec(vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], (2, Const))
    }

    #[test]
    fn a_contiguous_tensor_is_read_in_place() {
        let x = six();
        assert_eq!(*view(&x), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(matches!(view(&x), Cow::Borrowed(_)), cfg!(not(feature = "safe-views")));
        let scalar: Tensor<(), f32, Cpu> = Cpu::default().tensor_from_vec(vec![7.0], ());
        assert_eq!(*view(&scalar), [7.0]);
        let empty: Tensor<(usize, usize), f32, Cpu> = Cpu::default().tensor_from_vec(vec![], (0, 4));
        assert!(view(&empty).is_empty());
    }

    #[test]
    fn other_orders_are_copied() {
        let transposed: Tensor<(Const<3>, usize), f32, Cpu> = six().permute::<_, Axes2<1, 0>>();
        assert_eq!(*view(&transposed), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        // Two rows that are one in memory: a slice of six values there would reach beyond the buffer.
        let row: Tensor<(Const<3>,), f32, Cpu> = Cpu::default().tensor_from_vec(vec![1.0, 2.0, 3.0], (Const,));
        let mut twice: Tensor<(Const<2>, Const<3>), f32, Cpu> = row.broadcast();
        assert_eq!(*view(&twice), [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
        assert!(view_mut(&mut twice).is_err());
    }

    #[test]
    fn writing_leaves_tensors_that_shared_the_buffer_alone() {
        let mut x = six();
        let before = x.clone();
        view_mut(&mut x).unwrap().iter_mut().for_each(|v| *v += 1.0);
        assert_eq!(*view(&x), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(*view(&before), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }
}
