use std::collections::BTreeMap;

use super::super::ndarray::{ArrayData, DType};
use super::super::pickle::{Storage, UnknownGlobal};
use super::*;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/relmargin").join(name)
}

#[test]
fn both_containers_hold_the_golden_parameters() {
    let load = |name: &str| {
        let checkpoint = load(&golden("mini/logs/runs").join(name), &PickleOptions::default()).unwrap();
        checkpoint.state_dict(None).unwrap()
    };
    let zip = load("jpose/model/JPoSE_99.pth");
    assert_eq!(zip, load("jpose/model/JPoSE_99_legacy.pth"));
    assert_eq!(load("mmen/model/MMEN_99.pth"), load("mmen/model/MMEN_99_legacy.pth"));
    assert_eq!((zip.tensors.len(), zip.skipped.len()), (36, 0));

    let bytes = std::fs::read(golden("mini_eval.safetensors")).unwrap();
    let expected = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let expected: BTreeMap<_, _> =
        expected.iter().filter_map(|(name, t)| Some((name.strip_prefix("param.")?, t))).collect();
    assert_eq!(expected.len(), 36);
    for (name, tensor) in expected {
        let array = zip.get(name).unwrap();
        assert_eq!(array.shape(), tensor.shape(), "{name}");
        let bytes: Vec<u8> = match array.data() {
            ArrayData::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            ArrayData::I64(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            other => panic!("{name}: {}", other.dtype()),
        };
        assert_eq!(bytes, tensor.data(), "{name}");
    }
}

/// A checkpoint with one storage of the floats 0, 1, ... and one tensor.
fn with_tensor(numel: u64, offset: u64, shape: &[usize], strides: &[usize]) -> Result<NdArray, TorchError> {
    let storage = Arc::new(Storage { key: "0".into(), dtype: DType::F32, location: "cuda:0".into(), numel });
    let tensor = Tensor {
        storage,
        dtype: DType::F32,
        offset,
        shape: shape.to_vec(),
        strides: strides.to_vec(),
        negative: false,
    };
    let bytes = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let limits = Limits { bytes: 1000, ..Limits::default() };
    let storages = HashMap::from([("0".into(), bytes)]);
    TorchCheckpoint { value: Value::None, storages, big_endian: false, limits }.array(&tensor)
}

/// The pickle of one tensor over the storage "0" of two floats, its arguments behind the strides given.
fn pickle_of_a_tensor(function: &str, rest: &[u8]) -> Vec<u8> {
    let mut text =
        format!("ctorch._utils\n{function}\n((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI2\ntQI0\n(I2\nt(I1\nt")
            .into_bytes();
    text.extend(rest);
    text.extend(b"tR.");
    text
}

/// What the pickle's tensor is over the storage 1.5, -0.
fn read_tensor(function: &str, rest: &[u8]) -> Result<Vec<f32>, TorchError> {
    let bytes = pickle_of_a_tensor(function, rest);
    let limits = Limits::default();
    let value = super::super::pickle::read_with_storages(
        &bytes,
        &mut Budget::new(&limits, bytes.len()),
        UnknownGlobal::Refuse,
    )?
    .value;
    let Value::Tensor(tensor) = &value else { panic!("{}", value.type_name()) };
    let bytes = [1.5_f32, -0.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let storages = HashMap::from([("0".into(), bytes)]);
    let checkpoint = TorchCheckpoint { value: value.clone(), storages, big_endian: false, limits };
    Ok(checkpoint.array(tensor)?.to_f32_vec().unwrap())
}

#[test]
fn metadata_that_change_values_are_applied_or_refused() {
    let bits = |values: Vec<f32>| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let plain = bits(vec![1.5, -0.0]);
    let negative = bits(vec![-1.5, 0.0]);
    // requires_grad and hooks, then the metadata.
    let read = |metadata: &str| read_tensor("_rebuild_tensor_v2", format!("I00\nN{metadata}").as_bytes());
    for metadata in ["", "N", "(d", "(dS'neg'\nI00\nsS'conj'\nI00\ns", "(dS'other'\nI00\ns"] {
        assert_eq!(bits(read(metadata).unwrap()), plain, "{metadata:?}");
    }
    assert_eq!(bits(read("(dS'conj'\nI00\nsS'neg'\nI01\ns").unwrap()), negative);
    for (metadata, named) in
        [("(dS'conj'\nI01\ns", "conj"), ("(dS'scale'\nF2.0\ns", "scale"), ("I1\n", "metadata in a dict")]
    {
        let error = read(metadata).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    // Version 3 has the element type before them, version 1 has none.
    let third = read_tensor("_rebuild_tensor_v3", b"I00\nNctorch\nfloat32\n(dS'neg'\nI01\ns").unwrap();
    assert_eq!(bits(third), negative);
    assert_eq!(bits(read_tensor("_rebuild_tensor", b"").unwrap()), plain);
    for name in
        ["_rebuild_qtensor", "_rebuild_sparse_tensor", "_rebuild_nested_tensor", "_rebuild_parameter_with_state"]
    {
        let error = read_tensor(name, b"").unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn the_other_sign_is_exact() {
    use ArrayData::*;
    let negated = |data: ArrayData| NdArray::new(vec![data.len()], data).unwrap().negated();
    let values = |data| negated(data).unwrap().data().clone();
    assert_eq!(values(F16(vec![0x3c00, 0x8000, 0x0001])), F16(vec![0xbc00, 0x0000, 0x8001]));
    assert_eq!(values(BF16(vec![0x3f80])), BF16(vec![0xbf80]));
    assert_eq!(values(F64(vec![1e-300, -2.0])), F64(vec![-1e-300, 2.0]));
    assert_eq!(values(I8(vec![-128, 3])), I8(vec![-128, -3]));
    assert_eq!((values(I64(vec![7])), values(U8(vec![1]))), (I64(vec![-7]), U8(vec![255])));
    assert!(negated(Bool(vec![true])).unwrap_err().to_string().contains("bool with the other sign"));
}

#[test]
fn views_are_strided_and_bounded() {
    let values = |offset, shape: &[usize], strides: &[usize]| {
        with_tensor(6, offset, shape, strides).unwrap().to_f32_vec().unwrap()
    };
    assert_eq!(values(0, &[2, 3], &[3, 1]), [0., 1., 2., 3., 4., 5.]);
    assert_eq!(values(0, &[3, 2], &[1, 3]), [0., 3., 1., 4., 2., 5.]);
    assert_eq!(values(1, &[2, 2], &[2, 1]), [1., 2., 3., 4.]);
    assert_eq!(values(2, &[2, 2], &[0, 1]), [2., 3., 2., 3.]);
    assert_eq!(values(0, &[2, 3], &[1, 1]), [0., 1., 2., 1., 2., 3.]);
    assert_eq!(values(5, &[], &[]), [5.]);
    assert_eq!(values(5, &[1], &[1 << 60]), [5.]);
    assert_eq!(values(99, &[0, 3], &[3, 1]), [0.; 0]);

    let refused = |offset, shape: &[usize], strides: &[usize]| with_tensor(6, offset, shape, strides).unwrap_err();
    assert!(matches!(refused(1, &[2, 3], &[3, 1]), TorchError::OutOfBounds { .. }));
    assert!(matches!(refused(u64::MAX, &[1], &[1]), TorchError::OutOfBounds { .. }));
    assert!(matches!(refused(0, &[3], &[usize::MAX]), TorchError::OutOfBounds { .. }));
    // Stride 0: the storage is large enough, the result is not.
    assert!(matches!(refused(0, &[1 << 40], &[0]), TorchError::Limit(_)));
    assert!(matches!(refused(0, &[1 << 40, 1 << 40], &[0, 0]), TorchError::Array(ArrayError::Shape(_))));
    assert!(matches!(with_tensor(7, 0, &[1], &[1]), Err(TorchError::StorageSize { wanted: 28, found: 24, .. })));
}
