use std::io::Write;

use super::error::Hdf5Error;
use super::file::{File, Widths};
use super::filters::Pipeline;
use super::grid::Grid;
use super::work::Work;
use super::{checksum, lzf};
use crate::formats::Limits;

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(vec![], flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Filters without names or values of their own.
fn pipeline(ids: &[u16]) -> Pipeline {
    let filters = ids.iter().flat_map(|id| [id.to_le_bytes(), [0; 2], [0; 2]].concat());
    let message: Vec<u8> = [2, ids.len() as u8].into_iter().chain(filters).collect();
    let (widths, limits) = (Widths { offset: 8, length: 8 }, Limits::default());
    let file = File { bytes: &message, widths, work: Work::new(&limits, 0) };
    Pipeline::parse(file.fields(&message, "filters")).unwrap()
}

#[test]
fn checksums_are_the_published_ones() {
    assert_eq!(checksum::lookup3(b""), 0xdead_beef);
    assert_eq!(checksum::lookup3(b"Four score and seven years ago"), 0x1777_0551);
    assert_eq!(checksum::fletcher32(&[]), 0);
    assert_eq!(checksum::fletcher32(&[0, 1, 0, 2]), 4 << 16 | 3);
    assert_eq!(checksum::fletcher32(&[0, 1, 2]), (1 + 0x201) << 16 | 0x201);
    assert_eq!(checksum::fletcher32(&[255; 2000]), 0xffff_ffff);
}

#[test]
fn no_more_is_decompressed_than_a_chunk_holds() {
    let limits = Limits::default();
    let mut work = Work::new(&limits, 0);
    let bytes = deflated(&vec![1; 1 << 20]);
    let deflate = pipeline(&[1]);
    assert_eq!(*deflate.undo(&bytes, 0, 1 << 20, &mut work).unwrap(), vec![1; 1 << 20]);
    // A chunk that is smaller or larger than its stream, a stream that is cut off, a filter that was left out.
    for size in [0, 1000, (1 << 20) - 1, (1 << 20) + 1, usize::MAX / 2] {
        assert!(deflate.undo(&bytes, 0, size, &mut work).is_err(), "{size}");
    }
    assert!(deflate.undo(&bytes[..bytes.len() - 5], 0, 1 << 20, &mut work).is_err());
    assert_eq!(*deflate.undo(&[1, 2], 1, 2, &mut work).unwrap(), [1, 2]);
    // A sum behind the values.
    let sum = [&b"abcd"[..], &checksum::fletcher32(b"abcd").to_le_bytes()].concat();
    assert_eq!(*pipeline(&[3]).undo(&sum, 0, 4, &mut work).unwrap(), *b"abcd");
    assert_eq!(*pipeline(&[3, 1]).undo(&deflated(&sum), 0, 4, &mut work).unwrap(), *b"abcd");
    assert!(matches!(pipeline(&[3]).undo(b"abcdefgh", 0, 4, &mut work), Err(Hdf5Error::Checksum("values"))));
}

#[test]
fn lzf_copies_what_came_before() {
    let limits = Limits::default();
    let mut work = Work::new(&limits, 0);
    // "ab", then 5 bytes from 2 before; then 10 bytes from 1 before.
    let bytes = [1, b'a', b'b', 3 << 5, 1, 7 << 5, 1, 0];
    assert_eq!(lzf::decompress(&bytes, 17, &mut work).unwrap(), *b"abababaaaaaaaaaaa");
    for (bytes, size) in [(&bytes[..], 16), (&bytes[..7], 17), (&[3 << 5, 0], 17), (&[5, 1, 2], 17)] {
        assert!(lzf::decompress(bytes, size, &mut work).is_err(), "{bytes:?}");
    }
}

#[test]
fn chunks_are_copied_to_their_place() {
    let grid = Grid::new(&[3, 5], &[2, 2, 1], 1).unwrap();
    assert_eq!((grid.number(&[1, 2]), grid.number(&[2, 0]), grid.number_of_offsets(&[2, 4])), (Some(5), None, Some(5)));
    assert_eq!(grid.number_of_offsets(&[2, 3]), None);
    let mut values = [0; 15];
    grid.copy(5, &[1, 2, 3, 4], &mut values).unwrap();
    grid.copy(1, &[5, 6, 7, 8], &mut values).unwrap();
    assert_eq!(values, [0, 0, 5, 6, 0, 0, 0, 7, 8, 0, 0, 0, 0, 0, 1]);
    assert!(grid.is_edge(5) && !grid.is_edge(1));
    assert!(Grid::new(&[3], &[0, 1], 1).is_err());
    assert!(Grid::new(&[3], &[1 << 40, 1 << 40], 1 << 40).is_err());
}

#[test]
fn stored_values_are_granted_once() {
    let limits = Limits::default();
    let mut work = Work::new(&limits, 1000);
    assert!(work.stored(600).is_ok() && work.stored(400).is_ok());
    assert!(matches!(work.stored(1), Err(Hdf5Error::Disproportion("stored values"))));
    assert!(work.take(50 << 20).is_err() && work.inflated(1 << 20).is_ok() && work.take(50 << 20).is_ok());
    assert!(work.visit(200_250).is_ok() && work.visit(1).is_err());
}
