//! Small files that ask for much: each is an error or what is really in it, in little time and memory.

use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use coembed::data::epic100::annotations::narration_ids;
use coembed::formats::pickle;
use coembed::formats::{Limits, npy, torch};

#[path = "hostile/memory.rs"]
mod memory;

/// One at a time, so that each is measured alone.
static ALONE: Mutex<()> = Mutex::new(());

/// What reading takes beyond what is there: at most 64 MiB, 64 times the file, and a little.
#[track_caller]
fn modest<T>(name: &str, file: usize, read: impl FnOnce() -> T) -> T {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let begun = Instant::now();
    let (read, peak) = memory::peak(read);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "{name}: {took:?}");
    let most = (72 << 20) + 64 * file;
    assert!(peak < most, "{name}: {} MiB of a file of {file} bytes", peak >> 20);
    read
}

fn refused(name: &str, bytes: &[u8]) -> String {
    let error = modest(name, bytes.len(), || pickle::from_slice(bytes, &Limits::default()).map(drop));
    error.expect_err(name).to_string()
}

fn npy_of(descr: &str, shape: &str) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    [b"\x93NUMPY\x01\0".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat()
}

#[test]
fn values_of_no_width_are_counted() {
    for descr in ["|S0", "<U0"] {
        let file = npy_of(descr, "300000000,");
        let error = modest(descr, file.len(), || npy::from_slice(&file, &Limits::default()).map(drop)).unwrap_err();
        assert!(error.to_string().contains("bytes of"), "{error}");
    }
    let array =
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I100000000\ntcnumpy\ndtype\n\
                  (S'S0'\nI0\nI1\ntR(I3\nS'|'\nNNNI0\nI1\nI0\ntbI00\nS''\ntb.";
    assert!(refused("pickled S0", array).contains("bytes of"));
}

#[test]
fn repeated_elements_are_counted() {
    let object =
        b"(dS'w'\nctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI1\ntQI0\n\
                   (I500000000\nt(I0\ntI00\nNtRs.";
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    for (name, bytes) in [("x/data.pkl", object.as_slice()), ("x/data/0", &[0; 4])] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    let file = zip.finish().unwrap().into_inner();
    let checkpoint = torch::from_slice(&file, &pickle::PickleOptions::default()).unwrap();
    let state = modest("stride 0", file.len(), || checkpoint.state_dict(None).map(drop));
    assert!(std::error::Error::source(&state.unwrap_err()).unwrap().to_string().contains("bytes of"));
}

#[test]
fn ranges_are_counted() {
    let index = "cpandas.core.indexes.base\n_new_Index\n(cpandas.core.indexes.range\nRangeIndex\n(dVstart\nI0\nsVstop\n\
                 I33000000\nsVstep\nI1\nstR.";
    assert!(refused("index", index.as_bytes()).contains("bytes of memory"));
    assert!(refused("range", b"cbuiltins\nrange\n(I0\nI33000000\nI1\ntR.").contains("bytes of memory"));
}

#[test]
fn what_is_shared_counts_each_time() {
    // An array, and a list, of 20,000 numbers that 20,000 entries refer to.
    let array = [
        b"(dq\x01cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I20000\ntcnumpy\ndtype\n\
          (S'i8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nB\0\x71\x02\0"
            .as_slice(),
        &[1; 160_000],
        b"tbq\x020h\x01(",
    ];
    let list = [b"(dq\x01](".as_slice(), &b"K\x01".repeat(20_000), b"eq\x020h\x01("];
    for head in [array.concat(), list.concat()] {
        let entries: Vec<u8> =
            (0..20_000_u32).flat_map(|key| [b"J".as_slice(), &key.to_le_bytes(), b"h\x02"].concat()).collect();
        let file = [head, entries, b"u.".to_vec()].concat();
        let error = refused("shared", &file);
        assert!(error.contains("expanded tree"), "{error}");
    }
    // Text that is encoded again and again.
    let text = [b"(V".as_slice(), &[b'a'; 1 << 20], b"\nq\x011".as_slice()].concat();
    let calls = b"c_codecs\nencode\nh\x01Vlatin1\n\x86R".repeat(1000);
    refused("encode", &[text, b"(".to_vec(), calls, b"l.".to_vec()].concat());
}

#[test]
fn members_of_archives_that_share_their_contents_are_refused() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    let array = [npy_of("|u1", "900000,"), vec![0; 900_000]].concat();
    for number in 0..200 {
        zip.start_file(format!("{number:03}.npy"), options).unwrap();
        zip.write_all(if number == 0 { &array } else { b"" }).unwrap();
    }
    let mut file = zip.finish().unwrap().into_inner();
    // The directory's entries of all members point to the first.
    let entries: Vec<usize> =
        file.windows(4).enumerate().filter(|(_, w)| *w == b"PK\x01\x02").map(|(at, _)| at).collect();
    let first = file[entries[0] + 16..entries[0] + 28].to_vec();
    for &at in &entries[1..] {
        file[at + 16..at + 28].copy_from_slice(&first);
        file[at + 42..at + 46].copy_from_slice(&[0; 4]);
    }
    let read = modest("overlap", file.len(), || npy::npz_from_slice(&file, &Limits::default()).map(drop));
    assert!(read.unwrap_err().to_string().contains("packed members"));
}

#[test]
fn rows_of_nearly_nothing_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ids.csv");
    let file = [b"narration_id\n".as_slice(), &b"a\n".repeat(2 << 20)].concat();
    std::fs::write(&path, &file).unwrap();
    let error =
        modest("rows", file.len(), || narration_ids(&path, &Limits::default()).map_err(|error| error.to_string()));
    let error = error.unwrap_err();
    assert!(error.contains("ids.csv: bytes of memory: "), "{error}");
}
