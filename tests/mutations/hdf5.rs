//! HDF5: half of the changes hit blocks of metadata, whose checksums are renewed.

use std::collections::HashMap;

use coembed::formats::{Limits, hdf5};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Seed, files, replay};

const SPARE: usize = 64 << 20;

/// Blocks of metadata by their signatures. Those that have a checksum get it renewed, or no change behind it would be seen.
fn blocks(bytes: &[u8]) -> Vec<(usize, usize)> {
    const SIGNATURES: [&[u8]; 14] = [
        b"\x89HDF", b"OHDR", b"OCHK", b"BTHD", b"BTLF", b"BTIN", b"FRHP", b"FHIB", b"FAHD", b"FADB", b"EAHD", b"EAIB",
        b"EASB", b"EADB",
    ];
    let begins = |at: &usize| SIGNATURES.iter().any(|signature| bytes[*at..].starts_with(signature));
    let starts: Vec<usize> = (0..bytes.len()).filter(begins).collect();
    let sealed = |start: usize, end: usize| {
        bytes.get(end..end + 4).is_some_and(|sum| sum == lookup3(&bytes[start..end]).to_le_bytes())
    };
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let block = |(&start, next): (&usize, usize)| {
        let end = (start + 4..next.min(start + 1024)).find(|&end| sealed(start, end))?;
        Some((start, end))
    };
    starts.iter().zip(ends).filter_map(block).collect()
}

/// Bob Jenkins' hash, as in HDF5.
fn lookup3(bytes: &[u8]) -> u32 {
    let word = |at: usize| (0..4).fold(0, |word, i| word | u32::from(*bytes.get(at + i).unwrap_or(&0)) << (8 * i));
    let start = 0xdead_beef_u32.wrapping_add(bytes.len() as u32);
    let (mut a, mut b, mut c) = (start, start, start);
    let mut at = 0;
    loop {
        a = a.wrapping_add(word(at));
        b = b.wrapping_add(word(at + 4));
        c = c.wrapping_add(word(at + 8));
        at += 12;
        if at >= bytes.len() {
            break;
        }
        for (x, y, z, turn) in [(0, 2, 1, 4), (1, 0, 2, 6), (2, 1, 0, 8), (0, 2, 1, 16), (1, 0, 2, 19), (2, 1, 0, 4)] {
            let mut words = [a, b, c];
            words[x] = words[x].wrapping_sub(words[y]) ^ words[y].rotate_left(turn);
            words[y] = words[y].wrapping_add(words[z]);
            [a, b, c] = words;
        }
    }
    for (x, y, turn) in [(2, 1, 14), (0, 2, 11), (1, 0, 25), (2, 1, 16), (0, 2, 4), (1, 0, 14), (2, 1, 24)] {
        let mut words = [a, b, c];
        words[x] = (words[x] ^ words[y]).wrapping_sub(words[y].rotate_left(turn));
        [a, b, c] = words;
    }
    c
}

fn changed(seed: &[u8], blocks: &[(usize, usize)], other: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.random_range(1..4) {
        // Half of the changes in a block of metadata, the others anywhere.
        let at = match blocks.get(rng.random_range(0..2 * blocks.len().max(1))) {
            Some(&(start, end)) => rng.random_range(start..end),
            None => rng.random_range(0..seed.len()),
        };
        let Some(rest) = bytes.get_mut(at..) else { continue };
        let size = *[1, 2, 4, 8].get(rng.random_range(0..4_usize)).unwrap();
        let numbers = [0, u64::MAX, 1 << 31, 1 << 63, 1, seed.len() as u64, rng.random(), rng.random_range(0..4096)];
        match rng.random_range(0..6) {
            0 => rest[0] ^= 1 << rng.random_range(0..8),
            1..=3 => {
                let number = numbers[rng.random_range(0..numbers.len())].to_le_bytes();
                rest.iter_mut().zip(&number[..size]).for_each(|(byte, new)| *byte = *new);
            }
            4 => {
                let from = rng.random_range(0..other.len());
                rest.iter_mut().zip(&other[from..]).take(8 * size).for_each(|(byte, new)| *byte = *new);
            }
            _ => bytes.truncate(at.max(seed.len() / 2)),
        }
    }
    if rng.random_range(0..8) > 0 {
        for &(start, end) in blocks {
            if end + 4 <= bytes.len() {
                let sum = lookup3(&bytes[start..end]).to_le_bytes();
                bytes[end..end + 4].copy_from_slice(&sum);
            }
        }
    }
    bytes
}

#[test]
fn changed_hdf5_files_are_read_or_refused() {
    let seeds = files("tests/data/hdf5", &["h5", "hickle"]);
    let blocks: HashMap<&[u8], _> = seeds.iter().map(|seed| (&*seed.bytes, blocks(&seed.bytes))).collect();
    let change = |seed: &[u8], other: &[u8], rng: &mut _| changed(seed, &blocks[seed], other, rng);
    let read = |_: &Seed, bytes: &[u8]| hdf5::parse(bytes, &Limits::default()).is_ok();
    replay(&seeds, change, |bytes| SPARE + 4 * bytes.len(), read);
}
