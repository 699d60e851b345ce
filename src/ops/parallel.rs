//! Row loops that use every thread when there is enough work, with the same result for any number of threads.

use rayon::prelude::*;

use super::unwritten::Unwritten;
use crate::gemm::{self, Threads};

/// Values below which a loop stays on the calling thread.
pub(crate) const PARALLEL_ABOVE: usize = 1 << 15;

/// Rows per task: fixed by the sizes alone, so that results never depend on the number of threads.
fn rows_per_task(width: usize) -> usize {
    (PARALLEL_ABOVE / 4 / width.max(1)).max(1)
}

/// Calls `f(first_row, block)` on blocks of whole rows of `out`.
pub(crate) fn for_row_blocks(out: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    if out.is_empty() {
        return;
    }
    let width = width.max(1);
    let rows = rows_per_task(width);
    if out.len() <= PARALLEL_ABOVE {
        f(0, out);
    } else {
        out.par_chunks_mut(rows * width).enumerate().for_each(|(i, block)| f(i * rows, block));
    }
}

/// Calls `f(i, row)` for every row of `out`.
pub(crate) fn for_rows(out: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    let width = width.max(1);
    for_row_blocks(out, width, |first, block| {
        for (i, row) in block.chunks_exact_mut(width).enumerate() {
            f(first + i, row);
        }
    });
}

/// Calls `f(offset, block)` on blocks of `out` that need not be whole rows.
pub(crate) fn for_blocks(out: &mut [f32], f: impl Fn(usize, &mut [f32]) + Sync) {
    for_row_blocks(out, 1, f);
}

/// Adds every row of `x` (width `out.len()`) to `out`.
pub(crate) fn add_column_sums(x: &[f32], out: &mut [f32]) {
    for row in x.chunks_exact(out.len().max(1)) {
        out.iter_mut().zip(row).for_each(|(o, v)| *o += v);
    }
}

/// Adds the sums of rows of `length` values to `out`, to each place in turn.
pub(crate) fn add_channel_sums(x: &[f32], length: usize, out: &mut [f32]) {
    let (rows, channels) = (x.chunks_exact(length.max(1)), out.len());
    rows.enumerate().for_each(|(i, row)| out[i % channels] += fold(row, 0.0, |a, b| a + b));
}

/// The buffer that `f(first_row, block)` writes: rows of `width` values, block by block, nothing in them before.
pub(crate) fn collect_written(
    len: usize,
    width: usize,
    f: impl for<'b> Fn(usize, Unwritten<'b>) -> &'b mut [f32] + Sync,
) -> Vec<f32> {
    let mut out = Vec::with_capacity(len);
    let rows = rows_per_task(width);
    let blocks = out.spare_capacity_mut()[..len].par_chunks_mut(rows * width.max(1));
    blocks.enumerate().for_each(|(i, block)| Unwritten::written_by(block, |block| f(i * rows, block)));
    // SAFETY: the blocks are all of the first `len` values, and every one of them was written.
    unsafe { out.set_len(len) };
    out
}

/// [`collect_written`] of blocks that are zeros before `f` sees them, each while it is in the cache, so that a large buffer crosses the memory
/// bus once.
pub(crate) fn collect_blocks(len: usize, width: usize, f: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    collect_written(len, width, |first, block| {
        let block = block.zeros();
        f(first, block);
        block
    })
}

/// [`collect_written`] with the same rows of a second buffer: `f(first_row, block, second_block)`.
pub(crate) fn collect_written_pairs(
    len: usize,
    width: usize,
    second: &mut [f32],
    second_width: usize,
    f: impl for<'b> Fn(usize, Unwritten<'b>, &mut [f32]) -> &'b mut [f32] + Sync,
) -> Vec<f32> {
    let (width, second_width) = (width.max(1), second_width.max(1));
    assert!(len.is_multiple_of(width) && second.len() == len / width * second_width, "rows of the two buffers");
    let mut out = Vec::with_capacity(len);
    let rows = rows_per_task(width);
    let blocks = out.spare_capacity_mut()[..len].par_chunks_mut(rows * width);
    let pairs = blocks.zip(second.par_chunks_mut(rows * second_width));
    pairs.enumerate().for_each(|(i, (block, second))| {
        Unwritten::written_by(block, |block| f(i * rows, block, second));
    });
    // SAFETY: as above; both buffers have as many blocks, so the zip reaches all.
    unsafe { out.set_len(len) };
    out
}

/// Calls `f(first_row, a_block, b_block)` on blocks of the same rows of two buffers.
pub(crate) fn for_row_block_pairs(
    a: &mut [f32],
    a_width: usize,
    b: &mut [f32],
    b_width: usize,
    f: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) {
    let rows = rows_per_task(a_width);
    let (a_blocks, b_blocks) = (a.par_chunks_mut(rows * a_width.max(1)), b.par_chunks_mut(rows * b_width.max(1)));
    a_blocks.zip(b_blocks).enumerate().for_each(|(i, (a, b))| f(i * rows, a, b));
}

/// Calls `f(first_row, block, partial)` on blocks of whole rows of `out`, each with `width` partial sums of its own, and returns the sums
/// of those, added in the order of the blocks.
pub(crate) fn for_row_blocks_summing(
    out: &mut [f32],
    out_width: usize,
    width: usize,
    f: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) -> Vec<f32> {
    const BLOCKS: usize = 64;
    let out_width = out_width.max(1);
    let rows = (out.len() / out_width).div_ceil(BLOCKS).max(16);
    let blocks = out.len().div_ceil(rows * out_width);
    let mut partials = vec![0.0; blocks * width];
    let pairs = out.par_chunks_mut(rows * out_width).zip(partials.par_chunks_mut(width.max(1)));
    pairs.enumerate().for_each(|(i, (block, partial))| f(i * rows, block, partial));
    let mut sums = vec![0.0; width];
    add_column_sums(&partials, &mut sums);
    sums
}

/// Columns per task where the rows of a result are cut.
const COLUMNS_PER_TASK: usize = 512;

/// Calls `f(row, first_column, piece)` on pieces of the rows of `out`, in parallel if `work` (values read) is worth it.
pub(crate) fn for_row_pieces(out: &mut [f32], width: usize, work: usize, f: impl Fn(usize, usize, &mut [f32]) + Sync) {
    let width = width.max(1);
    if work <= PARALLEL_ABOVE {
        out.chunks_exact_mut(width).enumerate().for_each(|(i, row)| f(i, 0, row));
    } else {
        out.par_chunks_exact_mut(width).enumerate().for_each(|(i, row)| {
            let pieces = row.par_chunks_mut(COLUMNS_PER_TASK).enumerate();
            pieces.for_each(|(c, piece)| f(i, c * COLUMNS_PER_TASK, piece));
        });
    }
}

/// Folds values in eight interleaved accumulators (fixed order, vectorises).
pub(crate) fn fold(values: &[f32], start: f32, f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; 8];
    let chunks = values.chunks_exact(8);
    let tail = chunks.remainder().iter().fold(start, |acc, v| f(acc, *v));
    for chunk in chunks {
        for l in 0..8 {
            lanes[l] = f(lanes[l], chunk[l]);
        }
    }
    lanes.into_iter().fold(tail, f)
}

/// The results of `f(first_row, block)` on blocks of whole rows, in the order of the rows.
pub(crate) fn map_row_blocks<R: Send>(values: &[f32], width: usize, f: impl Fn(usize, &[f32]) -> R + Sync) -> Vec<R> {
    let width = width.max(1);
    let rows = rows_per_task(width);
    if values.len() <= PARALLEL_ABOVE {
        values.chunks(rows * width).enumerate().map(|(i, block)| f(i * rows, block)).collect()
    } else {
        values.par_chunks(rows * width).enumerate().map(|(i, block)| f(i * rows, block)).collect()
    }
}

/// Calls `f(i, item, threads)` on items of `size` values, each a matrix product or more; `work` counts all multiply-adds.
///
/// Threads take whole items where there are enough of them, else they share each one.
pub(crate) fn for_items(out: &mut [f32], size: usize, work: usize, f: impl Fn(usize, &mut [f32], Threads) + Sync) {
    let size = size.max(1);
    if out.len() / size < rayon::current_num_threads() {
        out.chunks_exact_mut(size).enumerate().for_each(|(i, item)| f(i, item, Threads::All));
    } else if work <= gemm::PARALLEL_ABOVE {
        out.chunks_exact_mut(size).enumerate().for_each(|(i, item)| f(i, item, Threads::One));
    } else {
        out.par_chunks_exact_mut(size).enumerate().for_each(|(i, item)| f(i, item, Threads::One));
    }
}
