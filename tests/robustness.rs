//! What strangers' files may try, one test per attack. Nothing here may panic, hang, or reserve memory by the gigabyte.

use std::io::Write;
use std::path::{Path, PathBuf};

use coembed::formats::pickle::{self, PickleError, PickleOptions, UnknownGlobal, Value};
use coembed::formats::torch::{self, TorchError};
use coembed::formats::{Limits, npy};
use proptest::prelude::*;

fn small() -> Limits {
    Limits { nodes: 50_000, expanded_nodes: 50_000, bytes: 1 << 20, ..Limits::default() }
}

fn parse(bytes: &[u8]) -> Result<Value, PickleError> {
    pickle::from_slice(bytes, &small())
}

fn message(bytes: &[u8]) -> String {
    parse(bytes).unwrap_err().to_string()
}

fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| extensions.iter().any(|x| e == *x)) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty());
    found
}

/// Every small fixture: pickles, arrays and checkpoints.
fn fixtures() -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths = files("tests/data", &["pkl", "npy", "npz"]);
    paths.extend(files("tests/golden/relmargin/mini", &["pkl", "pth"]));
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Reads bytes as everything they could be; the results do not matter.
fn read_as_anything(bytes: &[u8]) {
    for unknown_globals in [UnknownGlobal::Refuse, UnknownGlobal::Opaque] {
        let options = PickleOptions { limits: small(), unknown_globals };
        let _ = options.from_slice(bytes);
        if let Ok(checkpoint) = torch::from_slice(bytes, &options) {
            let _ = checkpoint.state_dict(None);
        }
    }
    let _ = npy::from_slice(bytes, &small());
    let _ = npy::npz_from_slice(bytes, &small());
}

#[test]
fn code_execution_is_an_error_that_names_the_function() {
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("__builtin__", "exec"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("torch.serialization", "load"),
        ("numpy.testing._private.utils", "runstring"),
        ("importlib", "import_module"),
    ] {
        let old = format!("c{module}\n{name}\n(S'id'\ntR.");
        let new = format!("\u{8}{module}").replace('\u{8}', "V") + &format!("\nV{name}\n");
        let new = [new.as_bytes(), b"\x93(Vid\ntR."].concat();
        let inst = format!("(S'id'\ni{module}\n{name}\n.");
        for bytes in [old.as_bytes(), &new, inst.as_bytes()] {
            assert!(message(bytes).contains(&format!("`{module}.{name}`")), "{}", message(bytes));
            let opaque = PickleOptions { unknown_globals: UnknownGlobal::Opaque, limits: small() };
            let Ok(Value::Opaque(inert)) = opaque.from_slice(bytes) else { panic!() };
            assert_eq!(inert.path(), format!("{module}.{name}"));
        }
    }
}

#[test]
fn a_memo_bomb_is_refused_at_no_cost() {
    // l = []; 100 times l = [l, l]: 400 bytes describe 2^100 values.
    let mut bytes = b"]q\0".to_vec();
    for _ in 0..100 {
        bytes.extend(b"0](h\0h\0eq\0");
    }
    bytes.push(b'.');
    assert!(message(&bytes).contains("expanded tree"), "{}", message(&bytes));
}

#[test]
fn deep_nesting_is_refused_without_recursion() {
    let nested = |levels| [vec![b']'; levels], vec![b'a'; levels - 1], vec![b'.']].concat();
    assert!(message(&nested(1_000)).contains("levels of nesting"));
    assert!(parse(&nested(200)).is_ok());
    let limits = Limits { depth: u32::MAX, ..Limits::default() };
    assert!(pickle::from_slice(&nested(1_000_000), &limits).unwrap_err().to_string().contains("levels of nesting"));
    // The greatest depth there is can be dropped, compared and printed on the small stack of a thread.
    let walk = move || {
        let value = pickle::from_slice(&nested(1000), &limits).unwrap();
        assert_eq!(value, value.clone());
        drop(format!("{value:?}"));
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(walk).unwrap().join().unwrap();
    let tuples = [vec![b')'], vec![0x85; 1_000_000], vec![b'.']].concat();
    assert!(pickle::from_slice(&tuples, &Limits::default()).is_err());
}

#[test]
fn huge_lengths_are_refused_before_allocation() {
    for bytes in [
        b"B\xff\xff\xff\xff.".as_slice(),
        b"X\xff\xff\xff\x7f.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x96\x00\x00\x00\x00\x00\x00\x00\x80.",
        b"\x95\xff\xff\xff\xff\xff\xff\xff\xffN.",
        b"\x8b\xff\xff\xff\x7f.",
    ] {
        assert!(matches!(parse(bytes), Err(PickleError::Truncated { .. })), "{bytes:?}");
    }
    // A memo number is a key, not a length.
    assert!(parse(b"Nr\xff\xff\xff\xffp18446744073709551615\n.").is_ok());
}

#[test]
fn negative_lengths_are_refused() {
    for bytes in [b"T\xff\xff\xff\xff.".as_slice(), b"\x8b\xff\xff\xff\xff."] {
        assert!(message(bytes).contains("negative length"), "{}", message(bytes));
    }
    let array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I-2\ntcnumpy\ndtype\n\
                  (S'i2'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS''\ntb.";
    assert!(message(array).contains("negative size -2"), "{}", message(array));
}

#[test]
fn huge_shapes_are_refused_before_allocation() {
    for shape in ["I99999999999", "I9223372036854775807\nI9223372036854775807", "I0\nI9223372036854775807"] {
        let array = format!(
            "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n({shape}\ntcnumpy\ndtype\n\
             (S'f8'\nI0\nI1\ntRI00\nS''\ntb."
        );
        assert!(parse(array.as_bytes()).is_err(), "{shape}");
    }
    let range = "cpandas.core.indexes.base\n_new_Index\n(cpandas.core.indexes.range\nRangeIndex\n(dVstart\nI0\nsVstop\n\
                 I9223372036854775807\nsVstep\nI1\nstR.";
    assert!(message(range.as_bytes()).contains("objects"), "{}", message(range.as_bytes()));
}

#[test]
fn budgets_hold() {
    let with = |limits: Limits, bytes: &[u8]| pickle::from_slice(bytes, &limits).unwrap_err().to_string();
    let nones = [vec![b'('], vec![b'N'; 100], b"l.".to_vec()].concat();
    assert_eq!(with(Limits { nodes: 50, ..small() }, &nones), "objects: 51 wanted, 50 allowed");
    assert_eq!(with(Limits { bytes: 3, ..small() }, b"U\x04abcd."), "bytes of content: 4 wanted, 3 allowed");
    assert_eq!(with(Limits { input_bytes: 5, ..small() }, b"U\x04abcd."), "bytes of input: 7 wanted, 5 allowed");
}

#[test]
fn opcodes_on_an_empty_stack_are_refused() {
    for opcode in 0..=255_u8 {
        for tail in [b".".as_slice(), b"\0\0\0\0\0\0\0\0\0.", b"1\n1\n."] {
            let _ = parse(&[&[opcode], tail].concat());
        }
    }
    for bytes in
        [b".".as_slice(), b"0.", b"2.", b"a.", b"s.", b"R.", b"b.", b"\x81.", b"\x93.", b"\x85.", b"\x94.", b"(."]
    {
        assert!(message(bytes).contains("stack is empty"), "{}", message(bytes));
    }
    for bytes in [b"1.".as_slice(), b"e.", b"u.", b"t.", b"l.", b"d.", b"o.", b"\x90.", b"\x91."] {
        assert!(message(bytes).contains("no mark"), "{}", message(bytes));
    }
    // What lies below a mark is out of reach.
    assert!(message(b"](Na0").contains("stack is empty") || parse(b"](Na0.").is_err());
    assert!(parse(b"N(a.").is_err());
}

#[test]
fn items_for_the_wrong_container_are_refused() {
    assert!(message(b"]NNs.").contains("no dict"));
    assert!(message(b"](NNu.").contains("no dict"));
    assert!(message(b"}Na.").contains("no list"));
    assert!(message(b"](N\x90.").contains("no list"));
    assert!(message(b"}(Nu.").contains("without a value"));
    assert!(message(b"]Nb.").contains("has none"));
    assert!(message(b"N)R.").contains("known constructor"));
    assert!(message(b"h\x01.").contains("nothing is remembered"));
    assert!(message(b"\xff.").contains("0xff"));
    assert!(message(b"N.N.").contains("2 bytes follow"));
    assert!(message(b"\x80\x06N.").contains("protocol 6"));
}

#[test]
fn a_container_that_contains_itself_is_refused() {
    for bytes in [
        b"]q\0h\0a.".as_slice(),
        b"}q\0Nh\0s.",
        b"]q\0]h\0aa.",
        b"(](h\0t.",
        b"]q\0h\0\x85a.",
        b"\x8fq\0(h\0\x90.",
        b"ccollections\nOrderedDict\n)Rq\0Nh\0s.",
        b"cargparse\nNamespace\n)\x81q\0}Nh\0sb.",
    ] {
        assert!(parse(bytes).is_err(), "{bytes:?}");
    }
    assert!(matches!(parse(b"]q\0h\0a."), Err(PickleError::Recursive)));
    assert!(matches!(parse(b"cargparse\nNamespace\n)\x81q\0}Nh\0sb."), Err(PickleError::Recursive)));
}

#[test]
fn of_duplicate_keys_the_last_counts() {
    let value = parse(b"}(U\x01aK\x01U\x01bK\x02U\x01aK\x03u.").unwrap();
    let dict = value.as_dict().unwrap();
    assert_eq!((dict.len(), dict.get("a").unwrap().as_i64()), (2, Ok(3)));
    // 1, 1.0 and True are one key.
    assert_eq!(parse(b"}(K\x01NF1.0\nN\x88Nu.").unwrap().as_dict().unwrap().len(), 1);
}

#[test]
fn truncated_files_are_refused_at_every_byte() {
    for (path, bytes) in fixtures() {
        // Checkpoints are longer: every byte of the pickles, a sample of the storages.
        let step = if bytes.len() > 6_000 { 13 } else { 1 };
        for end in (0..bytes.len()).step_by(step) {
            let cut = &bytes[..end];
            match path.extension().and_then(|e| e.to_str()) {
                Some("pkl") => assert!(parse(cut).is_err(), "{} at {end}", path.display()),
                Some("npy") => assert!(npy::from_slice(cut, &small()).is_err(), "{} at {end}", path.display()),
                Some("npz") => assert!(npy::npz_from_slice(cut, &small()).is_err(), "{} at {end}", path.display()),
                _ => assert!(torch::from_slice(cut, &PickleOptions::default()).is_err(), "{} at {end}", path.display()),
            }
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_as_anything(&bytes);
    }
}

type Member<'a> = (&'a str, &'a [u8]);

fn zip_of(members: &[Member], method: zip::CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in members {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A state dict with one tensor `w` of floats in storage `0`.
fn object(numel: i64, offset: i64, shape: &str, strides: &str) -> Vec<u8> {
    let text = format!(
        "(dS'w'\nctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cuda:0'\nI{numel}\nt"
    );
    let rest = format!("I{offset}\n({shape}t({strides}tI00\nNtRs.");
    [text.as_bytes(), b"Q", rest.as_bytes()].concat()
}

fn checkpoint(object: &[u8], storage: &[u8]) -> Vec<u8> {
    zip_of(&[("x/data.pkl", object), ("x/data/0", storage)], zip::CompressionMethod::Stored)
}

fn state(bytes: &[u8]) -> Result<torch::TorchState, TorchError> {
    torch::from_slice(bytes, &PickleOptions { limits: small(), ..PickleOptions::default() })?.state_dict(None)
}

fn cause(error: TorchError) -> String {
    use std::error::Error;
    error.source().map_or(error.to_string(), |source| source.to_string())
}

#[test]
fn checkpoints_with_wrong_storages_are_refused() {
    let floats: Vec<u8> = (0..4).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let good = state(&checkpoint(&object(4, 0, "I2\nI2\n", "I1\nI2\n"), &floats)).unwrap();
    assert_eq!(good.get("w").unwrap().to_f32_matrix().unwrap().as_slice(), [0., 2., 1., 3.]);

    let refused = |object: &[u8], storage: &[u8]| cause(state(&checkpoint(object, storage)).unwrap_err());
    let size = "storage \"0\": 16 bytes expected, found 15";
    assert_eq!(refused(&object(4, 0, "I4\n", "I1\n"), &floats[..15]), size);
    assert!(refused(&object(4, 1, "I4\n", "I1\n"), &floats).contains("reach beyond"));
    assert!(refused(&object(4, 0, "I4\n", "I2\n"), &floats).contains("reach beyond"));
    assert!(refused(&object(4, -1, "I4\n", "I1\n"), &floats).contains("negative offset"));
    assert!(refused(&object(4, 0, "I4\n", "I-1\n"), &floats).contains("negative size"));
    assert!(refused(&object(-4, 0, "I4\n", "I1\n"), &floats).contains("negative size"));
    assert!(refused(&object(4, 0, "I4\n", ""), &floats).contains("1 sizes but 0 strides"));
    let missing = zip_of(&[("x/data.pkl", &object(4, 0, "I4\n", "I1\n"))], zip::CompressionMethod::Stored);
    assert_eq!(cause(state(&missing).unwrap_err()), "storage \"0\" is missing");
}

#[test]
fn a_stride_bomb_is_refused_before_allocation() {
    let bomb = checkpoint(&object(1, 0, "I1000000\nI1000000\n", "I0\nI0\n"), &[0; 4]);
    let error = cause(state(&bomb).unwrap_err());
    assert!(error.contains("bytes of content"), "{error}");
}

#[test]
fn what_is_no_tensor_in_a_state_dict_is_reported_by_name() {
    let floats = 1_f32.to_le_bytes();
    let tensor = object(1, 0, "I1\n", "I1\n");
    let mut with_epoch = tensor[..tensor.len() - 1].to_vec();
    with_epoch.extend(b"S'epoch'\nI3\ns.");
    let read = state(&checkpoint(&with_epoch, &floats)).unwrap();
    assert_eq!(read.skipped, [("epoch".to_owned(), "int".to_owned())]);
    let mut nested = b"(dS'state_dict'\n".to_vec();
    nested.extend(&tensor[..tensor.len() - 1]);
    nested.extend(b"s.");
    let nested = torch::from_slice(&checkpoint(&nested, &floats), &PickleOptions::default()).unwrap();
    assert_eq!(nested.state_dict(Some("state_dict")).unwrap().tensors.len(), 1);
    let error = nested.state_dict(None).unwrap_err().to_string();
    assert_eq!(error, "no state dict at the top level: found a dict without tensors, keys \"state_dict\"");
}

#[test]
fn zip_bombs_are_refused_before_unpacking() {
    let zeros = vec![0; 8 << 20];
    let bomb = zip_of(&[("x/data.pkl", b"}."), ("x/data/0", &zeros)], zip::CompressionMethod::Deflated);
    let open = |limits: Limits| torch::from_slice(&bomb, &PickleOptions { limits, ..PickleOptions::default() });
    assert!(open(Limits::default()).unwrap_err().to_string().contains("compression ratio"));
    let error = open(Limits { archive_ratio: u64::MAX, ..small() }).unwrap_err();
    assert!(error.to_string().contains("bytes in the archive"), "{error}");
    assert!(npy::npz_from_slice(&bomb, &Limits::default()).unwrap_err().to_string().contains("compression ratio"));
    let names: Vec<String> = (0..20).map(|i| format!("x/{i}")).collect();
    let members: Vec<Member> = names.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    let many = zip_of(&members, zip::CompressionMethod::Stored);
    let error = npy::npz_from_slice(&many, &Limits { archive_members: 10, ..small() }).unwrap_err();
    assert!(error.to_string().contains("members"), "{error}");
}

#[test]
fn names_that_leave_the_archive_are_refused() {
    for name in ["../data.pkl", "/data.pkl", "x/../data.pkl", "x\\data.pkl"] {
        let bytes = zip_of(&[(name, b"N.")], zip::CompressionMethod::Stored);
        assert!(torch::from_slice(&bytes, &PickleOptions::default()).is_err(), "{name}");
    }
    let two = zip_of(&[("x/data.pkl", b"N."), ("y/data.pkl", b"N.")], zip::CompressionMethod::Stored);
    assert!(torch::from_slice(&two, &PickleOptions::default()).unwrap_err().to_string().contains("several data.pkl"));
}

#[test]
fn other_containers_are_named() {
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    assert!(torch::from_slice(&tar, &PickleOptions::default()).unwrap_err().to_string().contains("tar archive"));
    assert!(torch::from_slice(b"N.", &PickleOptions::default()).unwrap_err().to_string().contains("magic number"));
}

#[test]
fn npy_headers_that_lie_are_refused_before_allocation() {
    let npy = |header: &str, data: &[u8]| {
        let bytes = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat();
        npy::from_slice(&bytes, &small())
    };
    let header = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
    assert!(npy(&header("1,"), &[0; 4]).is_ok());
    assert!(npy(&header("1,"), &[0; 5]).is_err());
    assert!(npy(&header("1000000000000,"), &[0; 4]).is_err());
    assert!(npy(&header("4294967296, 4294967296"), &[0; 4]).is_err());
    assert!(npy(&header("9223372036854775807, 9223372036854775807, 0"), &[]).is_err());
    assert!(npy(&header("-1,"), &[0; 4]).is_err());
    assert!(npy(&"(".repeat(60_000), &[]).is_err());
    assert!(npy(&header(&"1,".repeat(65)), &[0; 4]).is_err());
    assert!(npy("{}", &[]).is_err() && npy("{'descr': '<f4'}", &[]).is_err() && npy("{'\u{e9}", &[]).is_err());
    assert!(npy::from_slice(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", &small()).is_err());
    let huge_strings = "{'descr': '<U4611686018427387904', 'fortran_order': False, 'shape': (4,), }";
    assert!(npy(huge_strings, &[]).is_err());
}

#[test]
fn every_file_of_the_mini_data_set_is_read() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/relmargin/mini/data");
    for path in files("tests/golden/relmargin/mini/data", &["pkl"]) {
        pickle::from_path(&path, &Limits::default()).unwrap();
    }
    let read = |name: &str| pickle::from_path(&data.join(name), &Limits::default()).unwrap();
    let value = read("video_features/EPIC_100_retrieval_test_features_mean.pkl");
    let features = value.as_dict().unwrap().get("features").unwrap().as_array().unwrap();
    assert_eq!(features.shape(), [9, 22]);
    let features = features.to_f32_matrix().unwrap();
    assert_eq!((features.row(0)[..2].to_vec(), features.row(8)[21]), (vec![0.46444434, -2.339817], 1.0041397));
    let value = read("text_features/EPIC_100_retrieval_caption_text_features_test.pkl");
    assert_eq!(value.as_array().unwrap().to_f32_matrix().unwrap().cols(), 14);
    let value = read("relevancy/caption_relevancy_EPIC_100_retrieval_test.pkl");
    let relevance = value.as_array().unwrap().to_f64_matrix().unwrap();
    assert_eq!((relevance.rows(), relevance.cols()), (9, 7));
    assert_eq!(relevance.row(0), [1.0, 0.0, 0.0, 1.0 / 6.0, 0.5, 0.0, 0.75]);
    let value = read("relevancy/i2t_gts.pkl");
    let first = |row: pickle::At| row.as_list().unwrap().iter().next().unwrap().as_i64().unwrap();
    assert_eq!(value.as_list().unwrap().iter().map(first).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 3, 2]);
    let value = read("relational/caption_allnouns_relational_EPIC_100_retrieval_train.pkl");
    let classes = value.as_dict().unwrap().get("sent2classes").unwrap().as_dict().unwrap().get(2).unwrap();
    let classes: Vec<_> = classes.as_list().unwrap().iter().map(|class| class.as_i64().unwrap()).collect();
    assert_eq!(classes, [13, 16, 19]);
    let value = read("relational/EPIC_100_retrieval_caption_relational_dict_train.pkl");
    let relational = value.as_dict().unwrap();
    for (id, class) in relational.get("vid2class").unwrap().as_dict().unwrap().iter() {
        let rows = relational.get("class2vid").unwrap().as_dict().unwrap().get(class.as_str().unwrap()).unwrap();
        let id = id.as_str().unwrap();
        assert!(rows.as_list().unwrap().iter().any(|row| row.as_str() == Ok(id)));
    }
}
