//! Collaborative Experts (CE), MoEE, CE+ and the students of TeachText: one network with options.
//!
//! Liu, Albanie, Nagrani & Zisserman, "Use What You Have: Video Retrieval Using Representations From Collaborative Experts", BMVC 2019;
//! Miech, Laptev & Sivic, "Learning a Text-Video Embedding from Incomplete and Heterogeneous Data", 2018; Croitoru et al., "TeachText:
//! CrossModal Generalized Distillation for Text-Video Retrieval", ICCV 2021.

mod config;
mod fusion;
mod missing;
mod network;

pub use config::{CollaborativeExpertsConfig, Design, MixtureWeights, TextPooling};
pub use fusion::ExpertFusion;
pub use missing::{MissingExpertError, clear_missing};
pub use network::{CaptionMerge, CollaborativeExperts, average_captions};
