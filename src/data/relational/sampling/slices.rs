use std::ops::Range;

/// Which anchors batch `batch` takes from a modality of `length` items, exactly as published.
///
/// Without wrap-around these are the plain slices. The shorter modality starts again with an offset, so that some anchors are
/// skipped; and where the start equals the length the slice is empty (the published loop then prints a loss of NaN, with
/// gradient zero; here the terms of an empty slice are left out).
pub fn anchor_slice(batch_size: usize, length: usize, batch: usize) -> Range<usize> {
    let mut start = batch * batch_size;
    let mut end = start + batch_size;
    if length > 0 && start > length {
        start %= length;
        end %= length;
        if start > end {
            end = length;
        }
    }
    start..end.min(length)
}

/// Batches of an epoch: enough to see every anchor of the longest modality that anchors any pair.
pub fn num_batches(batch_size: usize, lengths: impl IntoIterator<Item = usize>) -> usize {
    lengths.into_iter().max().unwrap_or(0).div_ceil(batch_size.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_modality_wraps_around_with_an_offset() {
        let slices: Vec<_> = (0..5).map(|batch| anchor_slice(4, 6, batch)).collect();
        assert_eq!(slices, [0..4, 4..6, 2..6, 0..4, 4..6]);
        assert_eq!(anchor_slice(4, 4, 1), 4..4);
        assert_eq!(num_batches(4, [6, 9]), 3);
    }
}
