use coembed::ops::{self, composed};

use crate::support::*;

#[test]
fn sums_of_terms_in_groups() {
    let terms: Vec<_> = (0..3).map(|i| tensor(i, (2usize, Const::<4>))).collect();
    let groups = vec![vec![0, 1], vec![2], vec![], vec![1, 1, 0]];
    let traced = || terms.iter().map(Trace::leaky_trace).collect::<Vec<_>>();
    let run = |y: Traced<_>| finish(y, |g| terms.iter().map(|t| gradient(g, t)).collect());
    check(
        &terms.iter().map(|t| t.as_vec()).collect::<Vec<_>>(),
        |v| groups.iter().flat_map(|g| (0..8).map(|i| g.iter().map(|t| v[*t][i]).sum::<f64>())).collect(),
        [
            ("fused", run(ops::sum_terms(traced(), groups.clone()).unwrap())),
            ("composed", run(composed::sum_terms(traced(), groups.clone()).unwrap())),
        ],
    );
    let error = ops::sum_terms(traced(), vec![vec![3]]).unwrap_err();
    assert_eq!(error.to_string(), "sum of terms: there is no row 3, only 3");
    assert!(ops::sum_terms(Vec::<Traced<(usize, usize)>>::new(), vec![]).is_err());
}

#[cfg(not(feature = "cuda"))]
#[test]
fn sums_of_terms_have_the_same_bits_for_any_number_of_threads() {
    let terms: Vec<_> = (0..4).map(|i| tensor(i, (64usize, 300usize))).collect();
    assert_threads_agree(|| {
        let groups = (0..16).map(|g| vec![g % 4, (g / 4 + 1) % 4]).collect();
        let y = ops::sum_terms(terms.iter().map(Trace::leaky_trace).collect(), groups).unwrap();
        finish(y, |g| terms.iter().map(|t| gradient(g, t)).collect())
    });
}

#[test]
fn large_sums_are_those_of_the_composed_operation() {
    let terms: Vec<_> = (0..4).map(|i| tensor(i, (64usize, 150usize))).collect();
    let groups: Vec<Vec<usize>> = (0..9).map(|g| vec![g % 4, (g / 2 + 1) % 4]).collect();
    let traced = || terms.iter().map(Trace::leaky_trace).collect::<Vec<_>>();
    let run = |y: Traced<_>| finish(y, |g| terms.iter().map(|t| gradient(g, t)).collect());
    let fused = run(ops::sum_terms(traced(), groups.clone()).unwrap());
    assert_same(&fused, &run(composed::sum_terms(traced(), groups).unwrap()));
}
