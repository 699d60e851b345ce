use std::collections::HashSet;

use dfdx::prelude::{HasShape, NoneTape};

use super::TcaError;
use super::annotations::Annotations;
use super::options::{Metric, Options};
use crate::blocks::{Frames, Phase};
use crate::data::near_duplicate::{Crop, FrameFeatures, VideoIds, resize_axis};
use crate::matrix::Matrix;
use crate::metrics::near_duplicate::{Collection, Counts, Results};
use crate::models::VideoEncoder;
use crate::ops::{self, OpsDevice};
use crate::run;
use crate::similarity::{FrameSets, Measure, chamfer, cosine_as_published, euclidean_per_item, symmetric_chamfer};
use crate::train::{Purpose, rng};

/// Videos that are compared at once.
const BLOCK: usize = 64;

/// Frames that go through the encoder at once.
const FRAMES: usize = 1 << 12;

/// Similarities of the queries that are there with the videos of the database that are there.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoSimilarities {
    /// Queries by their place in the list of the data set, in order.
    pub queries: Vec<usize>,
    /// Videos of the database, in the order of the data set.
    pub videos: Vec<u32>,
    /// Queries by videos.
    pub similarities: Matrix<f64>,
}

impl VideoSimilarities {
    /// The results of a query, by its place in the list of the data set.
    ///
    /// # Errors
    /// [`TcaError::Metric`] when videos are not among so many numbers.
    pub fn results(&self, place: usize, numbers: usize) -> Result<Option<Results>, TcaError> {
        let Ok(row) = self.queries.binary_search(&place) else { return Ok(None) };
        let mut results = Results::new(numbers);
        results.extend(self.videos.iter().copied().zip(self.similarities.row(row).iter().copied()))?;
        Ok(Some(results))
    }
}

/// What videos are made: vectors of unit length, one or several for each.
struct Embedded {
    vectors: Matrix<f32>,
    /// Those of video `i` are the rows `offsets[i]..offsets[i + 1]`.
    offsets: Vec<usize>,
}

/// Embeds videos and compares them with each other, a block of the database at a time.
struct Comparison<'a, D: OpsDevice, M> {
    encoder: &'a M,
    device: &'a D,
    features: &'a FrameFeatures,
    ids: &'a VideoIds,
    options: &'a Options,
}

impl<D: OpsDevice, M: VideoEncoder<D>> Comparison<'_, D, M> {
    /// The frames of a video: of one that is too long a window, drawn by [`Options::eval_seed`] and video.
    fn clip(&self, video: u32) -> Result<Matrix<f32>, TcaError> {
        let frames = self.features.frames(self.ids.id(video).unwrap_or_default())?;
        let length = self.options.padding_size.min(frames.rows());
        let draws = &mut rng(self.options.eval_seed, Purpose::Pairs, usize::MAX, video as usize);
        let crop = Crop::draw(frames.rows(), self.options.padding_size, self.options.random_sampling, draws);
        Ok(resize_axis(frames.view(), length, &crop)?)
    }

    /// A block of videos after the other, so that the frames of one block alone are in memory.
    fn embed_all(&self, videos: &[u32]) -> Result<Embedded, TcaError> {
        let (mut values, mut offsets, mut width) = (vec![], vec![0], 0);
        for block in videos.chunks(BLOCK) {
            let Embedded { vectors, offsets: of_block } = self.embed(block)?;
            let before = offsets.last().copied().unwrap_or(0);
            offsets.extend(of_block[1..].iter().map(|end| before + end));
            width = vectors.cols();
            values.extend(vectors.into_vec());
        }
        let rows = offsets.last().copied().unwrap_or(0);
        Ok(Embedded { vectors: Matrix::new(values, rows, width)?, offsets })
    }

    /// Videos of similar length go through the encoder together. Padding has no effect in evaluation: batch norms use running statistics, and
    /// recurrent networks reach it last.
    fn embed(&self, videos: &[u32]) -> Result<Embedded, TcaError> {
        let clips = videos.iter().map(|video| self.clip(*video)).collect::<Result<Vec<_>, _>>()?;
        let mut order: Vec<usize> = (0..clips.len()).collect();
        order.sort_by_key(|at| clips[*at].rows());
        let mut embedded: Vec<Vec<f32>> = vec![vec![]; clips.len()];
        let (mut first, mut width) = (0, 0);
        while first < order.len() {
            let mut end = first + 1;
            while end < order.len() && (end + 1 - first) * clips[order[end]].rows() <= FRAMES {
                end += 1;
            }
            width = self.embed_together(&order[first..end], &clips, &mut embedded)?;
            first = end;
        }
        let offsets = embedded.iter().scan(0, |end, values| {
            *end += values.len() / width.max(1);
            Some(*end)
        });
        let offsets: Vec<usize> = std::iter::once(0).chain(offsets).collect();
        let rows = offsets.last().copied().unwrap_or(0);
        Ok(Embedded { vectors: Matrix::new(embedded.concat(), rows, width)?, offsets })
    }

    fn embed_together(
        &self,
        places: &[usize],
        clips: &[Matrix<f32>],
        embedded: &mut [Vec<f32>],
    ) -> Result<usize, TcaError> {
        let lengths: Vec<usize> = places.iter().map(|place| clips[*place].rows()).collect();
        let (longest, width) = (lengths.iter().copied().max().unwrap_or(0), self.features.width());
        let mut values = vec![0.0; places.len() * longest * width];
        for (place, row) in places.iter().zip(values.chunks_exact_mut(longest * width)) {
            let frames = clips[*place].as_slice();
            row[..frames.len()].copy_from_slice(frames);
        }
        let values = ops::to_tensor(self.device, values, (places.len(), longest, width))?;
        let frames: Frames<usize, usize, D, NoneTape> = Frames::of_lengths(values, &lengths)?;
        let (values, count, width): (Vec<f32>, Box<dyn Fn(usize) -> usize>, usize) = match self.options.metric {
            Metric::Euclidean | Metric::Cosine => {
                let vectors = self.encoder.embed(frames, Phase::Evaluation)?;
                let width = vectors.shape().1;
                (ops::to_vec(&vectors)?, Box::new(|_| 1), width)
            }
            Metric::Chamfer | Metric::SymmetricChamfer => {
                let (vectors, count) = self.encoder.embed_frames(frames, Phase::Evaluation)?.into_parts();
                let width = vectors.shape().2;
                (ops::to_vec(&vectors)?, Box::new(count), width)
            }
        };
        let per_video = values.len() / places.len();
        for ((place, length), values) in places.iter().zip(lengths).zip(values.chunks_exact(per_video)) {
            embedded[*place] = values[..count(length) * width].to_vec();
        }
        Ok(width)
    }

    fn compare(&self, queries: &Embedded, videos: &Embedded) -> Result<Matrix<f64>, TcaError> {
        let (q, v) = (queries.vectors.view(), videos.vectors.view());
        let sets = || -> Result<_, TcaError> {
            Ok((FrameSets::new(q, &queries.offsets)?, FrameSets::new(v, &videos.offsets)?))
        };
        let wide =
            |matrix: Matrix<f32>| Matrix::from_fn(matrix.rows(), matrix.cols(), |i, j| f64::from(matrix.row(i)[j]));
        Ok(match self.options.metric {
            Metric::Euclidean => euclidean_per_item(q, v)?,
            Metric::Cosine => wide(cosine_as_published(q, v)?),
            Metric::Chamfer => {
                let (queries, videos) = sets()?;
                wide(chamfer(queries, videos, Measure::InnerProduct)?)
            }
            Metric::SymmetricChamfer => {
                let (queries, videos) = sets()?;
                wide(symmetric_chamfer(queries, videos, Measure::InnerProduct)?)
            }
        })
    }
}

/// Compares the queries of a data set with its database. Videos without features are left out.
///
/// Memory: the embedded queries, a block of the database, and the similarities.
///
/// # Errors
/// [`TcaError`]: features that cannot be used, with the video they are of.
pub fn similarities<D: OpsDevice>(
    encoder: &impl VideoEncoder<D>,
    device: &D,
    features: &FrameFeatures,
    annotations: &Annotations,
    options: &Options,
) -> Result<VideoSimilarities, TcaError> {
    let (ids, queries, database) = annotations.lists();
    let comparison = Comparison { encoder, device, features, ids, options };
    let is_there = |video: u32| features.has(ids, video);
    let places: Vec<usize> = (0..queries.len()).filter(|place| is_there(queries[*place])).collect();
    let videos: Vec<u32> = database.iter().copied().filter(|video| is_there(*video)).collect();
    let found: Vec<u32> = places.iter().map(|place| queries[*place]).collect();
    let mut similarities = Matrix::from_fn(places.len(), videos.len(), |_, _| 0.0);
    if !places.is_empty() {
        let queries = comparison.embed_all(&found)?;
        for (block, block_videos) in videos.chunks(BLOCK).enumerate() {
            let of_block = comparison.compare(&queries, &comparison.embed(block_videos)?)?;
            for row in 0..places.len() {
                similarities.row_mut(row)[block * BLOCK..][..block_videos.len()].copy_from_slice(of_block.row(row));
            }
        }
    }
    Ok(VideoSimilarities { queries: places, videos, similarities })
}

/// A model tested on a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct TcaReport {
    /// Similarities.
    pub similarities: VideoSimilarities,
    /// Scores by their published names.
    pub scores: Vec<(String, f64)>,
    /// Queries and videos of the database that are there, of how many.
    pub counts: Counts,
    /// Queries and videos that are there.
    pub found: usize,
    /// For each query that is there the rank of the best relevant video; NaN without one.
    pub ranks: Vec<f64>,
}

/// Compares, ranks and judges by the rules of the data set's published program.
///
/// # Errors
/// As [`similarities`]; [`TcaError::Metric`] when there is nothing to judge.
pub fn evaluate<D: OpsDevice>(
    encoder: &impl VideoEncoder<D>,
    device: &D,
    features: &FrameFeatures,
    annotations: &Annotations,
    options: &Options,
) -> Result<TcaReport, TcaError> {
    let similarities = similarities(encoder, device, features, annotations, options)?;
    let (ids, queries, database) = annotations.lists();
    let is_there = |video: u32| features.has(ids, video);
    let collection = Collection::new(ids.len()).with_queries(queries, is_there)?.with_database(database, is_there)?;
    let scores = annotations.scores(&collection, &|place| similarities.results(place, ids.len()))?;
    let ranks = similarities.queries.iter().enumerate();
    let ranks = ranks.map(|(row, place)| best_rank(&similarities, row, &annotations.relevant(*place), queries[*place]));
    let ranks = ranks.collect();
    Ok(TcaReport { scores, counts: collection.counts(), found: collection.found(), ranks, similarities })
}

/// Rank of the best relevant video but the query itself; ties at their expectation.
fn best_rank(similarities: &VideoSimilarities, row: usize, relevant: &[u32], own: u32) -> f64 {
    let (scores, relevant): (_, HashSet<&u32>) = (similarities.similarities.row(row), relevant.iter().collect());
    let others = || similarities.videos.iter().zip(scores).filter(|(video, _)| **video != own);
    let best = others().filter(|(video, _)| relevant.contains(video)).map(|(_, score)| *score).fold(f64::NAN, f64::max);
    let above = others().filter(|(_, score)| **score > best).count();
    let tied = others().filter(|(_, score)| **score == best).count();
    if best.is_nan() { f64::NAN } else { above as f64 + (tied as f64 + 1.0) / 2.0 }
}

impl run::Evaluation for TcaReport {
    fn scores(&self) -> Vec<(String, f64)> {
        self.scores.clone()
    }

    fn ranks(&self) -> Vec<(&'static str, Vec<f64>)> {
        vec![("q2v", self.ranks.clone())]
    }

    /// Counts, a warning of what is missing, and every score with four decimals.
    fn published_output(&self) -> Option<String> {
        let Counts { queries, database } = self.counts;
        let mut lines = vec![
            format!("queries: {} of {}", queries.found, queries.expected),
            format!("database: {} of {}", database.found, database.expected),
        ];
        if queries.found < queries.expected {
            lines.push(format!("warning: {} queries have no features", queries.expected - queries.found));
        }
        lines.extend(self.scores.iter().map(|(name, score)| format!("{name}: {score:.4}")));
        Some(lines.join("\n"))
    }
}
