//! Collaborative Experts (CE), MoEE, CE+, TeachText and the text-video baseline of QuerYD: their configurations.
//!
//! Liu, Albanie, Nagrani & Zisserman, "Use What You Have: Video Retrieval Using Representations From Collaborative Experts", BMVC 2019;
//! Miech, Laptev & Sivic, "Learning a Text-Video Embedding from Incomplete and Heterogeneous Data", 2018; Oncescu, Henriques, Liu,
//! Zisserman & Albanie, "QuerYD: A Video Dataset with High-Quality Text and Audio Narrations", ICASSP 2021; Croitoru et al., "TeachText:
//! CrossModal Generalized Distillation for Text-Video Retrieval", ICCV 2021.
//!
//! [`Options`] describes one run, [`Table`] the rows of a paper as differences between them.

mod check;
mod model;
mod options;
mod table;

pub use check::OptionsError;
pub use model::display_parameters;
pub use options::{Arch, CaptionMode, ExpertOptions, FrameSampling, Options, Overrides, Reading, TaskKind};
pub use table::{PublishedScores, Table, TableError, TableRow};
