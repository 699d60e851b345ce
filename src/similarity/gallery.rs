//! Items prepared once for many searches, and their copy in 8 bits on disk.

use std::fmt;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use memmap2::Mmap;

use super::exact::check_numbers;
use super::kernel::Kernel;
use super::panels::largest;
use super::screen::{Centre, Items, Screen};
use super::standings::count;
use super::top_k::{plain, screened};
use super::{Embeddings, LargestNorm, Measure, SimilarityError, TopK};
use crate::files::write_with;
use crate::metrics::standing::Standings;
use crate::relevance::SparseRelevance;

/// Items prepared for exact searches by one measure.
///
/// A copy of the items in 8 bits, a quarter of their size in f32, bounds all scores; only items whose bound leaves it open whether they are
/// among the best are looked up and scored in f32. So a search reads the copy instead of the items, which may stay on disk
/// ([`MappedEmbeddings`](super::MappedEmbeddings)), and results are in every bit those of [`top_k`](super::top_k()) for the items themselves. It takes
/// one pass over the items to make a copy ([`Gallery::new`]); [`Gallery::save`] writes it beside them, [`Gallery::open`] maps it again.
///
/// On processors without instructions for integer products, and for embeddings of more than 32,768 dimensions, searches take all scores.
///
/// ```
/// use coembed::matrix::Matrix;
/// use coembed::similarity::{Gallery, Measure};
///
/// let items = Matrix::from_fn(1000, 64, |row, col| ((row * 31 + col * 17) % 101) as f32 - 50.0);
/// let gallery = Gallery::new(items.view(), Measure::Cosine)?;
/// let query = Matrix::new(items.row(7).to_vec(), 1, 64).unwrap();
/// assert_eq!(gallery.top_k(query.view(), 1)?.indices.as_slice(), [7]);
/// # Ok::<(), coembed::similarity::SimilarityError>(())
/// ```
pub struct Gallery<E> {
    items: E,
    measure: Measure,
    kernel: Kernel,
    centre: Centre,
    packed: Items,
    largest: LargestNorm,
}

/// Why a copy of a gallery cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GalleryError {
    /// Not a copy of a gallery, or of another version of the format.
    #[error("not a gallery's copy in 8 bits of this version: {0}")]
    Format(String),
    /// Made of other items.
    #[error(
        "the copy is of {} x {} items, these are {} x {}", .copied.0, .copied.1, .items.0, .items.1
    )]
    Shape {
        /// Rows and columns that the copy was made of.
        copied: (u64, u64),
        /// Rows and columns of the items.
        items: (usize, usize),
    },
    /// Shorter or longer than its items ask for.
    #[error("the copy has {actual} bytes, {expected} were expected")]
    Size {
        /// Bytes that it should have.
        expected: usize,
        /// Bytes that it has.
        actual: usize,
    },
    /// Items that are not as they were.
    #[error("the copy does not belong to the items: it differs at one of the rows {} to {}", .rows.start, .rows.end - 1)]
    Changed {
        /// Where.
        rows: std::ops::Range<usize>,
    },
    /// The items themselves.
    #[error(transparent)]
    Items(#[from] SimilarityError),
    /// The copy cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The first bytes of a copy; the last is the version.
const MAGIC: [u8; 8] = *b"coembi8\x01";
/// Bytes before the centre.
const HEADER: usize = 64;

impl<E: Embeddings> fmt::Debug for Gallery<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, cols) = (self.items.rows(), self.items.cols());
        f.debug_struct("Gallery").field("rows", &rows).field("cols", &cols).field("measure", &self.measure).finish()
    }
}

impl<E: Embeddings> Gallery<E> {
    /// Prepares items.
    ///
    /// # Errors
    /// [`SimilarityError`]: values that are not finite, no memory for the copy, more than 2^32 - 1 items.
    pub fn new(items: E, measure: Measure) -> Result<Self, SimilarityError> {
        check_numbers(0, items.rows())?;
        let kernel = Kernel::best();
        let centre = Centre::of_items(measure, &items);
        let (mut packed, mut norms) = (Items::default(), Vec::new());
        if Items::hold(items.cols()) {
            packed.pack(measure, &centre, &items, 0..items.rows(), &mut norms)?;
        }
        Ok(Self { largest: largest(norms.into_iter()), items, measure, kernel, centre, packed })
    }

    /// The items.
    pub fn items(&self) -> &E {
        &self.items
    }

    /// What they are prepared for.
    pub fn measure(&self) -> Measure {
        self.measure
    }

    /// As [`top_k`](super::top_k()) of the items, in every bit.
    ///
    /// # Shapes
    /// `queries`: N x D; results: N x k.
    ///
    /// # Errors
    /// As [`top_k`](super::top_k()), and [`SimilarityError::Changed`] where a score shows that the copy is not of these items.
    pub fn top_k(&self, queries: impl Embeddings, k: usize) -> Result<TopK, SimilarityError> {
        let (kernel, measure, items) = (self.kernel, self.measure, &self.items);
        let mut go_on = |_, _| ControlFlow::Continue(());
        if !Screen::takes(kernel, items.cols()) || items.rows() / 16 < k {
            return plain(kernel, &queries, items, measure, k, &mut go_on);
        }
        let prepared = Some((&self.packed, self.largest));
        screened(kernel, &queries, items, measure, k, (&self.centre, prepared), &mut go_on)
    }

    /// As [`standings`](super::standings()) of the items.
    ///
    /// # Shapes
    /// `queries`: N x D, `positives`: N x M, its non-zero entries.
    ///
    /// # Errors
    /// As [`standings`](super::standings()).
    pub fn standings(
        &self,
        queries: impl Embeddings,
        positives: &SparseRelevance,
    ) -> Result<Standings, SimilarityError> {
        let screened = Screen::takes(self.kernel, self.items.cols());
        let prepared = screened.then_some((&self.centre, Some((&self.packed, self.largest))));
        count(self.kernel, &queries, &self.items, self.measure, positives, prepared)
    }

    /// Writes the copy in 8 bits; nothing is left of it where that fails.
    ///
    /// # Errors
    /// [`GalleryError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), GalleryError> {
        let mut header = Vec::with_capacity(HEADER);
        header.extend(MAGIC);
        header.extend(code(self.measure).to_le_bytes());
        for number in [self.items.rows(), self.items.cols(), self.largest.row] {
            header.extend((number as u64).to_le_bytes());
        }
        header.extend(self.largest.norm.to_le_bytes());
        header.resize(HEADER, 0);
        write_with(path, |out| {
            out.write_all(&header)?;
            write_words(out, self.centre.items().iter().map(|x| x.to_bits()))?;
            out.write_all(&vec![0; padding(self.items.cols())])?;
            write_words(out, self.packed.words().iter().copied())
        })?;
        Ok(())
    }

    /// Takes a copy that [`Gallery::save`] wrote of these items. It is checked against some of the items, which are read for it;
    /// [`Gallery::verify`] checks all.
    ///
    /// The map is made by the caller, who answers for the file not changing meanwhile (see [`Mmap::map`]).
    ///
    /// # Errors
    /// [`GalleryError`]: another format, other items, values that are not finite.
    pub fn open(map: Mmap, items: E) -> Result<Self, GalleryError> {
        let format = |what: &str| GalleryError::Format(what.to_owned());
        let (rows, cols) = (items.rows(), items.cols());
        let header = map.get(..HEADER).ok_or_else(|| format("it is shorter than a header"))?;
        if header[..8] != MAGIC {
            return Err(format("it starts with other bytes"));
        }
        let number = |i: usize| u64::from_le_bytes(std::array::from_fn(|j| header[8 * i + j]));
        let measure = MEASURES.into_iter().find(|&measure| code(measure) == number(1));
        let measure = measure.ok_or_else(|| format("its measure is unknown"))?;
        let copied = (number(2), number(3));
        if copied != (rows as u64, cols as u64) {
            return Err(GalleryError::Shape { copied, items: (rows, cols) });
        }
        check_numbers(0, rows)?;
        let norm = f64::from_bits(number(5));
        let largest = LargestNorm { row: usize::try_from(number(4)).unwrap_or(usize::MAX), norm };
        if !(norm >= 0.0 && norm.is_finite() && (largest.row < rows || rows == 0)) {
            return Err(format("its largest norm is none"));
        }
        let start = cols.checked_mul(4).and_then(|bytes| bytes.checked_add(HEADER + padding(cols)));
        let words = if Items::hold(cols) { Items::words_of(rows, cols) } else { Some(0) };
        let expected = start.zip(words).and_then(|(start, words)| words.checked_mul(4)?.checked_add(start));
        let (Some(start), Some(expected)) = (start, expected) else {
            return Err(format("it is of more than can be addressed"));
        };
        if map.len() != expected {
            return Err(GalleryError::Size { expected, actual: map.len() });
        }
        let centre = map[HEADER..HEADER + 4 * cols].as_chunks().0.iter().map(|&x| f32::from_le_bytes(x)).collect();
        let kernel = Kernel::best();
        let centre = Centre::stored(centre).ok_or_else(|| format("its centre is not finite"))?;
        let packed =
            Items::mapped(map, start, cols).ok_or_else(|| format("this machine has another order of bytes"))?;
        if let Some(row) = packed.not_finite(rows) {
            return Err(format(&format!("what it says of row {row} is no bound")));
        }
        let gallery = Self { items, measure, kernel, centre, packed, largest };
        let records = rows.div_ceil(Items::RECORD);
        gallery.compare((0..records).step_by(records.div_ceil(SAMPLE).max(1)))?;
        Ok(gallery)
    }

    /// Compares the copy with all items: of a copy that passes, every search has the results of the items.
    ///
    /// # Errors
    /// [`GalleryError::Changed`], [`GalleryError::Items`].
    pub fn verify(&self) -> Result<(), GalleryError> {
        self.compare(0..self.items.rows().div_ceil(Items::RECORD))
    }

    /// Packs records of items again.
    fn compare(&self, records: impl Iterator<Item = usize>) -> Result<(), GalleryError> {
        if self.packed.words().is_empty() {
            return Ok(());
        }
        let (mut again, mut norms) = (Items::default(), Vec::new());
        for record in records {
            let rows = record * Items::RECORD..self.items.rows().min((record + 1) * Items::RECORD);
            again.pack(self.measure, &self.centre, &self.items, rows.clone(), &mut norms)?;
            let largest = norms.iter().all(|norm| norm.norm <= self.largest.norm);
            if again.words() != self.packed.record(record) || !largest {
                return Err(GalleryError::Changed { rows });
            }
        }
        Ok(())
    }
}

/// Records that are compared when a copy is opened.
const SAMPLE: usize = 16;

const MEASURES: [Measure; 3] = [Measure::InnerProduct, Measure::Cosine, Measure::NegativeSquaredEuclidean];

fn code(measure: Measure) -> u64 {
    match measure {
        Measure::InnerProduct => 0,
        Measure::Cosine => 1,
        Measure::NegativeSquaredEuclidean => 2,
    }
}

/// Bytes after the centre, so that records start on a cache line.
fn padding(cols: usize) -> usize {
    (cols % 16).checked_sub(1).map_or(0, |rest| 4 * (15 - rest))
}

fn write_words(out: &mut dyn Write, words: impl Iterator<Item = u32>) -> io::Result<()> {
    words.into_iter().try_for_each(|word| out.write_all(&word.to_le_bytes()))
}
