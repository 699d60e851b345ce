//! The compression of LibLZF, a filter that comes with h5py.

use super::error::{Hdf5Error, Result};
use super::filters::grow;
use super::work::Work;

const DAMAGED: Hdf5Error = Hdf5Error::Damaged("values compressed by lzf");

/// Undoes the compression of at most `size` bytes.
pub(super) fn decompress(mut bytes: &[u8], size: usize, work: &mut Work) -> Result<Vec<u8>> {
    let mut values: Vec<u8> = Vec::new();
    while !bytes.is_empty() {
        let control = next(&mut bytes)?;
        // Bytes as they are, or bytes that came before: how many, and how long before.
        let (count, back) = match control >> 5 {
            0 => (control + 1, None),
            7 => (next(&mut bytes)? + 9, Some((control & 31) << 8)),
            short => (short + 2, Some((control & 31) << 8)),
        };
        if count > size.saturating_sub(values.len()) {
            return Err(DAMAGED);
        }
        if values.capacity() - values.len() < count {
            grow(&mut values, size)?;
        }
        work.inflated(count as u64)?;
        if let Some(back) = back {
            let start = values.len().checked_sub(back + next(&mut bytes)? + 1).ok_or(DAMAGED)?;
            for at in start..start + count {
                values.push(*values.get(at).ok_or(DAMAGED)?);
            }
        } else {
            let (own, rest) = bytes.split_at_checked(count).ok_or(DAMAGED)?;
            values.extend_from_slice(own);
            bytes = rest;
        }
    }
    Ok(values)
}

fn next(bytes: &mut &[u8]) -> Result<usize> {
    let (first, rest) = bytes.split_first().ok_or(DAMAGED)?;
    *bytes = rest;
    Ok((*first).into())
}
