mod composed;
mod cpu;
mod matrices;

pub use composed::matmul as composed;
pub use matrices::Matrices;

use dfdx::prelude::{Device, Dim, HasShape, Merge, Shape, Tensor};

use super::{LayerTape, OpError, OpsDevice, RecordingTape, check_size};

/// Sizes of `count` products of an `(rows, inner)` and an `(inner, columns)` matrix, and how the operands are stored.
#[derive(Debug, Clone, Copy)]
pub struct Product {
    /// Number of products.
    pub count: usize,
    /// Rows of the results.
    pub rows: usize,
    /// Length of the sums.
    pub inner: usize,
    /// Columns of the results.
    pub columns: usize,
    /// Whether the left matrices are stored `(inner, rows)`.
    pub left_transposed: bool,
    /// Whether the right matrices are stored `(columns, inner)`.
    pub right_transposed: bool,
}

/// Devices that can compute [`matmul`], [`matmul_nt`] and [`matmul_tn`].
pub trait MatmulKernel: Device<f32> {
    /// See [`matmul`]; the sizes of the operands and of the result (`shape`) are those of `product`.
    fn matmul<A: Shape, B: Shape, O: Shape, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        a: Tensor<A, f32, Self, T>,
        b: Tensor<B, f32, Self, R>,
        product: Product,
        shape: O,
    ) -> Result<Tensor<O, f32, Self, T>, OpError> {
        composed(a, b, product, shape)
    }
}

/// Checks that the leading axes agree and calls the kernel.
fn checked<A: Matrices, B: Matrices, O: Shape, D: OpsDevice, T: RecordingTape<D> + Merge<R>, R: LayerTape<D>>(
    a: Tensor<A, f32, D, T>,
    b: Tensor<B, f32, D, R>,
    [left_transposed, right_transposed]: [bool; 2],
    shape: O,
) -> Result<Tensor<O, f32, D, T>, OpError> {
    let sizes =
        |transposed: bool, (rows, columns): (usize, usize)| if transposed { (columns, rows) } else { (rows, columns) };
    let (rows, inner) = sizes(left_transposed, a.shape().matrix());
    let (right, columns) = sizes(right_transposed, b.shape().matrix());
    check_size("matmul", "inner size of the right operand", inner, right)?;
    for (left, right) in a.shape().leading().into_iter().zip(b.shape().leading()) {
        check_size("matmul", "leading axis of the right operand", left, right)?;
    }
    let count = a.shape().leading().iter().product();
    D::matmul(a, b, Product { count, rows, inner, columns, left_transposed, right_transposed }, shape)
}

/// Products of corresponding matrices, `y = a b`. Leading axes are not broadcast: [`linear`](super::linear) is the product with
/// one matrix. The operands are read where they stand, gradients are accumulated in place.
///
/// # Shapes
/// `a`: `(.., M, K)`, `b`: `(.., K, N)`; result: `(.., M, N)`, with none, one or two leading axes.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree.
pub fn matmul<S: Matrices, N: Dim, D: OpsDevice, T: RecordingTape<D> + Merge<R>, R: LayerTape<D>>(
    a: Tensor<S, f32, D, T>,
    b: Tensor<S::With<S::Columns, N>, f32, D, R>,
) -> Result<Tensor<S::With<S::Rows, N>, f32, D, T>, OpError> {
    let shape = a.shape().with(a.shape().rows(), b.shape().columns());
    checked(a, b, [false, false], shape)
}

/// [`matmul`] with the right operand read transposed, `y = a bᵀ`.
///
/// # Shapes
/// `a`: `(.., M, K)`, `b`: `(.., N, K)`; result: `(.., M, N)`.
///
/// # Errors
/// As [`matmul`].
pub fn matmul_nt<S: Matrices, N: Dim, D: OpsDevice, T: RecordingTape<D> + Merge<R>, R: LayerTape<D>>(
    a: Tensor<S, f32, D, T>,
    b: Tensor<S::With<N, S::Columns>, f32, D, R>,
) -> Result<Tensor<S::With<S::Rows, N>, f32, D, T>, OpError> {
    let shape = a.shape().with(a.shape().rows(), b.shape().rows());
    checked(a, b, [false, true], shape)
}

/// [`matmul`] with the left operand read transposed, `y = aᵀ b`.
///
/// # Shapes
/// `a`: `(.., K, M)`, `b`: `(.., K, N)`; result: `(.., M, N)`.
///
/// # Errors
/// As [`matmul`].
pub fn matmul_tn<S: Matrices, N: Dim, D: OpsDevice, T: RecordingTape<D> + Merge<R>, R: LayerTape<D>>(
    a: Tensor<S, f32, D, T>,
    b: Tensor<S::With<S::Rows, N>, f32, D, R>,
) -> Result<Tensor<S::With<S::Columns, N>, f32, D, T>, OpError> {
    let shape = a.shape().with(a.shape().columns(), b.shape().columns());
    checked(a, b, [true, false], shape)
}
