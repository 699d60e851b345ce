//! Generalised distillation from several teachers.
//!
//! Croitoru et al., "TeachText: CrossModal Generalized Distillation for Text-Video Retrieval", ICCV 2021.

use dfdx::prelude::{Dim, HasShape, Merge, NoneTape, Tensor};
use serde::{Deserialize, Serialize};

use crate::ops::{self, LossReduction, OpError, OpsDevice, RecordingTape, check_least, check_size};

/// What a teacher's similarity is of its experts' inner products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TeacherScale {
    /// Their sum, as published: up to the number of experts, while a student's similarity, a weighted mean, is at most 1.
    Sum,
    /// Their mean: on the scale of the student.
    #[default]
    Mean,
}

/// What one teacher makes of a batch: its embeddings of the same captions and videos.
///
/// # Shapes
/// For each of the teacher's experts `(Q, E)` and `(B, E)`.
#[derive(Debug, Clone)]
pub struct TeacherEmbeddings<Q: Dim, B: Dim, D: OpsDevice> {
    /// Texts, expert by expert.
    pub text: Vec<Tensor<(Q, usize), f32, D>>,
    /// Videos, expert by expert.
    pub video: Vec<Tensor<(B, usize), f32, D>>,
}

/// The mean of the teachers' similarities, `S̄ = 1/T Σ_t Σ_m text_tm video_tmᵀ` ([`TeacherScale::Sum`]; each teacher divided by its number
/// of experts under [`TeacherScale::Mean`]): no weights of experts, no availability, no gradient.
///
/// # Shapes
/// `(Q, B)`.
///
/// # Errors
/// [`OpError::TooFew`] without teachers or for one without experts, [`OpError::Shape`] when sizes disagree.
pub fn teacher_similarity<Q: Dim, B: Dim, D: OpsDevice>(
    teachers: &[TeacherEmbeddings<Q, B, D>],
    scale: TeacherScale,
) -> Result<Tensor<(Q, B), f32, D>, OpError> {
    const OP: &str = "distillation";
    let mut sum: Option<Tensor<(Q, B), f32, D>> = None;
    for teacher in teachers {
        check_size(OP, "experts of a teacher's videos", teacher.text.len(), teacher.video.len())?;
        check_least(OP, "experts of a teacher", 1, teacher.text.len())?;
        for (text, video) in teacher.text.iter().zip(&teacher.video) {
            let product = ops::matmul_nt::<_, B, _, NoneTape, NoneTape>(text.clone(), video.clone())?;
            let product = match scale {
                TeacherScale::Sum => product,
                TeacherScale::Mean => ops::scale(product, 1.0 / teacher.text.len() as f32)?,
            };
            sum = Some(match sum {
                None => product,
                Some(sum) => ops::add(sum, product)?,
            });
        }
    }
    let sum = sum.ok_or(OpError::TooFew { op: OP, what: "teachers", least: 1, got: 0 })?;
    ops::scale(sum, 1.0 / teachers.len() as f32)
}

/// How far a student's similarities are from its teachers': the smooth L1 loss with `β = 1`, the mean over all pairs (TeachText, eq. 3).
///
/// # Shapes
/// Both `(Q, B)`; a scalar.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree.
pub fn distillation<Q: Dim, B: Dim, D: OpsDevice, T: RecordingTape<D> + Merge<NoneTape>>(
    student: Tensor<(Q, B), f32, D, T>,
    teachers: Tensor<(Q, B), f32, D>,
) -> Result<Tensor<(), f32, D, T>, OpError> {
    let ((queries, videos), (rows, columns)) = (*student.shape(), *teachers.shape());
    check_size("distillation", "texts of the teachers", queries.size(), rows.size())?;
    check_size("distillation", "videos of the teachers", videos.size(), columns.size())?;
    ops::smooth_l1(student, teachers, 1.0, LossReduction::Mean)
}
