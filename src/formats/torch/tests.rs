use std::collections::BTreeMap;

use super::super::ndarray::{ArrayData, DType};
use super::super::pickle::Storage;
use super::*;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/relmargin").join(name)
}

#[test]
fn both_containers_hold_the_golden_parameters() {
    let load = |name: &str| {
        let checkpoint = load(&golden("mini/logs/runs").join(name), &Options::default()).unwrap();
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
    let tensor = Tensor { storage, dtype: DType::F32, offset, shape: shape.to_vec(), strides: strides.to_vec() };
    let bytes = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let limits = Limits { bytes: 1000, ..Limits::default() };
    let storages = HashMap::from([("0".into(), bytes)]);
    Checkpoint { value: Value::None, storages, big_endian: false, limits }.array(&tensor)
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
