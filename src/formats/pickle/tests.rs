//! Fixtures written by Python, pandas and numpy (`tests/data/generate.py`), and hand-written pickles of older ones.

use super::*;
use crate::formats::ndarray::DType;

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pickle").join(name);
    from_path(&path, &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}: {:?}", error))
}

fn parse(bytes: &[u8]) -> Value {
    from_slice(bytes, &Limits::default()).unwrap()
}

#[test]
fn builtin_values_of_every_protocol() {
    for protocol in 0..=5 {
        let value = fixture(&format!("builtin_{protocol}.pkl"));
        let dict = value.as_dict().unwrap();
        let get = |key| dict.get(key).unwrap().value().clone();
        let ints = |range: std::ops::Range<i64>| range.map(Value::Int).collect::<Vec<_>>();
        assert_eq!(get("none"), Value::None);
        assert_eq!((get("true"), get("false")), (Value::Bool(true), Value::Bool(false)));
        assert_eq!((get("int"), get("long")), (Value::Int(-3), Value::Int(5_000_000_000)));
        assert_eq!(get("big"), Value::BigInt("1180591620717411303424".into()));
        assert_eq!(get("negative"), Value::BigInt("-1180591620717411303424".into()));
        assert_eq!((get("float"), get("str")), (Value::Float(1.5), "hé 中\n".into()));
        assert_eq!(get("bytes"), Value::Bytes([0, 255].as_slice().into()), "protocol {protocol}");
        assert_eq!(get("bytearray"), Value::Bytes(b"ab".as_slice().into()));
        assert_eq!(get("list"), Value::List([Value::Int(1), Value::List(ints(2..3).into())].into()));
        let tuples: Vec<_> = (1..6).map(|end| Value::Tuple(ints(1..end).into())).collect();
        assert_eq!(get("tuples"), Value::List(tuples.into()));
        assert_eq!((get("set"), get("frozenset")), (Value::Set(ints(7..8).into()), Value::Set(ints(8..9).into())));
        assert_eq!(dict.get("ordered").unwrap().as_dict().unwrap().get("b").unwrap().as_i64(), Ok(2));
        assert_eq!(dict.get("default").unwrap().as_dict().unwrap().get("x").unwrap().as_list().unwrap().len(), 1);
        assert_eq!(dict.get("namespace").unwrap().as_dict().unwrap().get("lr").unwrap().as_f64(), Ok(0.01));
        assert_eq!(dict.get(4).unwrap().as_str(), Ok("four"));
        let Value::List(shared) = get("shared") else { panic!() };
        let [Value::List(a), Value::List(b)] = &*shared else { panic!() };
        assert!(std::sync::Arc::ptr_eq(a, b));
    }
}

#[test]
fn numpy_arrays_and_scalars_of_both_major_versions() {
    for name in [1, 2].into_iter().flat_map(|major| [0, 2, 4, 5].map(|p| format!("numpy{major}_{p}.pkl"))) {
        let value = fixture(&name);
        let dict = value.as_dict().unwrap();
        let array = |key| dict.get(key).unwrap().as_array().unwrap();
        for key in ["f4", "f8_fortran", "f8_big", "i1", "i2", "i4_big", "i8", "u1", "u2", "u4", "u8"] {
            let matrix = array(key).to_f32_matrix().unwrap();
            assert_eq!((matrix.rows(), matrix.as_slice()), (2, [0., 1., 2., 3., 4., 5.].as_slice()), "{name} {key}");
        }
        assert_eq!(array("f2").dtype(), DType::F16);
        assert_eq!(array("f2").to_f64_vec().unwrap(), [0., 0.25, 0.5, 0.75, 1., 1.25]);
        assert_eq!(array("bool").to_i64_vec().unwrap(), [1, 0, 1, 0, 1, 0]);
        assert_eq!(array("str").to_strings().unwrap(), ["P01", "中"]);
        assert_eq!(array("bytes").to_strings().unwrap(), ["ab", "c"]);
        assert_eq!(array("object").value(1), Some("x".into()));
        assert_eq!(array("object_fortran").to_strings().unwrap(), ["a", "b", "c", "d"]);
        assert_eq!(array("empty").shape(), [0, 3]);
        assert_eq!(dict.get("zero_d").unwrap().as_i64(), Ok(7));
        assert_eq!(dict.get("scalar_f4").unwrap().as_f64(), Ok(0.5));
        assert_eq!(dict.get("scalar_i8").unwrap().as_i64(), Ok(-2));
        assert_eq!(dict.get("scalar_bool").unwrap().as_bool(), Ok(true));
        assert_eq!(dict.get("scalar_u8").unwrap().value(), &Value::BigInt(u64::MAX.to_string().into()));
        assert_eq!(dict.get("scalar_str").unwrap().as_str(), Ok("s"));
    }
}

#[test]
fn data_frames_of_four_pandas_layouts() {
    for version in 1..=3 {
        for protocol in [2, 4, 5] {
            let value = fixture(&format!("frame{version}_{protocol}.pkl"));
            let frame = value.as_data_frame().unwrap();
            let names: Vec<_> = frame.columns.iter().map(|(name, _)| name.as_str().unwrap()).collect();
            assert_eq!(names, ["narration", "verb_class", "x", "noun_class", "all_nouns", "flag"]);
            assert_eq!(frame.index.name, "narration_id".into());
            assert_eq!(frame.index.labels, ["P01_1_0".into(), "P01_1_1".into()]);
            assert_eq!(frame.column("narration").unwrap(), ["open door".into(), "take pan".into()]);
            assert_eq!(frame.column("verb_class").unwrap(), [Value::Int(3), Value::Int(0)]);
            assert_eq!(frame.column("noun_class").unwrap(), [Value::Int(2), Value::Int(9)]);
            assert_eq!(frame.column("x").unwrap(), [Value::Float(0.5), Value::Float(1.5)]);
            assert_eq!(frame.column("flag").unwrap(), [Value::Bool(true), Value::Bool(false)]);
            assert_eq!(frame.column("all_nouns").unwrap()[1].as_list().unwrap().len(), 2);
            assert_eq!(frame.column("missing"), None);
        }
        let value = fixture(&format!("range{version}.pkl"));
        assert_eq!(value.as_data_frame().unwrap().index.labels, [Value::Int(0), Value::Int(1)]);
    }
    let value = fixture("frame0.pkl");
    let frame = value.as_data_frame().unwrap();
    assert_eq!(frame.column("a").unwrap(), [Value::Int(1), Value::Int(2)]);
    assert_eq!(frame.column("b").unwrap(), ["x".into(), "y".into()]);
    assert_eq!(frame.column("c").unwrap(), [Value::Int(5), Value::Int(6)]);
    assert_eq!(frame.index.labels, [Value::Int(10), Value::Int(20)]);
}

#[test]
fn unknown_classes_are_refused_by_name_or_kept_inert() {
    for protocol in [0, 2, 4] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/pickle/config_{protocol}.pkl"));
        let error = from_path(&path, &Limits::default()).unwrap_err();
        assert!(error.to_string().ends_with(&format!("config_{protocol}.pkl")));
        let PickleError::File { source, .. } = error else { panic!() };
        assert!(source.to_string().contains("`project.config.Config`"), "{source}");

        let options = PickleOptions { unknown_globals: UnknownGlobal::Opaque, ..PickleOptions::default() };
        let value = options.from_path(&path).unwrap();
        let dict = value.as_dict().unwrap();
        assert_eq!(dict.get("epoch").unwrap().as_i64(), Ok(3));
        let Value::Opaque(config) = dict.get("config").unwrap().value() else { panic!() };
        assert_eq!(config.path(), "project.config.Config");
        let state = config.state.as_dict().unwrap();
        assert_eq!(state.get("arch").unwrap().as_dict().unwrap().get("type").unwrap().as_str(), Ok("net"));
    }
}

#[test]
fn python_2_strings_are_text_where_they_can_be() {
    assert_eq!(parse(b"S'a\\n\\x41\\101\\q'\n."), "a\nAA\\q".into());
    assert_eq!(parse(b"U\x02\xc3\xa9."), "é".into());
    assert_eq!(parse(b"U\x01\xff."), Value::Bytes([255].as_slice().into()));
    assert_eq!(parse(b"V\\u4e2d\xe9\n."), "中é".into());
    assert_eq!(parse(b"(I01\nI00\nL5L\nF2.5\nl."), {
        Value::List([Value::Bool(true), Value::Bool(false), Value::Int(5), Value::Float(2.5)].into())
    });
    // An array of Python 2: cnumpy.core.multiarray, data as an old string.
    let old = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n\
                (S'i2'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x01\\x00\\xff\\xff'\ntb.";
    assert_eq!(parse(old).as_array().unwrap().to_i64_vec().unwrap(), [1, -1]);
}

#[test]
fn long_integers_keep_their_value() {
    assert_eq!(parse(b"\x8a\x00."), Value::Int(0));
    assert_eq!(parse(b"\x8a\x01\xff."), Value::Int(-1));
    assert_eq!(parse(b"\x8a\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01."), {
        Value::BigInt("0x0100000000000000000000000000000000".into())
    });
    assert_eq!(parse(b"\x8a\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff."), {
        Value::BigInt("-0x0100000000000000000000000000000000".into())
    });
}

#[test]
fn errors_name_the_place() {
    let value = parse(b"\x80\x02}X\x09\0\0\0vid2class}X\x08\0\0\0P01_01_0]K\x03ass.");
    let place = value.as_dict().unwrap().get("vid2class").unwrap().as_dict().unwrap().get("P01_01_0").unwrap();
    assert_eq!(place.as_i64().unwrap_err().to_string(), r#"["vid2class"]["P01_01_0"]: int expected, found list"#);
    let item = place.as_list().unwrap().iter().next().unwrap();
    assert_eq!(item.as_str().unwrap_err().path, r#"["vid2class"]["P01_01_0"][0]"#);
    let missing = value.as_dict().unwrap().get("sent2class").unwrap_err();
    assert_eq!(missing.to_string(), r#"key "sent2class" expected, found 1 keys: ["vid2class"]"#);
}

#[test]
fn values_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<Value>();
}

#[test]
fn what_would_change_values_is_refused() {
    let error = |bytes: &[u8]| from_slice(bytes, &Limits::default()).unwrap_err().to_string();
    let bytes = |encoding: &str| format!("c_codecs\nencode\n(S'ab'\nS'{encoding}'\ntR.");
    assert_eq!(parse(bytes("latin1").as_bytes()), Value::Bytes(b"ab".as_slice().into()));
    assert!(error(bytes("utf-16").as_bytes()).contains("an encoding other than latin1"));
    let dtype = |order: &str| format!("cnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'{order}'\nNNNI-1\nI-1\nI0\ntb.");
    assert!(matches!(parse(dtype(">").as_bytes()), Value::NumpyDType(NumpyDType { big_endian: true, .. })));
    assert!(error(dtype("!").as_bytes()).contains("a byte order other than"));
}
