//! Losses, one file each. They compare embeddings of one space; mixing spaces does not compile.

mod distillation;
mod max_margin;
mod triplet;

pub use distillation::{TeacherEmbeddings, TeacherScale, distillation, teacher_similarity};
pub use max_margin::MaxMarginLoss;
pub use triplet::{COSINE_EPS, Distance, TripletLoss, mean, sum};
