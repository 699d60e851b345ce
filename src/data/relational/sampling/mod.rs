//! Drawing of triplets from class tables, and the batches of a training epoch.

mod classes;
mod slices;
mod triplets;

pub use classes::{ClassKey, ClassTable, SamplingError};
pub use slices::{anchor_slice, num_batches};
pub use triplets::{Distribution, TripletSampler, Triplets};
