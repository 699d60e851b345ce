//! Changed HDF5 files: each is read or refused quickly and in bounded memory. One test alone, since it counts what the process allocates.

use std::path::Path;
use std::time::{Duration, Instant};

use coembed::formats::ndarray::NdArray;
use coembed::formats::pickle::Value;
use coembed::formats::{Limits, hdf5};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[path = "hostile/memory.rs"]
mod memory;

const COUNT: usize = 4000;
const SPARE: usize = 64 << 20;

/// A file, and where in it checksummed blocks begin and end.
struct Seed {
    name: String,
    bytes: Vec<u8>,
    blocks: Vec<(usize, usize)>,
}

fn seeds() -> Vec<Seed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hdf5");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension != "py"));
    paths.sort();
    let seed = |path: std::path::PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        Seed { name: path.display().to_string(), blocks: blocks(&bytes), bytes }
    };
    paths.into_iter().map(seed).collect()
}

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

fn mutated(seed: &Seed, other: &Seed, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seed.bytes.clone();
    for _ in 0..rng.random_range(1..4) {
        // Half of the changes in a block of metadata, the others anywhere.
        let at = match seed.blocks.get(rng.random_range(0..2 * seed.blocks.len().max(1))) {
            Some(&(start, end)) => rng.random_range(start..end),
            None => rng.random_range(0..seed.bytes.len()),
        };
        let Some(rest) = bytes.get_mut(at..) else { continue };
        let size = *[1, 2, 4, 8].get(rng.random_range(0..4_usize)).unwrap();
        let numbers =
            [0, u64::MAX, 1 << 31, 1 << 63, 1, seed.bytes.len() as u64, rng.random(), rng.random_range(0..4096)];
        match rng.random_range(0..6) {
            0 => rest[0] ^= 1 << rng.random_range(0..8),
            1..=3 => {
                let number = numbers[rng.random_range(0..numbers.len())].to_le_bytes();
                rest.iter_mut().zip(&number[..size]).for_each(|(byte, new)| *byte = *new);
            }
            4 => {
                let from = rng.random_range(0..other.bytes.len());
                rest.iter_mut().zip(&other.bytes[from..]).take(8 * size).for_each(|(byte, new)| *byte = *new);
            }
            _ => bytes.truncate(at.max(seed.bytes.len() / 2)),
        }
    }
    if rng.random_range(0..8) > 0 {
        for &(start, end) in &seed.blocks {
            if end + 4 <= bytes.len() {
                let sum = lookup3(&bytes[start..end]).to_le_bytes();
                bytes[end..end + 4].copy_from_slice(&sum);
            }
        }
    }
    bytes
}

fn size(array: &NdArray) -> usize {
    array.len() * 8
}

/// Bytes of the arrays of a value; shared ones count each time.
fn content(value: &Value) -> usize {
    match value {
        Value::Array(array) => size(array),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => items.iter().map(content).sum(),
        Value::Dict(dict) => dict.entries().iter().map(|(_, value)| content(value)).sum(),
        _ => 0,
    }
}

#[test]
fn changed_files_neither_panic_nor_hang_nor_take_memory() {
    let seeds = seeds();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut read, mut greatest, mut longest) = (0, 0, Duration::ZERO);
    for number in 0..COUNT {
        let seed = &seeds[number % seeds.len()];
        let other = &seeds[rng.random_range(0..seeds.len())];
        let bytes = mutated(seed, other, &mut rng);
        let start = Instant::now();
        let (result, peak) = memory::peak(|| hdf5::parse(&bytes, &Limits::default()));
        let time = start.elapsed();
        // What was read cannot be more than what was granted, so the files alone bound it: their chunks are small.
        let bound = SPARE + 4 * bytes.len();
        assert!(peak <= bound, "{} (mutation {number}): {peak} bytes", seed.name);
        assert!(time < Duration::from_secs(5), "{} (mutation {number}): {time:?}", seed.name);
        if let Ok(value) = &result {
            assert!(content(value) <= 8 * bound, "{} (mutation {number})", seed.name);
        }
        read += usize::from(result.is_ok());
        (greatest, longest) = (greatest.max(peak), longest.max(time));
    }
    println!("{read} of {COUNT} read, at most {greatest} bytes and {longest:?}");
    assert!(read > COUNT / 20);
}
