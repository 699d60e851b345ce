//! Losses, one file each. They compare embeddings of one space; mixing spaces does not compile.

mod triplet;

pub use triplet::{COSINE_EPS, Distance, TripletLoss, mean, sum};
