//! Which side of a matrix of similarities the videos are on, and walks over the queries of either side.

use rayon::prelude::*;

use super::{Direction, MetricError, Score};
use crate::matrix::MatrixView;

/// Similarities with videos as rows and texts as columns; larger is more alike.
///
/// ```
/// use coembed::matrix::Matrix;
/// use coembed::metrics::rank::{self, RankOptions};
/// use coembed::metrics::{TextsByVideos, VideosByTexts};
///
/// let similarity = Matrix::new(vec![0.9, 0.8, 0.1, 0.2], 2, 2)?;
/// let truths = [vec![0], vec![1]];
/// let report = rank::evaluate(VideosByTexts::new(similarity.view()), &truths, &RankOptions::default())?;
/// assert_eq!((report.v2t.r1, report.t2v.r1), (100.0, 50.0));
/// // The same numbers as the scores of a text for every video.
/// let report = rank::evaluate(TextsByVideos::new(similarity.view()).transposed(), &truths, &RankOptions::default())?;
/// assert_eq!((report.v2t.r1, report.t2v.r1), (50.0, 100.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct VideosByTexts<'a, S>(pub(super) Oriented<'a, S>);

/// Similarities with texts (captions or labels) as rows and videos as columns; larger is more alike.
#[derive(Debug, Clone, Copy)]
pub struct TextsByVideos<'a, S>(pub(super) Oriented<'a, S>);

impl<'a, S: Score> VideosByTexts<'a, S> {
    /// Says of a matrix that its rows are videos and its columns texts.
    pub fn new(similarity: MatrixView<'a, S>) -> Self {
        Self(similarity.into())
    }

    /// The transpose, of which nothing is copied.
    pub fn transposed(self) -> TextsByVideos<'a, S> {
        TextsByVideos(self.0.transposed())
    }
}

impl<'a, S: Score> TextsByVideos<'a, S> {
    /// Says of a matrix that its rows are texts and its columns videos.
    pub fn new(similarity: MatrixView<'a, S>) -> Self {
        Self(similarity.into())
    }

    /// The transpose, of which nothing is copied.
    pub fn transposed(self) -> VideosByTexts<'a, S> {
        VideosByTexts(self.0.transposed())
    }
}

/// A matrix, or the transpose of one, which is read in place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Oriented<'a, S> {
    stored: MatrixView<'a, S>,
    transposed: bool,
}

impl<'a, S> From<MatrixView<'a, S>> for Oriented<'a, S> {
    fn from(stored: MatrixView<'a, S>) -> Self {
        Self { stored, transposed: false }
    }
}

impl<S: Score> Oriented<'_, S> {
    fn transposed(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    pub fn rows(self) -> usize {
        if self.transposed { self.stored.cols() } else { self.stored.rows() }
    }

    pub fn cols(self) -> usize {
        if self.transposed { self.stored.rows() } else { self.stored.cols() }
    }

    /// Rows and columns.
    pub fn shape(self) -> (usize, usize) {
        (self.rows(), self.cols())
    }

    /// Refuses more rows or columns than there are indices for, and the first similarity that is not finite, row by row.
    pub fn check(self) -> Result<(), MetricError> {
        let items = self.rows().max(self.cols());
        if items > 1 << 31 {
            return Err(MetricError::TooManyItems { items });
        }
        let not_finite = |i: usize| {
            let values = self.stored.row(i);
            let j = if S::all_finite(values) { None } else { values.iter().position(|value| !value.is_finite()) }?;
            Some(if self.transposed { (j, i) } else { (i, j) })
        };
        let Some((row, column)) = (0..self.stored.rows()).into_par_iter().filter_map(not_finite).min() else {
            return Ok(());
        };
        let (i, j) = if self.transposed { (column, row) } else { (row, column) };
        Err(MetricError::NonFinite { row, column, value: self.stored.row(i)[j].into() })
    }

    /// `f(state, query, scores)` for every query of a direction, in order.
    ///
    /// Blocks of queries run in parallel, each with its own state. Columns are gathered block-wise, so that every cache line of the matrix is
    /// read once per direction and no transposed copy exists.
    pub fn per_query<W, T: Send>(
        self,
        direction: Direction,
        state: impl Fn() -> W + Sync,
        f: impl Fn(&mut W, usize, &[S]) -> T + Sync,
    ) -> Vec<T> {
        const BLOCK: usize = 32;
        let contiguous = (direction == Direction::Rows) != self.transposed;
        let (rows, cols) = (self.stored.rows(), self.stored.cols());
        let queries = if contiguous { rows } else { cols };
        let block = |b: usize| {
            let span = b * BLOCK..queries.min((b + 1) * BLOCK);
            let mut state = state();
            if contiguous {
                return span.map(|i| f(&mut state, i, self.stored.row(i))).collect::<Vec<T>>();
            }
            let gathered = gather(self.stored, span.clone());
            span.enumerate().map(|(k, j)| f(&mut state, j, &gathered[k * rows..][..rows])).collect()
        };
        (0..queries.div_ceil(BLOCK)).into_par_iter().map(block).collect::<Vec<_>>().into_iter().flatten().collect()
    }
}

/// Some columns of a matrix, one after the other.
fn gather<S: Score>(matrix: MatrixView<'_, S>, columns: std::ops::Range<usize>) -> Vec<S> {
    let rows = matrix.rows();
    let mut gathered = vec![S::default(); rows * columns.len()];
    for i in 0..rows {
        for (k, &value) in matrix.row(i)[columns.clone()].iter().enumerate() {
            gathered[k * rows + i] = value;
        }
    }
    gathered
}
