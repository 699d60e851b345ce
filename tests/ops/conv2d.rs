use coembed::ops::{self, Border, Conv2dSteps, composed};
use dfdx::prelude::HasShape;

use crate::support::*;

/// Sizes of pictures `[batch, channels, height, width]` and of the filter `[outputs, channels, height, width]`.
fn naive(x: &[f64], w: &[f64], b: &[f64], pictures: [usize; 4], filter: [usize; 4], steps: Conv2dSteps) -> Vec<f64> {
    let ([batch, c, height, width], [o, _, kh, kw]) = (pictures, filter);
    let fits = |length: usize, kernel: usize| (length + 2 * steps.padding - kernel) / steps.stride + 1;
    let (rows, columns) = (fits(height, kh), fits(width, kw));
    let source = |position: usize, k: usize, length: usize| {
        let place = (position * steps.stride + k) as isize - steps.padding as isize;
        let last = length as isize - 1;
        match steps.border {
            Border::Zeros => (0..=last).contains(&place).then_some(place as usize),
            Border::Replicate => Some(place.clamp(0, last) as usize),
        }
    };
    let mut y = vec![];
    for i in 0..batch * o * rows * columns {
        let (column, row, out, item) =
            (i % columns, i / columns % rows, i / columns / rows % o, i / columns / rows / o);
        let mut sum = b[out];
        for j in 0..c * kh * kw {
            let (l, k, channel) = (j % kw, j / kw % kh, j / kw / kh);
            if let (Some(row), Some(column)) = (source(row, k, height), source(column, l, width)) {
                let value = x[((item * c + channel) * height + row) * width + column];
                sum += w[((out * c + channel) * kh + k) * kw + l] * value;
            }
        }
        y.push(sum);
    }
    y
}

fn case(pictures: [usize; 4], filter: [usize; 4], steps: Conv2dSteps) {
    let shape = |sizes: [usize; 4]| (sizes[0], sizes[1], sizes[2], sizes[3]);
    let (x, w, b) = (tensor(1, shape(pictures)), tensor(2, shape(filter)), tensor(3, (filter[0],)));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x), gradient(g, &w), gradient(g, &b)]);
    check(
        &[x.as_vec(), w.as_vec(), b.as_vec()],
        |v| naive(&v[0], &v[1], &v[2], pictures, filter, steps),
        [
            ("fused", run(ops::conv2d(x.leaky_trace(), &w, Some(&b), steps).unwrap())),
            ("composed", run(composed::conv2d(x.leaky_trace(), &w, Some(&b), steps).unwrap())),
        ],
    );
}

#[test]
fn conv2d_with_strides_and_both_paddings() {
    for border in [Border::Zeros, Border::Replicate] {
        let steps = |stride, padding| Conv2dSteps { stride, padding, border };
        case([2, 3, 5, 4], [4, 3, 3, 3], steps(1, 1));
        case([1, 2, 6, 7], [3, 2, 2, 3], steps(1, 0));
        case([2, 1, 7, 5], [2, 1, 3, 1], steps(2, 1));
        case([2, 3, 4, 5], [2, 3, 1, 1], steps(1, 0));
        case([1, 3, 5, 5], [2, 3, 1, 1], steps(2, 0));
        case([1, 2, 2, 3], [2, 2, 5, 4], steps(3, 4));
    }
}

/// More than one block of rows for each picture.
#[test]
fn large_convolutions_are_those_of_the_composed_operation() {
    let (x, w) = (tensor(1, (2usize, 32usize, 40usize, 70usize)), tensor(2, (8usize, Const::<32>, 5usize, 5usize)));
    let (x, b) = (x.reshape_like(&(2usize, Const::<32>, 40usize, 70usize)), tensor(3, (8usize,)));
    let steps = Conv2dSteps { stride: 1, padding: 2, border: Border::Zeros };
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x), gradient(g, &w), gradient(g, &b)]);
    let fused = run(ops::conv2d(x.leaky_trace(), &w, Some(&b), steps).unwrap());
    assert_same(&fused, &run(composed::conv2d(x.leaky_trace(), &w, Some(&b), steps).unwrap()));
}

#[test]
fn conv2d_without_bias_and_of_nothing() {
    let (x, w) = (tensor(1, (2usize, 3usize, 4usize, 5usize)), tensor(2, (4usize, 3usize, 3usize, 3usize)));
    let steps = Conv2dSteps::default();
    let y = ops::conv2d(x.clone(), &w, None, steps).unwrap();
    let want = naive(&wide(&x.as_vec()), &wide(&w.as_vec()), &[0.0; 4], [2, 3, 4, 5], [4, 3, 3, 3], steps);
    assert_close("without bias", &y.as_vec(), &want, 2e-6);
    let none = ops::conv2d(tensor(1, (0usize, 3usize, 4usize, 5usize)), &w, None, steps).unwrap();
    assert_eq!(*none.shape(), (0, 4, 2, 3));
    assert!(ops::to_vec(&none).unwrap().is_empty());
}

#[test]
fn features_need_no_gradient() {
    let (x, w) = (tensor(1, (2usize, 3usize, 4usize, 5usize)), tensor(2, (4usize, 3usize, 3usize, 3usize)));
    let run = |y: Traced<(usize, usize, usize, usize)>| finish(y, |g| vec![gradient(g, &w)]);
    let steps = Conv2dSteps::default();
    let of_data = run(ops::conv2d(ops::data(x.clone()), &w, None, steps).unwrap());
    assert!(of_data == run(ops::conv2d(x.leaky_trace(), &w, None, steps).unwrap()));
}

#[test]
fn conv2d_refuses_what_does_not_fit() {
    let x = || tensor(1, (2usize, 3usize, 4usize, 6usize));
    let steps = |stride, padding| Conv2dSteps { stride, padding, border: Border::Zeros };
    let error = |w: [usize; 4], steps| {
        let w = tensor(2, (w[0], w[1], w[2], w[3]));
        ops::conv2d(x(), &w, None, steps).unwrap_err().to_string()
    };
    assert_eq!(error([5, 2, 3, 3], steps(1, 0)), "conv2d: channels is 3, expected 2");
    let small = "conv2d: too few values of the padded input: 6, at least 7 needed";
    assert_eq!(error([5, 3, 7, 3], steps(1, 1)), small);
    assert_eq!(error([5, 3, 3, 7], steps(1, 0)), small);
    assert_eq!(error([5, 3, 2, 2], steps(0, 0)), "conv2d: the stride is 0");
    assert_eq!(error([5, 3, 0, 2], steps(1, 0)), "conv2d: too few values of the kernel: 0, at least 1 needed");
    let far = error([5, 3, 2, 2], steps(1, usize::MAX));
    assert!(far.starts_with("conv2d: [3, 2, 2, ") && far.ends_with("which cannot be had"), "{far}");
    let nothing = tensor(1, (1usize, 3usize, 0usize, 6usize));
    let replicate = Conv2dSteps { stride: 1, padding: 2, border: Border::Replicate };
    let error = ops::conv2d(nothing, &tensor(2, (5usize, 3usize, 2usize, 2usize)), None, replicate).unwrap_err();
    assert_eq!(error.to_string(), "conv2d: too few values to replicate: 0, at least 1 needed");
}

#[test]
fn conv2d_does_not_depend_on_the_number_of_threads() {
    assert_threads_agree(|| {
        let (x, w) = (tensor(1, (3usize, 16usize, 24usize, 60usize)), tensor(2, (20usize, 16usize, 3usize, 3usize)));
        let steps = Conv2dSteps { stride: 1, padding: 1, border: Border::Replicate };
        let y = ops::conv2d(x.leaky_trace(), &w, None, steps).unwrap();
        finish(y, |g| vec![gradient(g, &x), gradient(g, &w)])
    });
}
