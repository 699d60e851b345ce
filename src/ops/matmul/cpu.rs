use dfdx::prelude::{Cpu, Merge, Shape, Tensor};

use super::{MatmulKernel, Product};
use crate::gemm::{self, Operand, Threads, gemm};
use crate::ops::parallel::for_items;
use crate::ops::record::{operands, record};
use crate::ops::slot::{Gradient, Slot};
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, RecordingTape};

/// One operand of every product: matrices of one stored size, one after the other.
#[derive(Clone, Copy)]
struct Stack<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl<'a> Stack<'a> {
    /// `rows` and `columns` are those of the matrices as they are read.
    fn new(data: &'a [f32], rows: usize, columns: usize, transposed: bool) -> Self {
        let (rows, columns) = if transposed { (columns, rows) } else { (rows, columns) };
        Self { data, rows, columns, transposed }
    }

    fn t(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    fn matrix(&self, i: usize) -> Operand<'a> {
        let size = self.rows * self.columns;
        let stored = Operand::new(&self.data[i * size..][..size], self.rows, self.columns);
        if self.transposed { stored.t() } else { stored }
    }

    /// Number of columns as read.
    fn width(&self) -> usize {
        if self.transposed { self.rows } else { self.columns }
    }

    /// Number of rows as read.
    fn height(&self) -> usize {
        if self.transposed { self.columns } else { self.rows }
    }
}

/// `outᵢ += aᵢ bᵢ` if `accumulate`, else `outᵢ = aᵢ bᵢ`.
fn multiply(a: Stack, b: Stack, out: &mut [f32], accumulate: bool) {
    let (rows, columns) = (a.height(), b.width());
    let work = out.len() * a.width();
    for_items(out, rows * columns, work, |i, out, threads| {
        gemm(a.matrix(i), b.matrix(i), out, columns, accumulate, threads);
    });
}

/// Adds the products to a gradient; a single one that is the first is that gradient.
fn add_product(gradient: Gradient<'_>, a: Stack, b: Stack, count: usize) {
    match count {
        1 => gradient.add_product(a.matrix(0), b.matrix(0), b.width(), Threads::All),
        _ => multiply(a, b, gradient.filled(), true),
    }
}

impl MatmulKernel for Cpu {
    fn matmul<A: Shape, B: Shape, O: Shape, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        a: Tensor<A, f32, Self, T>,
        b: Tensor<B, f32, Self, R>,
        product: Product,
        shape: O,
    ) -> Result<Tensor<O, f32, Self, T>, OpError> {
        let (a, b, tape) = operands(a, b)?;
        let Product { count, rows, inner, columns, left_transposed, right_transposed } = product;
        let y = {
            let (a_data, b_data) = (view(&a), view(&b));
            let left = Stack::new(&a_data, rows, inner, left_transposed);
            let right = Stack::new(&b_data, inner, columns, right_transposed);
            if count == 1 {
                gemm::product(left.matrix(0), right.matrix(0), Threads::All)
            } else {
                let mut y = vec![0.0; count * rows * columns];
                multiply(left, right, &mut y, false);
                y
            }
        };
        let device = a.device().clone();
        record(&device, y, shape, tape, move |grad, grads| {
            let (a_data, b_data) = (view(&a), view(&b));
            let left = Stack::new(&a_data, rows, inner, left_transposed);
            let right = Stack::new(&b_data, inner, columns, right_transposed);
            let gy = Stack::new(&grad, rows, columns, false);
            // ∂a = gy bᵀ and ∂b = aᵀ gy, or their transposes where an operand is stored so.
            let (by, of) = if left_transposed { (right, gy.t()) } else { (gy, right.t()) };
            add_product(Slot::gradient(&a, grads)?, by, of, count);
            if R::GRADIENT {
                let (by, of) = if right_transposed { (gy.t(), left) } else { (left.t(), gy) };
                add_product(Slot::gradient(&b, grads)?, by, of, count);
            }
            Ok(())
        })
    }
}
