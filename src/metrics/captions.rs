//! Rank metrics where every video has the same number of caption slots, and a mask says which of them hold a caption.
//!
//! The matrix is [`TextsByVideos`]: row `v * C + c` is caption `c` of video `v`. With 0-based ranks,
//!
//! ```text
//! t2v: the rank of video v in row v C + c, for every real caption c of every v
//! v2t: the rank of the best-ranked real caption of v in column v, among all real captions
//! ```
//!
//! so that there are as many text queries as real captions, and one video query per video. Masked captions are neither queries nor items.
//! (The published program keeps them as items at a distance of 1e8, behind all real ones: the same, for similarities above -1e8.)
//!
//! Source: the evaluation of *Use What You Have: Video Retrieval Using Representations From Collaborative Experts* (Liu, Albanie, Nagrani,
//! Zisserman, BMVC 2019), of which [`RankOptions::collaborative_experts`] gives the published choices.

use super::orientation::Oriented;
use super::rank::{Place, RankOptions, RankReport, RankScores, no_truth, summarise};
use super::{Direction, MetricError, Score, TextsByVideos};
use crate::matrix::{Matrix, MatrixView};

/// Rank metrics in both directions.
///
/// `missing` of the options says what becomes of a video whose captions are all masked. [`RankReport::t2v`] has one rank for every real
/// caption, in the order of the rows; [`RankReport::v2t`] one for every video.
///
/// # Shapes
/// `similarity`: V C x V; `real`: V x C, whether a slot holds a caption.
///
/// # Errors
/// [`MetricError`]: shapes that do not fit, similarities that are not finite (the first one is named, masked captions included), videos
/// without captions where the options forbid them, no query left.
pub fn evaluate<S: Score>(
    similarity: TextsByVideos<'_, S>,
    real: MatrixView<'_, bool>,
    options: &RankOptions,
) -> Result<RankReport, MetricError> {
    let TextsByVideos(similarity) = similarity;
    check(similarity, real)?;
    let captions = real.cols();
    let t2v = similarity.per_query(Direction::Rows, Vec::new, |tied, row, scores| {
        real.as_slice()[row].then(|| Place::from_scores(scores, &[row / captions], tied))
    });
    let t2v = summarise(t2v.into_iter().flatten().collect(), similarity.cols(), Direction::Rows, options)?;

    let texts = real.as_slice().iter().filter(|&&real| real).count();
    // The place of a video's first real caption among the real captions of all.
    let counts = (0..real.rows()).map(|video| real.row(video).iter().filter(|&&real| real).count());
    let first: Vec<usize> =
        counts.clone().scan(0, |end, count| Some(std::mem::replace(end, *end + count))).chain([texts]).collect();
    let v2t = similarity.per_query(Direction::Columns, Default::default, |(kept, tied), video, scores| {
        let own: Vec<usize> = (first[video]..first[video + 1]).collect();
        Place::from_scores(only_real(scores, real, kept), &own, tied)
    });
    let v2t = summarise(v2t, texts, Direction::Columns, options)?;
    Ok(RankReport { v2t, t2v })
}

/// The scores of the real captions; `kept` is scratch.
fn only_real<'a, S: Score>(scores: &'a [S], real: MatrixView<'_, bool>, kept: &'a mut Vec<S>) -> &'a [S] {
    if real.as_slice().iter().all(|&real| real) {
        return scores;
    }
    kept.clear();
    kept.extend(scores.iter().zip(real.as_slice()).filter(|(_, real)| **real).map(|(&score, _)| score));
    kept
}

/// The best videos of every real caption, as the challenges ask for them: for each, the columns by falling similarity, tied ones by
/// ascending index (the published program leaves their order to the sort).
///
/// # Shapes
/// `similarity`: V C x V; `real`: V x C; result: as many rows as real captions, `min(k, V)` columns.
///
/// # Errors
/// As [`evaluate`], but for missing captions.
pub fn top_k<S: Score>(
    similarity: TextsByVideos<'_, S>,
    real: MatrixView<'_, bool>,
    k: usize,
) -> Result<Matrix<usize>, MetricError> {
    let TextsByVideos(similarity) = similarity;
    check(similarity, real)?;
    let k = k.min(similarity.cols());
    let best = |scores: &[S]| {
        // Finite scores are always comparable.
        let before = |&a: &usize, &b: &usize| {
            scores[b].partial_cmp(&scores[a]).unwrap_or(std::cmp::Ordering::Equal).then(a.cmp(&b))
        };
        let mut order: Vec<usize> = (0..scores.len()).collect();
        if k > 0 && k < order.len() {
            order.select_nth_unstable_by(k - 1, before);
        }
        order.truncate(k);
        order.sort_unstable_by(before);
        order
    };
    let best =
        similarity.per_query(Direction::Rows, || (), |(), row, scores| real.as_slice()[row].then(|| best(scores)));
    let best: Vec<Vec<usize>> = best.into_iter().flatten().collect();
    Ok(Matrix::from_fn(best.len(), k, |i, j| best[i][j]))
}

fn check<S: Score>(similarity: Oriented<'_, S>, real: MatrixView<'_, bool>) -> Result<(), MetricError> {
    let mask = (real.rows(), real.cols());
    if similarity.shape() != (real.as_slice().len(), mask.0) {
        return Err(MetricError::Captions { similarity: similarity.shape(), mask });
    }
    similarity.check()
}

/// The metric of the original program of *Learning a Text-Video Embedding from Incomplete and Heterogeneous Data* (Miech, Laptev, Sivic,
/// 2018): every place that the score of the ground truth occupies counts as a query of its own, so that a query with ties counts several
/// times. Use it to reproduce published numbers only.
///
/// The published program gives recalls as fractions; here they are percent, as everywhere.
///
/// # Shapes
/// `similarity`: n x n, texts as queries, pairs on the diagonal. The result has n ranks or more.
///
/// # Errors
/// [`MetricError`]: a matrix that is not square or has no rows, similarities that are not finite.
pub fn tied_places_as_queries<S: Score>(similarity: TextsByVideos<'_, S>) -> Result<RankScores, MetricError> {
    let TextsByVideos(similarity) = similarity;
    if similarity.rows() != similarity.cols() {
        return Err(MetricError::NotSquare { similarity: similarity.shape() });
    }
    similarity.check()?;
    let places =
        similarity.per_query(Direction::Rows, Vec::new, |tied, row, scores| Place::from_scores(scores, &[row], tied));
    let ranks = |place: Place| (0..=place.others).map(move |i| Some((place.greater + 1 + i) as f64));
    RankScores::new(places.into_iter().flatten().flat_map(ranks).collect(), &RankOptions::default())
        .ok_or_else(|| no_truth(Direction::Rows, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::rank::MissingTruth;

    /// Two videos of two captions; the second caption of the second video is masked.
    fn example() -> (Matrix<f32>, Matrix<bool>) {
        let similarity = Matrix::new(vec![0.9, 0.1, 0.2, 0.3, 0.5, 0.5, 1.0, 1.0], 4, 2).unwrap();
        (similarity, Matrix::new(vec![true, true, true, false], 2, 2).unwrap())
    }

    #[test]
    fn both_directions_by_hand() {
        let (similarity, real) = example();
        let report =
            evaluate(TextsByVideos::new(similarity.view()), real.view(), &RankOptions::collaborative_experts())
                .unwrap();
        assert_eq!(report.t2v.ranks, [Some(1.0), Some(2.0), Some(1.5)]);
        // The masked caption has the best score of both columns and is no item.
        assert_eq!(report.v2t.ranks, [Some(1.0), Some(1.0)]);
        approx::assert_relative_eq!(report.t2v.r1, 100.0 / 3.0);
        assert_eq!(report.t2v.r5, 100.0);
    }

    #[test]
    fn a_video_without_captions_follows_the_policy() {
        let (similarity, _) = example();
        let real = Matrix::new(vec![true, true, false, false], 2, 2).unwrap();
        let with = |missing| {
            let options = RankOptions { missing, ..RankOptions::collaborative_experts() };
            evaluate(TextsByVideos::new(similarity.view()), real.view(), &options).map(|report| report.v2t)
        };
        let published = with(MissingTruth::Infinite).unwrap();
        assert_eq!((published.ranks[1], published.r50, published.mean), (Some(f64::INFINITY), 50.0, f64::INFINITY));
        assert_eq!(with(MissingTruth::Skip).unwrap().mean, 1.0);
        let error = with(MissingTruth::Error).unwrap_err().to_string();
        assert_eq!(error, "recall and rank: query 1 (column) has no relevant item");
    }

    #[test]
    fn bad_input_is_named() {
        let (mut similarity, real) = example();
        let options = RankOptions::default();
        let wide = Matrix::new(vec![true; 6], 2, 3).unwrap();
        let error = evaluate(TextsByVideos::new(similarity.view()), wide.view(), &options).unwrap_err();
        assert_eq!(error.to_string(), "similarity is 4x2, a mask of 2x3 (videos x captions) wants 6x2");
        assert_eq!(top_k(TextsByVideos::new(similarity.view()), wide.view(), 1).unwrap_err(), error);
        let error = tied_places_as_queries(TextsByVideos::new(similarity.view())).unwrap_err();
        assert_eq!(error.to_string(), "similarity is 4x2, expected a square matrix of pairs");
        similarity.row_mut(3)[1] = f32::NAN;
        let error = evaluate(TextsByVideos::new(similarity.view()), real.view(), &options).unwrap_err();
        assert_eq!(error.to_string(), "similarity at row 3, column 1 is NaN, not a finite number");
        let nothing = (Matrix::<f32>::default(), Matrix::<bool>::default());
        let error = evaluate(TextsByVideos::new(nothing.0.view()), nothing.1.view(), &options).unwrap_err();
        assert_eq!(error.to_string(), "recall and rank: there is no row query to average over: the matrix has none");
        assert!(tied_places_as_queries(TextsByVideos::new(nothing.0.view())).is_err());
        let none = Matrix::new(vec![false; 4], 2, 2).unwrap();
        let finite = Matrix::new(vec![0.0_f64; 8], 4, 2).unwrap();
        assert!(evaluate(TextsByVideos::new(finite.view()), none.view(), &options).is_err());
        assert_eq!(top_k(TextsByVideos::new(finite.view()), none.view(), 1).unwrap().rows(), 0);
    }

    #[test]
    fn the_best_videos_with_ties_by_index() {
        let (similarity, real) = example();
        let best = |k| top_k(TextsByVideos::new(similarity.view()), real.view(), k).unwrap();
        assert_eq!(best(9).as_slice(), [0, 1, 1, 0, 0, 1]);
        assert_eq!((best(1).as_slice(), best(0).rows(), best(0).cols()), (&[0, 1, 0][..], 3, 0));
    }
}
