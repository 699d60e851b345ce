use coembed::ops::{self, composed};

use crate::support::*;

#[test]
fn residuals_to_centres_by_assignment_without_ghosts() {
    let (items, steps, assigned, clusters, width) = (2, 3, 5, 4, 6);
    let (a, x) = (tensor(1, (items, steps, assigned)), tensor(2, (items, steps, width)));
    let centres = tensor(3, (Const::<1>, width, clusters));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &a), gradient(g, &x), gradient(g, &centres)]);
    check(
        &[a.as_vec(), x.as_vec(), centres.as_vec()],
        |v| {
            let term = |b: usize, k: usize, d: usize, n: usize| {
                v[0][(b * steps + n) * assigned + k] * (v[1][(b * steps + n) * width + d] - v[2][d * clusters + k])
            };
            let value = |i: usize| {
                let (b, k, d) = (i / (clusters * width), i / width % clusters, i % width);
                (0..steps).map(|n| term(b, k, d, n)).sum()
            };
            (0..items * clusters * width).map(value).collect()
        },
        [
            ("fused", run(ops::vlad(a.leaky_trace(), x.leaky_trace(), &centres).unwrap())),
            ("composed", run(composed::vlad(a.leaky_trace(), x.leaky_trace(), &centres).unwrap())),
        ],
    );
    let error = ops::vlad(tensor(1, (2usize, 3usize, 3usize)), x, &centres).unwrap_err();
    assert!(error.to_string().contains("clusters of the assignment is 3, expected 4"), "{error}");
}

#[cfg(not(feature = "cuda"))]
#[test]
fn residuals_have_the_same_bits_for_any_number_of_threads() {
    let (a, x) = (tensor(1, (16usize, 20usize, 9usize)), tensor(2, (16usize, 20usize, 64usize)));
    let centres = tensor(3, (Const::<1>, 64usize, 8usize));
    assert_threads_agree(|| {
        let y = ops::vlad(a.leaky_trace(), x.leaky_trace(), &centres).unwrap();
        finish(y, |g| vec![gradient(g, &a), gradient(g, &x), gradient(g, &centres)])
    });
}

#[test]
fn no_descriptor_gives_no_residual() {
    let y = ops::vlad(
        tensor(1, (2usize, 0usize, 3usize)),
        tensor(2, (2usize, 0usize, 4usize)),
        &tensor(3, (Const::<1>, 4usize, 3usize)),
    );
    assert_eq!(y.unwrap().as_vec(), vec![0.0; 24]);
}

#[test]
fn large_residuals_are_those_of_the_composed_operation() {
    let (a, x) = (tensor(1, (16usize, 30usize, 9usize)), tensor(2, (16usize, 30usize, 128usize)));
    let centres = tensor(3, (Const::<1>, 128usize, 8usize));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &a), gradient(g, &x), gradient(g, &centres)]);
    let fused = run(ops::vlad(a.leaky_trace(), x.leaky_trace(), &centres).unwrap());
    assert_same(&fused, &run(composed::vlad(a.leaky_trace(), x.leaky_trace(), &centres).unwrap()));
}
