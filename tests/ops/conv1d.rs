use coembed::ops::{self, Conv1dSteps, composed};
use dfdx::prelude::HasShape;

use crate::support::*;

/// Sizes `[batch, channels, length, outputs, kernel]`.
fn naive(x: &[f64], w: &[f64], b: &[f64], [batch, c, l, o, k]: [usize; 5], steps: Conv1dSteps) -> Vec<f64> {
    let positions = (l + 2 * steps.padding - k) / steps.stride + 1;
    let mut y = vec![];
    for (item, out, position) in
        (0..batch * o * positions).map(|i| (i / positions / o, i / positions % o, i % positions))
    {
        let mut sum = b[out];
        for (channel, place) in (0..c * k).map(|i| (i / k, i % k)) {
            let i = (position * steps.stride + place) as isize - steps.padding as isize;
            if (0..l as isize).contains(&i) {
                sum += w[(out * c + channel) * k + place] * x[(item * c + channel) * l + i as usize];
            }
        }
        y.push(sum);
    }
    y
}

macro_rules! case {
    ($x:expr, $w:expr, $sizes:expr, $stride:literal, $padding:literal) => {{
        let (x, w) = (tensor(1, $x), tensor(2, $w));
        let b = tensor(3, (w.shape().0,));
        let steps = Conv1dSteps { stride: $stride, padding: $padding };
        let fused = ops::conv1d(x.leaky_trace(), &w, Some(&b), steps).unwrap();
        let positions = fused.shape().2;
        let composed = composed::conv1d(x.leaky_trace(), &w, Some(&b), steps, positions).unwrap();
        let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x), gradient(g, &w), gradient(g, &b)]);
        check(
            &[x.as_vec(), w.as_vec(), b.as_vec()],
            |v| naive(&v[0], &v[1], &v[2], $sizes, steps),
            [("fused", run(fused)), ("composed", run(composed))],
        );
    }};
}

#[test]
fn conv1d_with_strides_and_padding() {
    case!((2usize, 3usize, 7usize), (4usize, 3usize, 3usize), [2, 3, 7, 4, 3], 1, 0);
    case!((2usize, Const::<1>, 9usize), (Const::<1>, Const::<1>, Const::<5>), [2, 1, 9, 1, 5], 1, 2);
    case!((Const::<3>, Const::<2>, Const::<8>), (5usize, Const::<2>, 3usize), [3, 2, 8, 5, 3], 2, 1);
    case!((2usize, 3usize, 4usize), (2usize, 3usize, 1usize), [2, 3, 4, 2, 1], 1, 0);
    case!((1usize, 2usize, 3usize), (2usize, 2usize, 2usize), [1, 2, 3, 2, 2], 3, 4);
}

#[test]
fn conv1d_without_bias_and_of_nothing() {
    let (x, w) = (tensor(1, (2usize, 3usize, 7usize)), tensor(2, (4usize, 3usize, 3usize)));
    let y = ops::conv1d(x.clone(), &w, None, Conv1dSteps::default()).unwrap();
    let steps = Conv1dSteps::default();
    let want = naive(&wide(&x.as_vec()), &wide(&w.as_vec()), &[0.0; 4], [2, 3, 7, 4, 3], steps);
    assert_close("without bias", &y.as_vec(), &want, 2e-6);
    let none = ops::conv1d(tensor(1, (0usize, 3usize, 7usize)), &w, None, steps).unwrap();
    assert_eq!(*none.shape(), (0, 4, 5));
    assert!(ops::to_vec(&none).unwrap().is_empty());
}

#[test]
fn conv1d_reads_a_transposed_weight_in_its_logical_order() {
    use dfdx::prelude::{Axes3, PermuteTo};
    let (x, stored) = (tensor(1, (1usize, 2usize, 6usize)), tensor(2, (3usize, 2usize, 4usize)));
    let weight: Plain<(usize, usize, usize)> = stored.clone().permute::<_, Axes3<2, 1, 0>>();
    let y = ops::conv1d(x.leaky_trace(), &weight, None, Conv1dSteps::default()).unwrap();
    let ordered: Plain<(usize, usize, usize)> = ops::permute(stored.clone(), Axes3::<2, 1, 0>).unwrap();
    let want = ops::conv1d(x.leaky_trace(), &ordered, None, Conv1dSteps::default()).unwrap();
    assert_eq!(y.as_vec(), want.as_vec());
    let got = y.sum::<(), _>().backward().get(&stored).as_vec();
    let grad = want.sum::<(), _>().backward().get(&ordered);
    let back: Plain<(usize, usize, usize)> = ops::permute(grad, Axes3::<2, 1, 0>).unwrap();
    assert_eq!(got, back.as_vec());
}

#[test]
fn conv1d_refuses_what_does_not_fit() {
    let x = || tensor(1, (2usize, 3usize, 4usize));
    let steps = |stride, padding| Conv1dSteps { stride, padding };
    let error = |w: Plain<(usize, usize, usize)>, steps| ops::conv1d(x(), &w, None, steps).unwrap_err().to_string();
    assert_eq!(error(tensor(2, (5, 2, 3)), steps(1, 0)), "conv1d: channels is 3, expected 2");
    assert_eq!(
        error(tensor(2, (5, 3, 7)), steps(1, 1)),
        "conv1d: too few values of the padded input: 6, at least 7 needed"
    );
    assert_eq!(error(tensor(2, (5, 3, 2)), steps(0, 0)), "conv1d: the stride is 0");
    for padding in [usize::MAX, usize::MAX / 2 - 9] {
        let far = error(tensor(2, (5, 3, 2)), steps(1, padding));
        assert!(far.starts_with("conv1d: [3, 2, ") && far.ends_with("which cannot be had"), "{far}");
    }
}

#[test]
fn conv1d_does_not_depend_on_the_number_of_threads() {
    assert_threads_agree(|| {
        let (x, w) = (tensor(1, (9usize, 33usize, 120usize)), tensor(2, (40usize, 33usize, 3usize)));
        let y = ops::conv1d(x.leaky_trace(), &w, None, Conv1dSteps { stride: 1, padding: 1 }).unwrap();
        finish(y, |g| vec![gradient(g, &x), gradient(g, &w)])
    });
}
