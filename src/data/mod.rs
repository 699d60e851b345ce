//! Values to splits, batches and sampling.
//!
//! [`Loaded`], [`FileError`] and [`FiniteMatrix`] are what the data sets share, and know none of them; every data set, or family of data
//! sets, has a folder. What files hold is made values by [`formats`](crate::formats).

pub mod epic100;
pub mod experts;
mod finite;
pub mod near_duplicate;
mod reader;
pub mod relational;
pub mod youcook2;

pub use finite::{FiniteMatrix, NotFinite};
pub use reader::{FileError, FileProblem, Loaded};
