use super::convert::{bf16_to_f32, f16_to_f32};
use super::decode::Encoding;
use super::*;
use crate::formats::limits::{Budget, Limits};

fn array(shape: &[usize], data: ArrayData) -> NdArray {
    NdArray::new(shape.to_vec(), data).unwrap()
}

#[test]
fn conversions_name_type_and_shape() {
    let text = array(&[2, 1], ArrayData::Str(vec!["a".into(), "b".into()]));
    assert_eq!(text.to_f32_matrix().unwrap_err().to_string(), "numbers expected, found str of shape [2, 1]");
    let vector = array(&[2], ArrayData::F64(vec![1.0, 2.0]));
    assert_eq!(vector.to_f64_matrix().unwrap_err().to_string(), "2 dimensions expected, found f64 of shape [2]");
    assert_eq!(vector.to_i64_vec().unwrap_err().to_string(), "integers expected, found f64 of shape [2]");
    let large = array(&[2], ArrayData::U64(vec![1, u64::MAX]));
    let expected = "element 1 of u64 of shape [2] is no 64-bit integer";
    assert_eq!(large.to_i64_vec().unwrap_err().to_string(), expected);
    let error = NdArray::new(vec![2, 3], ArrayData::I8(vec![0; 5])).unwrap_err();
    assert_eq!(error.to_string(), "shape [2, 3] of i8 wants 6 values, found 5");
    assert!(NdArray::new(vec![usize::MAX, 2], ArrayData::I8(vec![])).is_err());
}

#[test]
fn half_precision_is_exact() {
    let cases = [
        (0x0000, 0.0),
        (0x3c00, 1.0),
        (0xc000, -2.0),
        (0x7bff, 65504.0),
        (0x0400, 2f32.powi(-14)),
        (0x0001, 2f32.powi(-24)),
        (0x03ff, 1023.0 * 2f32.powi(-24)),
        (0x7c00, f32::INFINITY),
        (0xfc00, f32::NEG_INFINITY),
    ];
    for (bits, value) in cases {
        assert_eq!(f16_to_f32(bits), value, "{bits:04x}");
    }
    assert!(f16_to_f32(0x7e00).is_nan());
    assert!(f16_to_f32(0x8000).is_sign_negative());
    assert_eq!(bf16_to_f32(0x3fc0), 1.5);
}

#[test]
fn fortran_order_becomes_c_order() {
    // A [2, 3, 2] array whose element at (i, j, k) is 100i + 10j + k.
    let value = |i, j, k| 100 * i + 10 * j + k;
    let all = |order: fn(i64, i64, i64) -> (i64, i64, i64), sizes: [i64; 3]| -> Vec<i64> {
        let mut values = Vec::new();
        for a in 0..sizes[0] {
            for b in 0..sizes[1] {
                for c in 0..sizes[2] {
                    let (i, j, k) = order(a, b, c);
                    values.push(value(i, j, k));
                }
            }
        }
        values
    };
    let fortran = all(|k, j, i| (i, j, k), [2, 3, 2]);
    let c = all(|i, j, k| (i, j, k), [2, 3, 2]);
    assert_eq!(fortran_to_c(&[2, 3, 2], ArrayData::I64(fortran)), ArrayData::I64(c));
}

#[test]
fn sizes_are_checked_before_anything_is_reserved() {
    let limits = Limits { bytes: 1000, ..Limits::default() };
    let decode = |code, shape: &[usize], bytes: &[u8]| {
        Encoding::from_numpy(code).unwrap().decode(shape.to_vec(), false, bytes, &mut Budget::new(&limits, bytes.len()))
    };
    assert!(matches!(decode("f8", &[1 << 40], &[0; 8]), Err(ArrayError::Length { .. })));
    assert!(matches!(decode("f8", &[1 << 62, 1 << 62], &[0; 8]), Err(ArrayError::Shape(_))));
    // Zero-width strings need no bytes in the file, but memory all the same.
    assert!(matches!(decode("U0", &[1 << 40], &[]), Err(ArrayError::Limit(_))));
    assert!(matches!(decode("f4", &[0, 1 << 40], &[]), Err(ArrayError::Limit(_))));
    assert!(matches!(decode("u1", &[1001], &[0; 1001]), Err(ArrayError::Limit(_))));
    assert!(Encoding::from_numpy("M8[ns]").is_err());
    assert!(Encoding::from_numpy("é").is_err());
}
