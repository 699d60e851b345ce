use coembed::ops::{self, PoolSteps, composed};
use dfdx::prelude::HasShape;

use crate::support::*;

fn naive(x: &[f64], [batch, c, height, width]: [usize; 4], steps: PoolSteps) -> Vec<f64> {
    let fits = |length: usize| (length + 2 * steps.padding - steps.kernel) / steps.stride + 1;
    let (rows, columns) = (fits(height), fits(width));
    let value = |i: usize| {
        let (column, row, plane) = (i % columns, i / columns % rows, i / columns / rows);
        let places = (0..steps.kernel * steps.kernel).filter_map(|j| {
            let row = (row * steps.stride + j / steps.kernel).checked_sub(steps.padding).filter(|row| *row < height)?;
            let column = (column * steps.stride + j % steps.kernel)
                .checked_sub(steps.padding)
                .filter(|column| *column < width)?;
            Some(x[(plane * height + row) * width + column])
        });
        places.fold(f64::NEG_INFINITY, f64::max)
    };
    (0..batch * c * rows * columns).map(value).collect()
}

#[test]
fn maxima_of_squares() {
    let steps = |kernel, stride, padding| PoolSteps { kernel, stride, padding };
    let all = [
        ([2, 3, 6, 8], steps(2, 2, 0)),
        ([1, 2, 7, 5], steps(2, 2, 0)),
        ([2, 1, 7, 8], steps(3, 2, 1)),
        ([1, 2, 5, 4], steps(3, 1, 0)),
        ([1, 1, 4, 9], steps(2, 3, 1)),
    ];
    for (sizes, steps) in all {
        let x = tensor(1, (sizes[0], sizes[1], sizes[2], sizes[3]));
        let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
        check(
            &[x.as_vec()],
            |v| naive(&v[0], sizes, steps),
            [
                ("fused", run(ops::max_pool2d(x.leaky_trace(), steps).unwrap())),
                ("composed", run(composed::max_pool2d(x.leaky_trace(), steps).unwrap())),
            ],
        );
    }
}

#[test]
fn the_first_of_equal_maxima_gets_the_gradient() {
    let values = vec![1.0, 2.0, 2.0, 0.0, 2.0, 2.0, -3.0, -3.0];
    let x: Plain<_> = Dev::default().tensor_from_vec(values, (1usize, 1usize, 2usize, 4usize));
    let steps = PoolSteps { kernel: 2, stride: 2, padding: 0 };
    for y in [ops::max_pool2d(x.leaky_trace(), steps), composed::max_pool2d(x.leaky_trace(), steps)] {
        let y = y.unwrap();
        assert_eq!(y.as_vec(), [2.0, 2.0]);
        let gradients = y.sum::<(), _>().backward();
        assert_eq!(gradient(&gradients, &x), [0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}

#[test]
fn what_is_no_number_is_the_maximum() {
    let x: Plain<_> = Dev::default().tensor_from_vec(vec![1.0, f32::NAN, 3.0, 0.0], (1usize, 1usize, 2usize, 2usize));
    let steps = PoolSteps { kernel: 2, stride: 2, padding: 1 };
    for y in [ops::max_pool2d(x.clone(), steps), composed::max_pool2d(x.clone(), steps)] {
        let y = y.unwrap().as_vec();
        assert!(y[0] == 1.0 && y[1].is_nan() && y[2..] == [3.0, 0.0], "{y:?}");
    }
}

#[test]
fn max_pool2d_refuses_what_does_not_fit() {
    let error = |sizes: [usize; 2], kernel, stride, padding| {
        let x = tensor(1, (1usize, 2usize, sizes[0], sizes[1]));
        ops::max_pool2d(x, PoolSteps { kernel, stride, padding }).unwrap_err().to_string()
    };
    assert_eq!(error([4, 4], 2, 0, 0), "max pool: the stride is 0");
    assert_eq!(error([4, 4], 3, 1, 2), "max pool: the padding is more than half of the kernel");
    assert_eq!(error([4, 3], 4, 1, 0), "max pool: too few values of the padded input: 3, at least 4 needed");
    assert_eq!(error([4, 0], 2, 1, 1), "max pool: too few values along an axis: 0, at least 1 needed");
    assert_eq!(error([4, 4], 0, 1, 0), "max pool: too few values of the kernel: 0, at least 1 needed");
}

#[test]
fn max_pool2d_of_nothing_and_with_any_number_of_threads() {
    let steps = PoolSteps { kernel: 3, stride: 2, padding: 1 };
    let none = ops::max_pool2d(tensor(1, (0usize, 3usize, 4usize, 5usize)), steps).unwrap();
    assert_eq!(*none.shape(), (0, 3, 2, 3));
    let x = tensor(1, (8usize, 16usize, 40usize, 50usize));
    assert_threads_agree(|| finish(ops::max_pool2d(x.leaky_trace(), steps).unwrap(), |g| vec![gradient(g, &x)]));
}
