//! Losses, one file each. They compare embeddings of one space; mixing spaces does not compile.

mod circle;
mod distillation;
mod info_nce;
mod max_margin;
mod ranking;
mod triplet;

pub use circle::{CircleLoss, CircleWeighting, contrast_with_first};
pub use distillation::{TeacherEmbeddings, TeacherScale, distillation, teacher_similarity};
pub use info_nce::InfoNceLoss;
pub use max_margin::MaxMarginLoss;
pub use ranking::RankingLoss;
pub use triplet::{COSINE_EPS, Distance, TripletLoss, mean, sum};
