//! Any bytes as `.npy` and `.npz`: no panic, shapes agree with values, conversions agree with shapes.
#![no_main]

use coembed_fuzz::formats::ndarray::NdArray;
use coembed_fuzz::formats::npy;
use coembed_fuzz::limits;
use libfuzzer_sys::fuzz_target;

fn check(array: &NdArray) {
    assert_eq!(array.len(), array.shape().iter().product::<usize>());
    if let Ok(matrix) = array.to_f32_matrix() {
        assert_eq!([matrix.rows(), matrix.cols()], array.shape());
    }
    if let Ok(values) = array.to_i64_vec() {
        assert_eq!(values.len(), array.len());
    }
    if let Ok(values) = array.to_strings() {
        assert_eq!(values.len(), array.len());
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(array) = npy::from_slice(bytes, &limits()) {
        check(&array);
    }
    if let Ok(arrays) = npy::npz_from_slice(bytes, &limits()) {
        arrays.iter().for_each(|(_, array)| check(array));
    }
});
