//! Rows in 8 bits, with what bounds their scores.

use std::ops::Range;

use memmap2::Mmap;
use rayon::prelude::*;

use super::{Item, Strip};
use crate::similarity::kernel::{INTEGER_COLUMNS, PARAMETERS, Query, ROUNDING, Rounded, norm, round};
use crate::similarity::panels::{LINE, collect, scatter};
use crate::similarity::rows::{Memory, Rows};
use crate::similarity::walk::STRIP;
use crate::similarity::{Embeddings, LargestNorm, Measure, Side, SimilarityError};

/// Rows whose mean stands for that of a set.
const SAMPLE: usize = 1024;

/// What items are stored less, and the direction that queries are stored without.
pub(in crate::similarity) struct Centre {
    items: Vec<f32>,
    direction: Vec<f32>,
    /// Norms of both.
    norms: (f64, f64),
}

impl Centre {
    /// Of the mean of the items and, as the direction, that of the queries.
    pub(in crate::similarity) fn of(measure: Measure, queries: &impl Embeddings, items: &impl Embeddings) -> Self {
        Self::new(mean(measure, items), mean(measure, queries))
    }

    /// Of the mean of the items, in the direction of which queries are taken to lie, too.
    pub(in crate::similarity) fn of_items(measure: Measure, items: &impl Embeddings) -> Self {
        let items = mean(measure, items);
        Self::new(items.clone(), items)
    }

    /// Of [`Centre::of_items`] that was stored; none where it is not finite.
    pub(in crate::similarity) fn stored(items: Vec<f32>) -> Option<Self> {
        items.iter().all(|x| x.is_finite()).then(|| Self::new(items.clone(), items))
    }

    fn new(items: Vec<f32>, direction: Vec<f32>) -> Self {
        Self { norms: (norm(&items), norm(&direction)), items, direction }
    }

    /// What items are stored less.
    pub(in crate::similarity) fn items(&self) -> &[f32] {
        &self.items
    }

    /// Rounds a query, row `i` of a panel, and says what bounds its scores.
    pub(super) fn query(&self, measure: Measure, i: usize, values: &[f32], rounding: &mut Rounding) -> Query {
        let (width, norm, (centre, direction)) = (values.len() as f64, norm(values), self.norms);
        let along = (dot(values, &self.direction) / (direction * direction)) as f32;
        let along = if along.is_finite() { along } else { 0.0 };
        let product = dot(values, &self.items);
        let (factor, square) =
            if measure == Measure::NegativeSquaredEuclidean { (2.0, norm * norm) } else { (1.0, 0.0) };
        let rounded = rounding.round(i, values, &self.direction, along, &self.items);

        let unit = f64::from(f32::EPSILON) / 2.0;
        let gamma = 2.0 * (width + 64.0) * unit;
        let off = f64::from(along).abs() * direction;
        // The direction's multiple is rounded when it is taken off.
        let residual = f64::from(rounded.residual) + 4.0 * unit * off;
        let all = norm + off + f64::from(rounded.length);
        let room = 1.0 + 1e-5;
        let slack = factor * gamma * norm * centre + f64::from(ROUNDING) * square + f64::from(f32::MIN_POSITIVE);
        Query {
            offset: -128 * rounded.sum,
            scale: factor as f32 * rounded.scale,
            along: factor as f32 * along,
            per_residual: (factor * f64::from(rounded.length) * room) as f32,
            per_norm: (factor * (residual + gamma * all) * room) as f32,
            constant: (factor * product - square + slack) as f32,
            slack: (slack * room) as f32,
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
}

/// The mean of some rows, spread over the set.
fn mean(measure: Measure, set: &impl Embeddings) -> Vec<f32> {
    let (mut memory, mut sum, mut count) = (Memory::default(), vec![0.0; set.cols()], 0.0);
    for row in (0..set.rows()).step_by(set.rows().div_ceil(SAMPLE).max(64)) {
        // What is not finite is reported when it is packed.
        if let Ok(row) = memory.rows(measure, Side::Items, set, row..row + 1) {
            sum.iter_mut().zip(row.row(0)).for_each(|(sum, &x)| *sum += f64::from(x));
            count += 1.0;
        }
    }
    sum.into_iter().map(|sum: f64| if count > 0.0 { (sum / count) as f32 } else { 0.0 }).collect()
}

/// Memory for rows that are rounded.
#[derive(Default)]
pub(super) struct Rounding {
    rest: Vec<f32>,
    words: Vec<u32>,
}

impl Rounding {
    /// Makes room for so many rows of so many words, four dimensions each.
    pub(super) fn resize(&mut self, rows: usize, width: usize) {
        self.rest.resize(width, 0.0);
        self.words.clear();
        self.words.resize(rows * width.div_ceil(4), 0);
    }

    /// Rounds a row less `along` times `centre`, and takes its product with `direction`.
    fn round(&mut self, i: usize, row: &[f32], centre: &[f32], along: f32, direction: &[f32]) -> Rounded {
        let words = row.len().div_ceil(4);
        let bytes = &mut bytemuck::cast_slice_mut(&mut self.words[i * words..][..words])[..row.len()];
        round(row, centre, along, direction, &mut self.rest, bytes)
    }

    /// Puts the rows into a panel of `stride` words for every four dimensions.
    pub(super) fn panel(&self, panel: &mut [u32], stride: usize, flip: u32) {
        scatter(&self.words, panel.len() / stride, panel, stride, |word, _| word ^ flip);
    }
}

/// Packed items: records of [`INTEGER_COLUMNS`] rows each. A record has the values, four dimensions of each row side by side and with 128
/// added, and then the scales, residuals, norms, products with the direction, and squares (of distances alone) of its rows.
#[derive(Default)]
pub(in crate::similarity) struct Items {
    words: Words,
    /// Words of a record.
    record: usize,
}

/// Where records are: they start on a cache line.
enum Words {
    Memory { data: Vec<u32>, start: usize, len: usize },
    Mapped { map: Mmap, start: usize },
}

impl Default for Words {
    fn default() -> Self {
        Self::Memory { data: vec![], start: 0, len: 0 }
    }
}

impl Items {
    /// Rows of a record.
    pub(in crate::similarity) const RECORD: usize = INTEGER_COLUMNS;

    /// Whether rows of so many dimensions can be packed: more could overflow a sum of 32 bits.
    pub(in crate::similarity) fn hold(cols: usize) -> bool {
        (1..=1 << 15).contains(&cols)
    }

    /// Words of so many packed rows.
    pub(in crate::similarity) fn words_of(rows: usize, cols: usize) -> Option<usize> {
        rows.div_ceil(Self::RECORD).checked_mul((cols.div_ceil(4) + PARAMETERS) * Self::RECORD)
    }

    /// Records in a file, from byte `start` to its end; none where the machine orders bytes in another way than the file.
    pub(in crate::similarity) fn mapped(map: Mmap, start: usize, cols: usize) -> Option<Self> {
        bytemuck::try_cast_slice::<u8, u32>(&map[start..]).ok().filter(|_| cfg!(target_endian = "little"))?;
        let record = (cols.div_ceil(4) + PARAMETERS) * Self::RECORD;
        Some(Self { words: Words::Mapped { map, start }, record })
    }

    /// All records.
    pub(in crate::similarity) fn words(&self) -> &[u32] {
        match &self.words {
            Words::Memory { data, start, len } => &data[*start..start + len],
            Words::Mapped { map, start } => bytemuck::cast_slice(&map[*start..]),
        }
    }

    /// The first of so many rows whose parameters bound nothing.
    pub(in crate::similarity) fn not_finite(&self, rows: usize) -> Option<usize> {
        (0..rows.min(self.words().len())).find(|&row| {
            let all = self.parameters(row);
            let positive = [all[0], all[1], all[2], all[4]].iter().all(|&x| x >= 0.0);
            !(positive && all.iter().all(|x| x.is_finite()))
        })
    }

    /// Packs rows of `set` in place of what was here, in parallel; `norms`: the largest of every record up to the first bad row.
    pub(in crate::similarity) fn pack(
        &mut self,
        measure: Measure,
        centre: &Centre,
        set: &impl Embeddings,
        rows: Range<usize>,
        norms: &mut Vec<LargestNorm>,
    ) -> Result<(), SimilarityError> {
        let record = self.resize(rows.len(), set.cols())?;
        let records = self.records_mut().par_chunks_mut(record).enumerate();
        let packed = records.map_init(Default::default, |(memory, rounding): &mut (Memory, Rounding), (i, record)| {
            let first = rows.start + i * INTEGER_COLUMNS;
            let chosen = first..rows.end.min(first + INTEGER_COLUMNS);
            let chosen = memory.rows(measure, Side::Items, set, chosen)?;
            fill(record, centre, chosen, rounding);
            Ok(chosen.largest(first))
        });
        collect(packed.collect(), norms)
    }

    /// Packs rows in place of what was here, on the calling thread.
    pub(in crate::similarity) fn pack_rows(&mut self, centre: &Centre, rows: Rows<'_>) -> Result<(), SimilarityError> {
        let record = self.resize(rows.len(), rows.width())?;
        let mut rounding = Rounding::default();
        for (i, record) in self.records_mut().chunks_mut(record).enumerate() {
            let first = i * INTEGER_COLUMNS;
            fill(record, centre, rows.part(first..rows.len().min(first + INTEGER_COLUMNS)), &mut rounding);
        }
        Ok(())
    }

    /// Makes room for so many rows; the words of a record.
    fn resize(&mut self, rows: usize, cols: usize) -> Result<usize, SimilarityError> {
        debug_assert!(Self::hold(cols));
        self.record = (cols.div_ceil(4) + PARAMETERS) * INTEGER_COLUMNS;
        let memory = || SimilarityError::Memory { side: Side::Items, rows, dimensions: cols };
        let len = Self::words_of(rows, cols).ok_or_else(memory)?;
        let aligned = len.checked_add(LINE / 4).ok_or_else(memory)?;
        let mut data = match std::mem::take(&mut self.words) {
            Words::Memory { data, .. } => data,
            Words::Mapped { .. } => vec![],
        };
        data.try_reserve_exact(aligned.saturating_sub(data.len())).map_err(|_| memory())?;
        data.resize(aligned, 0);
        let start = data.as_ptr().align_offset(LINE).min(LINE / 4);
        self.words = Words::Memory { data, start, len };
        Ok(self.record)
    }

    /// Records in memory.
    fn records_mut(&mut self) -> &mut [u32] {
        match &mut self.words {
            Words::Memory { data, start, len } => &mut data[*start..*start + *len],
            Words::Mapped { .. } => &mut [],
        }
    }

    /// A record.
    pub(in crate::similarity) fn record(&self, i: usize) -> &[u32] {
        &self.words()[i * self.record..][..self.record]
    }

    /// The parameters of an item, counted from the first that is packed.
    fn parameters(&self, i: usize) -> [f32; PARAMETERS] {
        let record = self.record(i / INTEGER_COLUMNS);
        let parameters = &record[self.record - PARAMETERS * INTEGER_COLUMNS + i % INTEGER_COLUMNS..];
        std::array::from_fn(|which| f32::from_bits(parameters[which * INTEGER_COLUMNS]))
    }

    /// What bounds the scores of up to [`STRIP`] items from one on, which is the first of a record.
    pub(in crate::similarity) fn strip(&self, first: usize) -> Strip {
        let (mut residuals, mut norms, mut squares) = ([0.0; STRIP], [0.0; STRIP], [0.0; STRIP]);
        for i in 0..STRIP.min((self.words().len() / self.record * Self::RECORD).saturating_sub(first)) {
            let item = self.item(first + i);
            (residuals[i], norms[i], squares[i]) = (item.residual, item.norm, item.square);
        }
        Strip { residuals, norms, squares }
    }

    /// What bounds the scores of an item, counted from the first that is packed.
    pub(super) fn item(&self, i: usize) -> Item {
        let [_, residual, norm, _, square] = self.parameters(i);
        Item { residual, norm, square }
    }
}

/// Fills a record with up to [`INTEGER_COLUMNS`] rows.
fn fill(record: &mut [u32], centre: &Centre, rows: Rows<'_>, rounding: &mut Rounding) {
    let (values, parameters) = record.split_at_mut(record.len() - PARAMETERS * INTEGER_COLUMNS);
    rounding.resize(INTEGER_COLUMNS, rows.width());
    parameters.fill(0);
    for r in 0..rows.len() {
        let item = rounding.round(r, rows.row(r), &centre.items, 1.0, &centre.direction);
        let all = [item.scale, item.residual, item.norm, item.product, rows.square(r)];
        let parameters = parameters[r..].iter_mut().step_by(INTEGER_COLUMNS);
        parameters.zip(all).for_each(|(parameter, value)| *parameter = value.to_bits());
    }
    rounding.panel(values, INTEGER_COLUMNS, 0x8080_8080);
}
