//! Labels as queries: a video may have several labels, and all labels are ranked for it, or all videos for a label.
//!
//! A label is a text: the matrix is [`TextsByVideos`], with the labels as rows. Source: the evaluation of Collaborative Experts (Liu et al.,
//! BMVC 2019).

use super::graded::{self, ApDefinition, GradedOptions, PerQuery};
use super::orientation::Oriented;
use super::rank::{Found, METRIC, Place, RankOptions, RankScores};
use super::{Direction, EmptyPolicy, MetricError, Score, TextsByVideos, TiePolicy};
use crate::matrix::{Matrix, MatrixView};

/// What the other labels of a video are to the rank of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OwnLabels {
    /// No items: a label is ranked among the labels that the video does not have.
    #[default]
    Left,
    /// Items like all others, but 0, 1, 2, .. is subtracted from the ranks of a video's labels in the order of their INDICES, as published.
    /// That is the rank among the labels that the video does not have where the labels are ranked in the order of their indices; elsewhere
    /// it is off, and may be less than 1: such ranks count for all recalls but R@1.
    SubtractIndex,
}

/// Rank metrics with the videos as queries and the labels as items: one rank for every label of every video, video by video, pooled.
///
/// A video without labels has no ranks. Of the options, `tied_truths` and `missing` do not matter here.
///
/// # Shapes
/// `similarity`: L x V; `labelled`: L x V, whether the video has the label.
///
/// # Errors
/// [`MetricError`]: shapes that differ, similarities that are not finite, no label at all.
pub fn retrieval_as_classification<S: Score>(
    similarity: TextsByVideos<'_, S>,
    labelled: MatrixView<'_, bool>,
    own: OwnLabels,
    options: &RankOptions,
) -> Result<RankScores, MetricError> {
    let TextsByVideos(similarity) = similarity;
    check(similarity, labelled)?;
    let ranks = similarity.per_query(Direction::Columns, Vec::new, |tied, video, scores| {
        let has = |label: usize| labelled.row(label)[video];
        let mut left: Vec<S> = (0..scores.len()).filter(|&label| !has(label)).map(|label| scores[label]).collect();
        let mut rank = |scores: &[S], label: usize, discount: usize| {
            Place::from_scores(scores, &[label], tied).map_or(Found::at(None), |place| place.found(options, discount))
        };
        let labels = (0..scores.len()).filter(|&label| has(label)).enumerate();
        let rank = |(place, label): (usize, usize)| match own {
            OwnLabels::SubtractIndex => rank(scores, label, place),
            OwnLabels::Left => {
                // Inserted where it stands among the others, for policies that go by the index.
                let at = label - place;
                left.insert(at, scores[label]);
                let rank = rank(&left, at, 0);
                left.remove(at);
                rank
            }
        };
        labels.map(rank).collect::<Vec<_>>()
    });
    RankScores::of(ranks.into_iter().flatten().collect(), options).ok_or_else(|| MetricError::NoQueries {
        metric: METRIC,
        direction: Direction::Columns,
        reason: "no video has a label".to_string(),
    })
}

/// Mean average precision of the labels: the textbook's average precision of each label over the videos by falling similarity
/// ([`graded`] with a relevance of 1 for every video that has the label), and its mean.
///
/// Published: `EmptyPolicy::Zero`, a label without videos has an average precision of 0 and still counts.
///
/// # Shapes
/// `similarity`: L x V; `labelled`: L x V; result: one value for every label.
///
/// # Errors
/// [`MetricError`]: shapes that differ, similarities that are not finite, labels without videos where the policy forbids them.
pub fn mean_average_precision<S: Score>(
    similarity: TextsByVideos<'_, S>,
    labelled: MatrixView<'_, bool>,
    ties: TiePolicy,
    empty: EmptyPolicy,
) -> Result<PerQuery, MetricError> {
    let TextsByVideos(similarity) = similarity;
    check(similarity, labelled)?;
    let relevance =
        Matrix::from_fn(labelled.rows(), labelled.cols(), |label, video| f64::from(labelled.row(label)[video]));
    let options =
        GradedOptions { ap: ApDefinition::Binary { threshold: 1.0 }, ap_ties: ties, empty, ..GradedOptions::default() };
    graded::evaluate_oriented_rows(similarity, &relevance, &options)?.ap
}

fn check<S: Score>(similarity: Oriented<'_, S>, labelled: MatrixView<'_, bool>) -> Result<(), MetricError> {
    let (similarity_shape, relevance) = (similarity.shape(), (labelled.rows(), labelled.cols()));
    if similarity_shape != relevance {
        return Err(MetricError::Shape { similarity: similarity_shape, relevance });
    }
    similarity.check()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_video_by_hand() {
        // Order of the labels: 3, 2, 0, 1; the video has 0, 2 and 3.
        let similarity = Matrix::new(vec![0.2_f64, 0.1, 0.5, 0.9], 4, 1).unwrap();
        let labelled = Matrix::new(vec![true, false, true, true], 4, 1).unwrap();
        let ranks = |own| {
            let options = RankOptions::collaborative_experts();
            retrieval_as_classification(TextsByVideos::new(similarity.view()), labelled.view(), own, &options).unwrap()
        };
        assert_eq!(ranks(OwnLabels::Left).ranks, [Some(1.0); 3]);
        let published = ranks(OwnLabels::SubtractIndex);
        assert_eq!(published.ranks, [3.0, 1.0, -1.0].map(Some));
        approx::assert_relative_eq!(published.r1, 100.0 / 3.0);
        assert_eq!(published.r5, 100.0);
    }

    #[test]
    fn bad_input_is_named() {
        let similarity = Matrix::new(vec![0.0_f32; 4], 2, 2).unwrap();
        let (narrow, none) = (Matrix::new(vec![true; 2], 2, 1).unwrap(), Matrix::new(vec![false; 4], 2, 2).unwrap());
        let ranks = |labelled: &Matrix<bool>| {
            let options = RankOptions::default();
            retrieval_as_classification(
                TextsByVideos::new(similarity.view()),
                labelled.view(),
                OwnLabels::Left,
                &options,
            )
            .unwrap_err()
        };
        assert_eq!(ranks(&narrow).to_string(), "similarity is 2x2, relevance 2x1");
        let error = ranks(&none).to_string();
        assert_eq!(error, "recall and rank: there is no column query to average over: no video has a label");
        let map = |empty| {
            mean_average_precision(TextsByVideos::new(similarity.view()), none.view(), TiePolicy::Average, empty)
        };
        assert_eq!(map(EmptyPolicy::Zero).unwrap().mean, 0.0);
        let error = map(EmptyPolicy::Error).unwrap_err().to_string();
        assert_eq!(error, "average precision: query 0 (row) has no relevant item");
        assert!(map(EmptyPolicy::Skip).is_err());
    }
}
