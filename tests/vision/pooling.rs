use coembed::vision::{FeatureMaps, PoolingError, imac, rmac};

#[test]
fn pooled_layers_have_unit_length_and_zeros_stay() {
    let values: Vec<f32> = (0..2 * 3 * 5 * 6).map(|i| (i as f32).sin()).collect();
    let zeros = vec![0.0; 2 * 4 * 7 * 7];
    let layers = [FeatureMaps::new(&values, [2, 3, 5, 6]).unwrap(), FeatureMaps::new(&zeros, [2, 4, 7, 7]).unwrap()];
    for pooled in [imac(&layers).unwrap(), rmac(&layers).unwrap()] {
        assert_eq!((pooled.rows(), pooled.cols()), (2, 7));
        for row in (0..2).map(|i| pooled.row(i)) {
            let length = row[..3].iter().map(|value| value * value).sum::<f32>();
            assert!((length - 1.0).abs() < 1e-6 && row[3..] == [0.0; 4], "{row:?}");
        }
    }
}

#[test]
fn maps_that_do_not_fit_are_refused() {
    let values = vec![1.0; 2 * 3 * 4 * 3];
    let error = FeatureMaps::new(&values, [2, 3, 4, 4]).unwrap_err().to_string();
    assert_eq!(error, "maps of 3 x 4 x 4 for 2 frames are not 72 values");
    assert!(FeatureMaps::new(&[], [usize::MAX, 2, 2, 2]).is_err());
    let layer = FeatureMaps::new(&values, [2, 3, 4, 3]).unwrap();
    assert!(imac(&[layer]).is_ok());
    let small = "maps of height 4 and width 3 are too small: at least 4 are needed along each axis";
    assert_eq!(rmac(&[layer]).unwrap_err().to_string(), small);
    let other = FeatureMaps::new(&values, [1, 6, 4, 3]).unwrap();
    assert_eq!(imac(&[layer, other]).unwrap_err(), PoolingError::Frames { expected: 2, got: 1 });
    let nothing = FeatureMaps::new(&[], [1, 2, 0, 3]).unwrap();
    assert!(matches!(imac(&[nothing]), Err(PoolingError::TooSmall { .. })));
    for bad in [f32::NAN, f32::INFINITY] {
        let mut values = values.clone();
        values[40] = bad;
        let layer = FeatureMaps::new(&values, [2, 3, 4, 3]).unwrap();
        assert_eq!(imac(&[layer]).unwrap_err(), PoolingError::NotFinite { frame: 1 });
    }
}
