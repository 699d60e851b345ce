//! HDF5 and hickle: the files of `tests/data/hdf5`, see the script there. The elements of dataset number n are n, n + 1, n + 2 and so on.

use std::path::Path;

use coembed::formats::ndarray::{DType, NdArray};
use coembed::formats::pickle::{Dict, Value};
use coembed::formats::{Limits, hdf5};

fn bytes(file: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hdf5").join(file)).unwrap()
}

fn read(file: &str) -> Value {
    hdf5::parse(&bytes(file), &Limits::default()).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn error(file: &str) -> String {
    hdf5::parse(&bytes(file), &Limits::default()).unwrap_err().to_string()
}

#[track_caller]
fn dict(value: &Value) -> &Dict {
    match value {
        Value::Dict(dict) => dict,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn array<'v>(dict: &'v Dict, name: &str) -> &'v NdArray {
    match dict.get(name) {
        Some(Value::Array(array)) => array,
        other => panic!("{name}: {other:?}"),
    }
}

/// Whether an array counts up from a number.
#[track_caller]
fn counts(array: &NdArray, from: usize, shape: &[usize]) {
    assert_eq!(array.shape(), shape);
    let expected: Vec<f64> = (0..array.len()).map(|at| (at + from) as f64).collect();
    assert_eq!(array.to_f64_vec().unwrap(), expected);
}

fn numbers(values: impl IntoIterator<Item = f32>) -> Value {
    let values: Vec<f32> = values.into_iter().collect();
    let data = coembed::formats::ndarray::ArrayData::F32(values.clone());
    Value::Array(NdArray::new(vec![values.len()], data).unwrap().into())
}

#[test]
fn every_type_of_numbers_is_read_in_both_byte_orders() {
    use DType::*;
    for file in ["types_earliest.h5", "types_latest.h5"] {
        let value = read(file);
        let all = dict(&value);
        let codes = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"];
        for (n, (code, dtype)) in
            codes.into_iter().zip([I8, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64]).enumerate()
        {
            for order in ["little", "big"] {
                let array = array(all, &format!("{order}_{code}"));
                assert_eq!(array.dtype(), dtype);
                counts(array, n, &[2, 3]);
            }
        }
        assert_eq!(array(all, "bool").dtype(), Bool);
        assert_eq!(array(all, "bool").to_f64_vec().unwrap(), [1.0, 0.0, 1.0]);
        assert_eq!(array(all, "enum").dtype(), I16);
        assert_eq!(array(all, "enum").to_f64_vec().unwrap(), [1.0, 0.0]);
        counts(array(all, "scalar"), 5, &[]);
        assert_eq!(all.get("none"), Some(&Value::None));
        assert_eq!(array(all, "no_rows").shape(), [0, 4]);
        assert_eq!(array(all, "fixed_text").value(0), Some(Value::Bytes((*b"ab").into())));
        assert_eq!(array(all, "fixed_text").value(1), Some(Value::Bytes((*b"c").into())));
        counts(array(all, "of_named_type"), 3, &[4]);
    }
}

#[test]
fn every_layout_index_and_filter_is_read() {
    for file in ["layouts_earliest.h5", "layouts_latest.h5", "v110.h5"] {
        let value = read(file);
        let all = dict(&value);
        counts(array(all, "contiguous"), 0, &[3, 5]);
        counts(array(all, "compact"), 1, &[3, 5]);
        counts(array(all, "chunked"), 2, &[5, 7]);
        counts(array(all, "gzip"), 3, &[5, 7]);
        let lzf: Vec<f64> = (0..350).map(|at| f64::from((at + 4) / 9)).collect();
        assert_eq!(array(all, "lzf").to_f64_vec().unwrap(), lzf);
        counts(array(all, "lzf_shuffle"), 5, &[50, 7]);
        counts(array(all, "single"), 6, &[4, 4]);
        counts(array(all, "single_gzip"), 7, &[4, 4]);
        let growing = ["growing", "growing_gzip", "growing_twice", "growing_twice_gzip", "bounded"];
        growing.iter().enumerate().for_each(|(n, name)| counts(array(all, name), 8 + n, &[5, 7]));
        counts(array(all, "three_axes"), 13, &[3, 4, 5]);
        counts(array(all, "fletcher"), 14, &[3, 3]);
        assert_eq!(array(all, "fill").to_f64_vec().unwrap(), [7.0; 24]);
        let some = array(all, "fill_chunks").to_f32_matrix().unwrap();
        for row in 0..10 {
            let right = if row < 5 { 1.0 } else { 7.0 };
            assert_eq!((&some.row(row)[..5], &some.row(row)[5..]), (&[7.0; 5][..], &[right; 5][..]));
        }
        assert_eq!(array(all, "fill_none").to_f64_vec().unwrap(), [0.0; 24]);
        counts(array(all, "shrunk"), 15, &[3, 3]);
        counts(array(all, "edges"), 16, &[7, 7]);
    }
    counts(array(dict(&read("early.h5")), "implicit"), 0, &[5, 7]);
}

#[test]
fn indexes_of_many_chunks_are_read() {
    let value = read("arrays_of_chunks.h5");
    let check = |name: &str, expected: Vec<u8>| {
        assert_eq!(array(dict(&value), name).to_f64_vec().unwrap(), {
            expected.into_iter().map(f64::from).collect::<Vec<_>>()
        })
    };
    let up = |from: usize, count: usize| (0..count).map(move |at| (at + from) as u8);
    check("fixed", up(0, 2100).collect());
    check("fixed_gaps", [vec![0; 2900], up(0, 50).collect(), vec![0; 50]].concat());
    check("extensible", up(2, 2500).collect());
    check("extensible_gaps", [vec![0; 59990], up(0, 10).collect()].concat());
    check("tree", up(4, 900).collect());
}

#[test]
fn links_are_found_however_many_there_are() {
    let kinds = [(5, "tracked"), (5, "latest"), (20, "tracked"), (20, "latest"), (300, "tracked"), (300, "latest")];
    for (count, kind) in kinds.into_iter().chain([(300, "earliest")]) {
        let value = read(&format!("links_{count}_{kind}.h5"));
        assert_eq!(dict(&value).len(), count + 1);
        (0..count).for_each(|n| counts(array(dict(&value), &format!("video{n}")), n % 20, &[1]));
        counts(array(dict(&value), &format!("a long name {}", "x".repeat(300))), count, &[1]);
        if kind == "tracked" {
            let names = dict(&value).entries().iter().map(|(name, _)| name.clone());
            assert!(names.take(count).eq((0..count).map(|n| format!("video{n}").as_str().into())));
        }
    }
    for kind in ["earliest", "latest"] {
        let value = read(&format!("user_block_{kind}.h5"));
        (0..3).for_each(|n| counts(array(dict(&value), &format!("video{n}")), n, &[1]));
    }
    let value = read("huge_name.h5");
    counts(array(dict(&value), &format!("video3{}", "x".repeat(5000))), 3, &[1]);
    counts(array(dict(&value), "video9"), 9, &[1]);
}

#[test]
fn what_is_not_read_leaves_the_rest_alone() {
    for file in ["unread_earliest.h5", "unread_latest.h5"] {
        let value = read(file);
        let all = dict(&value);
        for name in ["video0", "soft", "hard"] {
            counts(array(all, name), 0, &[2]);
        }
        for (name, what) in [
            ("text", "text of variable length"),
            ("texts", "text of variable length"),
            ("complex", "compound values"),
            ("arrays", "compound values"),
            ("opaque", "opaque values"),
            ("reference", "references"),
            ("sequence", "sequences of variable length"),
            ("long_double", "floating point numbers of an uncommon layout"),
            ("scale_offset", "values compressed by scale and offset"),
            ("external", "values in other files"),
            ("virtual", "a virtual dataset"),
            ("other_file", "a link to another file"),
            ("dangling", "a link to nothing in the file"),
        ] {
            assert_eq!(all.get(name), Some(&Value::Unread(what.into())), "{name}");
        }
        let group = dict(all.get("group").unwrap());
        assert_eq!(group.get("up"), Some(&Value::Unread("a link to a group around it".into())));
        counts(array(group, "inner"), 1, &[3]);
        counts(array(group, "relative"), 1, &[3]);
    }
}

#[test]
fn tables_of_pytables_are_read() {
    let value = read("pytables.h5");
    let all = dict(&value);
    counts(array(all, "array"), 0, &[2, 3]);
    counts(array(all, "carray"), 1, &[5, 7]);
    counts(array(all, "earray"), 2, &[5, 7]);
    assert_eq!(array(all, "bool").dtype(), DType::Bool);
    assert_eq!(array(all, "bool").to_f64_vec().unwrap(), [1.0, 0.0, 1.0]);
    assert!(matches!(all.get("vlarray"), Some(Value::Unread(_))));
    counts(array(dict(all.get("group").unwrap()), "inner"), 4, &[2]);
}

#[test]
fn hickle_gives_what_its_load_gives() {
    for version in [3, 4, 5] {
        let value = read(&format!("hickle{version}.hickle"));
        let all = dict(&value);
        (0..12).for_each(|n| counts(array(all, &format!("video{n}")), n, &[2, 4]));
        assert!(matches!(all.get("nan"), Some(Value::Float(value)) if value.is_nan()));
        let deep = dict(dict(all.get("nested").unwrap()).get("deep").unwrap());
        counts(array(deep, "array"), 20, &[3]);
        let up = |from: usize, count: usize| numbers((from..from + count).map(|value| value as f32));
        assert_eq!(all.get("list"), Some(&Value::List([up(21, 2), up(22, 3)].into())));
        assert_eq!(all.get("long"), Some(&Value::List((0..12).map(|n| up(n, 1)).collect())));
        assert_eq!(all.get("tuple"), Some(&Value::Tuple([up(23, 2)].into())));
        assert_eq!(all.get("numbers"), Some(&Value::List([1, 2, 3].map(Value::Int).into())));
        assert_eq!(all.get("empty"), Some(&Value::Dict(Dict::default().into())));
        assert_eq!(all.get("integer"), Some(&Value::Int(3)));
        assert_eq!(all.get("truth"), Some(&Value::Bool(true)));
        assert_eq!(all.get("none"), Some(&Value::None));
        assert_eq!(all.get("text"), Some(&"a text".into()));
        assert_eq!(all.get("bytes"), Some(&Value::Bytes((*b"some bytes").into())));
        assert_eq!(array(all, "no_rows").shape(), [0, 4]);
        counts(array(all, "scalar"), 4, &[]);
        assert_eq!(all.get(5), Some(&up(24, 2)));
        if version > 3 {
            assert_eq!(all.get("a/b"), Some(&up(25, 2)));
            assert_eq!(all.get("single"), Some(&Value::Float(1.5)));
            let order: Vec<Value> = all.entries().iter().take(12).map(|(name, _)| name.clone()).collect();
            assert_eq!(order, (0..12).map(|n| format!("video{n}").as_str().into()).collect::<Vec<_>>());
        }
        if version == 5 {
            counts(array(all, "again"), 0, &[2, 4]);
        }
        let Value::Array(bare) = read(&format!("hickle{version}_array.hickle")) else { panic!() };
        counts(&bare, 1, &[2, 4]);
        assert_eq!(read(&format!("hickle{version}_list.hickle")), Value::List([up(1, 2), up(2, 3)].into()));
        let zipped = read(&format!("hickle{version}_gzip.hickle"));
        (0..3).for_each(|n| counts(array(dict(&zipped), &format!("video{n}")), n, &[20, 4]));
    }
}

#[test]
fn a_dataset_whose_size_is_only_declared_is_unread_and_spoils_no_other() {
    for file in ["hostile_declared.h5", "hostile_declared_chunks.h5"] {
        let all = read(file);
        assert_eq!(
            dict(&all).get("video0"),
            Some(&Value::Unread("more values than a file of its size can hold".into()))
        );
        if file == "hostile_declared.h5" {
            counts(array(dict(&all), "video1"), 1, &[4]);
        }
    }
}

#[test]
fn groups_that_are_shared_in_themselves_are_refused() {
    assert!(error("hostile_shared_groups.h5").contains("expanded tree"));
    assert_eq!(error("hostile_cycle.h5"), r#""outer": damaged HDF5 file: a group that contains itself"#);
    // As deep as the limit allows, also on the small stack of a thread.
    let deep = || assert!(error("hostile_deep.h5").contains("nested groups"));
    std::thread::Builder::new().stack_size(1 << 20).spawn(deep).unwrap().join().unwrap();
}

#[test]
fn damage_is_named() {
    let parse = |bytes: &[u8]| hdf5::parse(bytes, &Limits::default()).unwrap_err().to_string();
    assert_eq!(parse(b"no such file"), "not an HDF5 file");
    let whole = bytes("layouts_latest.h5");
    let cut = &whole[..whole.len() - 1];
    assert!(parse(cut).contains("is cut off"), "{}", parse(cut));
    // A changed byte is found by a checksum, in metadata as among values.
    let mut changed = whole.clone();
    changed[40] ^= 1;
    assert!(parse(&changed).contains("the checksum of"), "{}", parse(&changed));
    let message = hdf5::parse(&whole, &Limits { input_bytes: 100, ..Limits::default() }).unwrap_err().to_string();
    assert!(message.contains("bytes of input"), "{message}");
    let message = hdf5::parse(&whole, &Limits { bytes: 100, ..Limits::default() }).unwrap_err().to_string();
    assert!(message.contains("bytes of content"), "{message}");
}
