//! Chamfer similarity of sets of frames, without the frame by frame matrix.

mod plain;
mod screened;

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::kernel::Kernel;
use super::panels::{self, Panels};
use super::rows::Memory;
use super::screen::{Centre, Items, Screen};
use super::walk;
use super::{Embeddings, LargestNorm, Measure, Side, SimilarityError, zeros};
use crate::matrix::Matrix;

/// Bytes of packed frames that a thread compares with all queries before it packs the next: so many that the last, partly filled panel
/// does not matter.
const GROUP_BYTES: usize = 8 << 20;

/// Bytes of frames that are compared by bounds at a time: with their copies in 8 bits they stay in the second-level cache.
const PART_BYTES: usize = 1 << 20;

/// Sets of frames of different lengths: the frames of all sets, one after the other, and where each set starts.
#[derive(Debug, Clone, Copy)]
pub struct FrameSets<'a, E> {
    pub(super) frames: E,
    offsets: &'a [usize],
}

impl<'a, E: Embeddings> FrameSets<'a, E> {
    /// `frames`: all frames, one row each; `offsets`: set `i` is the rows `offsets[i]..offsets[i + 1]`, so that there is one offset more than
    /// there are sets.
    ///
    /// # Errors
    /// [`SimilarityError::Offsets`] when they do not rise from 0 to the number of frames.
    pub fn new(frames: E, offsets: &'a [usize]) -> Result<Self, SimilarityError> {
        let total = frames.rows();
        let error = |index| SimilarityError::Offsets { index, frames: total };
        if offsets.first() != Some(&0) {
            return Err(error(0));
        }
        if let Some(index) = (1..offsets.len()).find(|&i| offsets[i] < offsets[i - 1]) {
            return Err(error(index));
        }
        if offsets.last() != Some(&total) { Err(error(offsets.len() - 1)) } else { Ok(Self { frames, offsets }) }
    }

    /// Number of sets.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows of a set.
    pub(super) fn rows(&self, set: usize) -> Range<usize> {
        self.offsets[set]..self.offsets[set + 1]
    }

    pub(super) fn check(&self, side: Side) -> Result<(), SimilarityError> {
        match (0..self.len()).find(|&set| self.rows(set).is_empty()) {
            Some(set) => Err(SimilarityError::EmptySet { side, set }),
            None => Ok(()),
        }
    }

    /// Neighbouring sets with about `rows` rows together.
    pub(super) fn groups(&self, rows: usize) -> Vec<Range<usize>> {
        groups(self.offsets, rows)
    }
}

/// Neighbouring sets, between offsets, with about `rows` rows together.
fn groups(offsets: &[usize], rows: usize) -> Vec<Range<usize>> {
    let (mut groups, mut start, sets) = (Vec::new(), 0, offsets.len() - 1);
    for end in 1..=sets {
        if end == sets || offsets[end + 1] - offsets[start] > rows {
            groups.push(start..end);
            start = end;
        }
    }
    groups
}

/// Chamfer similarities of all pairs of sets: the mean over the frames of the query of the most similar frame of the item,
///
/// ```text
/// C(q, v) = 1 / |q| Σ_{x ∈ q} max_{y ∈ v} s(x, y)
/// ```
///
/// with the frame similarity `s` of `measure`. Not symmetric. As in Kordopatis-Zilos et al., *ViSiL*, ICCV 2019, and Shao et al., *Temporal
/// Context Aggregation for Video Retrieval with Contrastive Learning*, WACV 2021, who take inner products of unit vectors.
///
/// Maxima are those of [`similarity`](super::similarity()) in every bit; their mean is taken in f64, in a fixed order. No matrix of frame
/// similarities exists beyond a strip of it in the cache. Memory beyond the result: the packed queries, and for each thread 8 MiB of packed
/// items, or one item where it is larger. Where bounds in 8 bits leave few frames open, which a look at some frames decides for every 8 MiB
/// of items, only the scores of these are taken ([module](super)); [`symmetric_chamfer`] takes all.
///
/// # Shapes
/// `queries`: N sets of frames of D dimensions, `items`: M sets; result: N x M.
///
/// # Errors
/// [`SimilarityError`]: dimensions that differ, an empty set, values that are not finite, norms that may overflow.
pub fn chamfer<Q: Embeddings, I: Embeddings>(
    queries: FrameSets<'_, Q>,
    items: FrameSets<'_, I>,
    measure: Measure,
) -> Result<Matrix<f32>, SimilarityError> {
    all_pairs(queries, items, measure, false)
}

/// Chamfer similarities averaged over both directions, `(C(q, v) + C(v, q)) / 2`, from one pass over the frames. See [`chamfer`].
///
/// # Shapes
/// As [`chamfer`].
///
/// # Errors
/// As [`chamfer`].
pub fn symmetric_chamfer<Q: Embeddings, I: Embeddings>(
    queries: FrameSets<'_, Q>,
    items: FrameSets<'_, I>,
    measure: Measure,
) -> Result<Matrix<f32>, SimilarityError> {
    all_pairs(queries, items, measure, true)
}

fn all_pairs<Q: Embeddings, I: Embeddings>(
    queries: FrameSets<'_, Q>,
    items: FrameSets<'_, I>,
    measure: Measure,
    symmetric: bool,
) -> Result<Matrix<f32>, SimilarityError> {
    let (width, given) = (items.frames.cols(), queries.frames.cols());
    if given != width {
        return Err(SimilarityError::Dimensions { queries: given, items: width });
    }
    queries.check(Side::Queries)?;
    items.check(Side::Items)?;
    let out = Mutex::new(zeros(queries.len(), items.len())?);

    let kernel = Kernel::best();
    let pack = |set| {
        let mut panels = Panels::new(kernel, Side::Queries);
        panels.pack(&queries.frames, queries.rows(set), measure, false).map(|()| panels)
    };
    let packed: Vec<Result<Panels, _>> = (0..queries.len()).into_par_iter().map(pack).collect();
    let packed = packed.into_iter().collect::<Result<Vec<_>, _>>()?;
    let largest = panels::largest(packed.iter().map(Panels::largest));

    let groups = items.groups(GROUP_BYTES / (width.max(1) * size_of::<f32>()));
    // Bounds are of rows alone: the most similar frames of an item, not those of a query.
    let screen = !symmetric && width >= 64 && queries.frames.rows() >= 64 && Screen::takes(kernel, width);
    let centre = screen.then(|| Centre::of(measure, &queries.frames, &items.frames));
    let round = |centre| {
        let sets = (0..queries.len()).into_par_iter();
        sets.map(|set| Screen::new(kernel, &queries.frames, queries.rows(set), measure, centre, false)).collect()
    };
    let screens: Result<Vec<Screen>, _> = centre.as_ref().map_or(Ok(vec![]), round);
    let all = Queries { sets: &queries, panels: packed, screens: screens?, largest };

    let compare = |worker: &mut Worker, group: &Range<usize>| {
        worker.group(&all, &items.frames, &items.offsets[group.start..=group.end], |query, sets, values| {
            let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
            out.row_mut(query)[group.clone()][sets].copy_from_slice(&values);
        })
    };
    // Collected, so that the first error in order of items is found on any number of threads.
    let worker = || Worker::new(&kernel, measure, symmetric);
    let results: Vec<Result<(), _>> = groups.par_iter().map_init(worker, compare).collect();
    results.into_iter().collect::<Result<(), _>>()?;
    Ok(out.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// All queries, packed and, where bounds may help, in 8 bits too.
struct Queries<'a, E> {
    sets: &'a FrameSets<'a, E>,
    panels: Vec<Panels>,
    screens: Vec<Screen<'a>>,
    largest: LargestNorm,
}

/// The memory that comparing all queries with a group of items takes.
struct Worker<'a> {
    measure: Measure,
    panels: Panels,
    /// The rows of a query, and which.
    query: Memory,
    held: Option<usize>,
    frames: Memory,
    items: Items,
    plain: plain::Comparison<'a>,
    screened: screened::Comparison<'a>,
}

impl<'a> Worker<'a> {
    fn new(kernel: &'a Kernel, measure: Measure, symmetric: bool) -> Self {
        Self {
            measure,
            panels: Panels::new(*kernel, Side::Items),
            query: Memory::default(),
            held: None,
            frames: Memory::default(),
            items: Items::default(),
            plain: plain::Comparison::new(kernel, measure, symmetric),
            screened: screened::Comparison::new(kernel, measure),
        }
    }

    /// Calls `write` with every query and its similarities to some of the sets between neighbouring `offsets`, which are rows of `set`, until
    /// there are all.
    fn group(
        &mut self,
        queries: &Queries<'_, impl Embeddings>,
        set: &impl Embeddings,
        offsets: &[usize],
        write: impl Fn(usize, Range<usize>, Vec<f32>),
    ) -> Result<(), SimilarityError> {
        let (rows, sets) = (offsets[0]..offsets[offsets.len() - 1], 0..offsets.len() - 1);
        let mut open = vec![true; queries.panels.len()];
        let sample = queries.screens.get(rows.start % open.len().max(1));
        if sample.is_some_and(|screen| screened::pays(screen, set, rows.clone(), rows.len() / sets.len())) {
            open.fill(false);
            // What is wrong with an item is reported below, in order of rows.
            if self.screened(queries, set, offsets, &mut open, &write).is_err() {
                open.fill(true);
            }
        }
        let open: Vec<usize> = (0..open.len()).filter(|&query| open[query]).collect();
        if open.is_empty() && !queries.panels.is_empty() {
            return Ok(());
        }
        self.panels.pack(set, rows, self.measure, false)?;
        self.measure.check(queries.largest, self.panels.largest())?;
        for query in open {
            write(query, sets.clone(), self.plain.run(&queries.panels[query], &self.panels, offsets));
        }
        Ok(())
    }

    /// [`Worker::group`] by bounds; `open`: queries that are better served by all scores, or get there.
    fn screened(
        &mut self,
        queries: &Queries<'_, impl Embeddings>,
        set: &impl Embeddings,
        offsets: &[usize],
        open: &mut [bool],
        write: impl Fn(usize, Range<usize>, Vec<f32>),
    ) -> Result<(), SimilarityError> {
        let (measure, all) = (self.measure, queries.sets);
        for part in groups(offsets, PART_BYTES / (set.cols() * size_of::<f32>())) {
            let offsets = &offsets[part.start..=part.end];
            let rows = offsets[0]..offsets[offsets.len() - 1];
            let frames = self.frames.rows(measure, Side::Items, set, rows.clone())?;
            measure.check(queries.largest, frames.largest(rows.start))?;
            queries.screens[0].round(&mut self.items, frames)?;
            for (i, (screen, open)) in queries.screens.iter().zip(open.iter_mut()).enumerate() {
                if *open {
                    continue;
                }
                if self.held != Some(i) {
                    self.query.rows(measure, Side::Queries, &all.frames, all.rows(i))?;
                    self.held = Some(i);
                }
                let query = self.query.again(measure, &all.frames, all.rows(i));
                match self.screened.run(screen, query, &self.items, frames, offsets) {
                    Some(values) => write(i, part.clone(), values),
                    None => *open = true,
                }
            }
        }
        Ok(())
    }
}

/// Query panels of a block.
fn panels_per_block(kernel: &Kernel, width: usize) -> usize {
    walk::panels_per_block(kernel.rows(), width * size_of::<f32>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::screen::tests::{KINDS, MEASURES, kernels, rows};

    /// Every kind, whether bounds pay for it or not.
    #[test]
    fn bounds_change_no_bit() {
        for kernel in kernels() {
            let mut screened = 0;
            for (kind, measure) in KINDS.iter().flat_map(|kind| MEASURES.map(|measure| (kind, measure))) {
                let (query, items) = (rows(kind, 130, 70, 3), rows(kind, 700, 70, 4));
                let (query, items) = (query.view(), items.view());
                let offsets = [0, 90, 91, 220, 500, 640, 700];
                let centre = Centre::of(measure, &query, &items);
                let screen = Screen::new(kernel, &query, 0..130, measure, &centre, false).unwrap();
                let mut worker = Worker::new(&kernel, measure, false);
                worker.screened.limit = f32::INFINITY;
                worker.panels.pack(&items, 0..700, measure, false).unwrap();
                let mut panels = Panels::new(kernel, Side::Queries);
                panels.pack(&query, 0..130, measure, false).unwrap();
                let want = worker.plain.run(&panels, &worker.panels, &offsets);
                let query = worker.query.rows(measure, Side::Queries, &query, 0..130).unwrap();
                let frames = worker.frames.rows(measure, Side::Items, &items, 0..700).unwrap();
                screen.round(&mut worker.items, frames).unwrap();
                let got = worker.screened.run(&screen, query, &worker.items, frames, &offsets);
                if let Some(got) = got {
                    screened += 1;
                    let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(&got), bits(&want), "{kind} {measure:?}");
                }
            }
            assert!(screened >= 8, "bounds helped {screened} of 30 times");
        }
    }
}
