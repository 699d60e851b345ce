use dfdx::prelude::{Dim, Shape};

/// A shape read as matrices: the last two axes, below any leading ones.
pub trait Matrices: Shape {
    /// The axis before the last.
    type Rows: Dim;
    /// The last axis.
    type Columns: Dim;
    /// The same leading axes before matrices of another size.
    type With<M: Dim, N: Dim>: Matrices<Rows = M, Columns = N>;

    /// The axis before the last.
    fn rows(&self) -> Self::Rows;

    /// The last axis.
    fn columns(&self) -> Self::Columns;

    /// Replaces the last two axes.
    fn with<M: Dim, N: Dim>(&self, rows: M, columns: N) -> Self::With<M, N>;

    /// Sizes of the last two axes.
    fn matrix(&self) -> (usize, usize) {
        (self.rows().size(), self.columns().size())
    }

    /// Sizes of the leading axes.
    fn leading(&self) -> Vec<usize> {
        let mut sizes: Vec<usize> = self.concrete().into();
        sizes.truncate(Self::NUM_DIMS - 2);
        sizes
    }
}

macro_rules! impl_matrices {
    ($($lead:ident $index:tt),*; $rows:tt, $columns:tt) => {
        impl<$($lead: Dim,)* Y: Dim, Z: Dim> Matrices for ($($lead,)* Y, Z) {
            type Rows = Y;
            type Columns = Z;
            type With<M: Dim, N: Dim> = ($($lead,)* M, N);

            fn rows(&self) -> Y {
                self.$rows
            }

            fn columns(&self) -> Z {
                self.$columns
            }

            fn with<M: Dim, N: Dim>(&self, rows: M, columns: N) -> Self::With<M, N> {
                ($(self.$index,)* rows, columns)
            }
        }
    };
}

impl_matrices!(; 0, 1);
impl_matrices!(A 0; 1, 2);
impl_matrices!(A 0, B 1; 2, 3);
