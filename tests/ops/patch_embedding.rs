use coembed::ops;
use dfdx::prelude::HasShape;

use crate::support::*;

/// Sizes `[batch, channels, height, width, outputs, side]`.
fn naive(x: &[f64], w: &[f64], bias: &[f64], [batch, c, height, width, o, side]: [usize; 6]) -> Vec<f64> {
    let (rows, columns) = (height / side, width / side);
    let mut y = vec![];
    for (item, patch) in (0..batch * rows * columns).map(|i| (i / (rows * columns), i % (rows * columns))) {
        let (top, left) = (patch / columns * side, patch % columns * side);
        for out in 0..o {
            let places = (0..c * side * side).map(|i| (i / side / side, i / side % side, i % side));
            let terms = places.map(|(channel, row, column)| {
                w[((out * c + channel) * side + row) * side + column]
                    * x[((item * c + channel) * height + top + row) * width + left + column]
            });
            y.push(bias[out] + terms.sum::<f64>());
        }
    }
    y
}

#[test]
fn patch_embedding_is_a_convolution_that_moves_by_its_size() {
    let x = tensor(1, (2usize, Const::<3>, 4usize, 6usize));
    let (w, b) = (tensor(2, (5usize, Const::<3>, 2usize, 2usize)), tensor(3, (5usize,)));
    let run = || {
        let y = ops::patch_embedding(x.leaky_trace(), &w, Some(&b)).unwrap();
        assert_eq!(*y.shape(), (2, 6, 5));
        finish(y, |g| vec![gradient(g, &x), gradient(g, &w), gradient(g, &b)])
    };
    let sizes = [2, 3, 4, 6, 5, 2];
    let inputs = [x.as_vec(), w.as_vec(), b.as_vec()];
    check(&inputs, |v| naive(&v[0], &v[1], &v[2], sizes), [("first", run()), ("second", run())]);
}

#[test]
fn patch_embedding_refuses_pictures_that_are_no_whole_patches() {
    let w: Plain<(usize, usize, usize, usize)> = tensor(2, (5, 3, 2, 2));
    let error = |x| ops::patch_embedding(tensor(1, x), &w, None).unwrap_err().to_string();
    assert_eq!(error((1usize, 3usize, 5usize, 4usize)), "patch embedding: height is 5, expected 4");
    assert_eq!(error((1, 3, 4, 7)), "patch embedding: width is 7, expected 6");
    assert_eq!(error((1, 2, 4, 4)), "patch embedding: channels is 2, expected 3");
}
