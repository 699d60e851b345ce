use coembed::formats::{Limits, npy_writer};
use coembed::matrix::Matrix;
use coembed::vision::{Pca, PcaError};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};

/// Points around a mean that is not 0, spread differently along every axis.
fn points(seed: u64, count: usize, width: usize) -> Matrix<f32> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    Matrix::from_fn(count, width, |_, j| 3.0 + (1.0 + j as f32) * rng.random_range(-1.0..1.0f32))
}

/// `W x + b` without the normalisation of rows.
fn projected(pca: &Pca, points: &Matrix<f32>, whiten: bool) -> Matrix<f64> {
    let components = pca.directions().cols();
    let projection = pca.projection(components, whiten).unwrap();
    Matrix::from_fn(points.rows(), components, |i, k| {
        let terms = projection.weight().row(k).iter().zip(points.row(i)).map(|(w, x)| f64::from(*w) * f64::from(*x));
        terms.sum::<f64>() + f64::from(projection.bias()[k])
    })
}

fn covariance(points: &Matrix<f64>) -> Matrix<f64> {
    let count = points.rows() as f64;
    let mean = |k: usize| (0..points.rows()).map(|i| points.row(i)[k]).sum::<f64>() / count;
    let means: Vec<f64> = (0..points.cols()).map(mean).collect();
    Matrix::from_fn(points.cols(), points.cols(), |k, l| {
        let terms = (0..points.rows()).map(|i| (points.row(i)[k] - means[k]) * (points.row(i)[l] - means[l]));
        terms.sum::<f64>() / (count - 1.0)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// In both forms: more points than dimensions, and fewer.
    #[test]
    fn the_covariance_of_whitened_points_is_the_identity(seed: u64, count in 6usize..30, width in 2usize..30) {
        let points = points(seed, count, width);
        let components = (width.min(count - 1)).div_ceil(2);
        let pca = Pca::fit(points.view(), components).unwrap();
        prop_assert!(pca.variances().is_sorted_by(|a, b| a >= b) || components == width);
        let covariance = covariance(&projected(&pca, &points, true));
        for (k, l) in (0..components).flat_map(|k| (0..components).map(move |l| (k, l))) {
            let want = if k == l { 1.0 } else { 0.0 };
            prop_assert!((covariance.row(k)[l] - want).abs() < 1e-3, "{k} {l}: {}", covariance.row(k)[l]);
        }
    }
}

#[test]
fn variances_are_those_along_the_directions_and_stand_in_the_published_order() {
    let points = points(1, 40, 6);
    for components in [4, 6] {
        let pca = Pca::fit(points.view(), components).unwrap();
        let covariance = covariance(&projected(&pca, &points, false));
        for (k, variance) in pca.variances().iter().enumerate() {
            assert!((covariance.row(k)[k] / f64::from(*variance) - 1.0).abs() < 1e-5);
        }
        // All components are in the order of the algorithm, the smallest first.
        assert_eq!(pca.variances().is_sorted(), components == 6);
    }
}

#[test]
fn points_on_a_line_have_floored_variances() {
    let points = Matrix::from_fn(9, 3, |i, j| (i * (j + 1)) as f32);
    let pca = Pca::fit(points.view(), 2).unwrap();
    assert!(pca.variances()[0] > 1.0 && pca.variances()[1] == 1e-9);
    let same = Matrix::from_fn(5, 3, |_, j| j as f32);
    let applied = Pca::fit(same.view(), 2).unwrap().projection(2, true).unwrap().apply(same.view()).unwrap();
    assert!(applied.as_slice().iter().all(|value| value.is_finite()));
}

#[test]
fn what_does_not_fit_is_refused() {
    let all = points(1, 5, 8);
    let message = |result: Result<Pca, PcaError>| result.unwrap_err().to_string();
    let few = "6 components of 5 points of 8 dimensions: too few for a covariance of that rank";
    assert_eq!(message(Pca::fit(all.view(), 6)), few);
    assert!(matches!(Pca::fit(points(1, 1, 3).view(), 1), Err(PcaError::TooFew { points: 1, .. })));
    assert!(matches!(Pca::fit(all.view(), 0), Err(PcaError::Components { wanted: 0, there: 5 })));
    let mut bad = all.clone();
    bad.row_mut(3)[2] = f32::NAN;
    assert_eq!(message(Pca::fit(bad.view(), 2)), "value 2 of point 3 is not finite");

    let pca = Pca::fit(all.view(), 3).unwrap();
    let error = pca.projection(4, true).unwrap_err().to_string();
    assert_eq!(error, "4 components are asked for, there are 3");
    assert!(pca.projection(0, true).is_err());
    let projection = pca.projection(2, true).unwrap();
    assert!(matches!(projection.apply(bad.view()), Err(PcaError::NotFinite { row: 3, column: 2 })));
    let error = projection.apply(points(1, 2, 7).view()).unwrap_err().to_string();
    assert_eq!(error, "points have 7 dimensions, the components 8");
    assert_eq!(projection.apply(points(1, 0, 8).view()).unwrap().rows(), 0);
}

#[test]
fn components_do_not_depend_on_the_number_of_threads() {
    let points = points(1, 300, 90);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Pca::fit(points.view(), 20).unwrap())
    };
    assert!(with(1) == with(2));
}

#[test]
fn the_published_file_is_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pca.npz");
    let pca = Pca::fit(points(1, 20, 6).view(), 3).unwrap();
    pca.write_npz(&path).unwrap();
    assert_eq!(Pca::from_npz(&path, &Limits::default()).unwrap(), pca);
    let names: Vec<_> = coembed::formats::npy::npz_from_path(&path, &Limits::default()).unwrap();
    let shapes: Vec<_> = names.iter().map(|(name, array)| (name.as_str(), array.shape())).collect();
    let want: [(_, &[usize]); 4] = [("U", &[6, 3]), ("lams", &[3]), ("mu", &[6, 1]), ("Utmu", &[3, 1])];
    assert_eq!(shapes, want);

    let array = |shape: &[usize], value: f32| npy_writer::array(shape, &vec![value; shape.iter().product()]).unwrap();
    let read = |arrays: Vec<(&str, Vec<u8>)>| {
        std::fs::write(&path, npy_writer::archive(arrays).unwrap()).unwrap();
        let error = Pca::from_npz(&path, &Limits::default()).unwrap_err().to_string();
        error.replace(path.to_str().unwrap(), "FILE")
    };
    assert_eq!(read(vec![("U", array(&[2, 2], 1.0)), ("lams", array(&[2], 1.0))]), "FILE: no array \"mu\"");
    let short = read(vec![("U", array(&[2, 2], 1.0)), ("lams", array(&[3], 1.0)), ("mu", array(&[2, 1], 1.0))]);
    assert_eq!(short, "FILE: array \"lams\": shape [3] of f32 wants 2 values, found 3");
    let nan = read(vec![("U", array(&[2, 2], f32::NAN))]);
    assert_eq!(nan, "FILE: array \"U\": element 0 of f32 of shape [2, 2] is no finite number");
    assert!(read(vec![("U", array(&[4], 1.0))]).starts_with("FILE: array \"U\": 2 dimensions expected"));
}
