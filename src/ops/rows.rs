use dfdx::prelude::{Dim, Shape};

/// A shape read as rows: every leading axis collapsed, the last axis kept.
///
/// Operations that work row by row take any `S: Rows`, so that one code serves `(B, D)` and `(B, T, D)`, with axes
/// known at compile time or at run time.
pub trait Rows: Shape {
    /// The last axis.
    type Last: Dim;
    /// The same leading axes before another last axis.
    type With<L: Dim>: Rows<Last = L>;

    /// The last axis.
    fn last(&self) -> Self::Last;

    /// Replaces the last axis.
    fn with<L: Dim>(&self, last: L) -> Self::With<L>;

    /// Product of the leading axes.
    fn rows(&self) -> usize;
}

macro_rules! impl_rows {
    ($($lead:ident $index:tt),*; $last:tt) => {
        impl<$($lead: Dim,)* Z: Dim> Rows for ($($lead,)* Z,) {
            type Last = Z;
            type With<L: Dim> = ($($lead,)* L,);

            fn last(&self) -> Z {
                self.$last
            }

            fn with<L: Dim>(&self, last: L) -> Self::With<L> {
                ($(self.$index,)* last,)
            }

            fn rows(&self) -> usize {
                1 $(* self.$index.size())*
            }
        }
    };
}

impl_rows!(A 0; 1);
impl_rows!(A 0, B 1; 2);
impl_rows!(A 0, B 1, C 2; 3);
