use coembed::ops::{self, MarginTerms, composed};

use crate::support::*;

fn naive(scores: &[f64], n: usize, margin: f64, terms: MarginTerms) -> Vec<f64> {
    let (mut sum, mut count) = (0.0, 0);
    for i in 0..n {
        for j in 0..n {
            if i != j || terms == MarginTerms::All {
                sum += (margin - (scores[i * n + i] - scores[i * n + j])).max(0.0);
                sum += (margin - (scores[i * n + i] - scores[j * n + i])).max(0.0);
                count += 2;
            }
        }
    }
    vec![sum / f64::from(count)]
}

#[test]
fn max_margin_compares_rows_and_columns_with_the_diagonal() {
    macro_rules! case {
        ($shape:expr, $n:literal) => {
            for (terms, margin) in [
                (MarginTerms::NonMatching, 0.2f32),
                (MarginTerms::All, 0.2),
                (MarginTerms::All, 1.5),
                (MarginTerms::NonMatching, -0.4),
            ] {
                let x = tensor(31, $shape);
                let run = |y: Traced<()>| finish(y, |g| vec![gradient(g, &x)]);
                check(
                    &[x.as_vec()],
                    |v| naive(&v[0], $n, f64::from(margin), terms),
                    [
                        ("fused", run(ops::max_margin(x.leaky_trace(), margin, terms).unwrap())),
                        ("composed", run(composed::max_margin(x.leaky_trace(), margin, terms).unwrap())),
                    ],
                );
            }
        };
    }
    case!((Const::<5>, Const::<5>), 5);
    case!((7usize, 7usize), 7);
}

#[test]
fn max_margin_of_one_pair_and_of_none() {
    let one = || tensor(1, (1usize, 1usize));
    assert_eq!(ops::max_margin(one(), 0.3, MarginTerms::All).unwrap().as_vec(), [0.3]);
    let error = ops::max_margin(one(), 0.3, MarginTerms::NonMatching).unwrap_err();
    assert_eq!(error.to_string(), "max margin: too few pairs: 1, at least 2 needed");
    let error = ops::max_margin(tensor(1, (0usize, 0usize)), 0.3, MarginTerms::All).unwrap_err();
    assert_eq!(error.to_string(), "max margin: too few pairs: 0, at least 1 needed");
    let error = ops::max_margin(tensor(1, (2usize, 3usize)), 0.3, MarginTerms::All).unwrap_err();
    assert_eq!(error.to_string(), "max margin: columns is 3, expected 2");
}

#[test]
fn max_margin_has_no_gradient_where_the_margin_is_just_met() {
    let x: Plain<(usize, usize)> = Dev::default().tensor_from_vec(vec![1.0, 0.5, 0.5, 1.0], (2, 2));
    let y = ops::max_margin(x.leaky_trace(), 0.5, MarginTerms::NonMatching).unwrap();
    assert_eq!(y.as_vec(), [0.0]);
    assert_eq!(gradient(&y.backward(), &x), [0.0; 4]);
}

#[test]
fn max_margin_does_not_depend_on_the_number_of_threads() {
    assert_threads_agree(|| {
        let x = tensor(1, (400usize, 400usize));
        let y = ops::max_margin(x.leaky_trace(), 0.2, MarginTerms::All).unwrap();
        finish(y, |g| vec![gradient(g, &x)])
    });
}
