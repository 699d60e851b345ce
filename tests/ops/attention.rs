use coembed::ops::{self, AttentionOptions, OpError, RandomStream, composed};

use crate::support::*;

const B: usize = 2;
const Q: usize = 3;
const K: usize = 4;
const E: usize = 6;

/// `softmax(Q_h K_hᵀ / √d + masks) V_h`, head by head; `seen(item, query, key)`.
fn naive(v: &[Vec<f64>], heads: usize, additive: &[f64], seen: impl Fn(usize, usize, usize) -> bool) -> Vec<f64> {
    let (q, k, v, d) = (&v[0], &v[1], &v[2], E / heads);
    let mut out = vec![0.0; B * Q * E];
    for (b, i) in (0..B).flat_map(|b| (0..Q).map(move |i| (b, i))) {
        for h in 0..heads {
            let columns = h * d..(h + 1) * d;
            let score = |j: usize| {
                let dot: f64 = columns.clone().map(|c| q[(b * Q + i) * E + c] * k[(b * K + j) * E + c]).sum();
                (dot / (d as f64).sqrt() + additive[i * K + j]).exp()
            };
            let weights: Vec<f64> = (0..K).map(|j| if seen(b, i, j) { score(j) } else { 0.0 }).collect();
            let total: f64 = weights.iter().sum();
            for c in columns.clone() {
                let sum: f64 = (0..K).map(|j| weights[j] * v[(b * K + j) * E + c]).sum();
                out[(b * Q + i) * E + c] = if total > 0.0 { sum / total } else { 0.0 };
            }
        }
    }
    out
}

type Options<'a> = AttentionOptions<'a, usize, usize, usize, Dev>;

#[track_caller]
fn check_with(
    heads: usize,
    options: impl Fn() -> Options<'static>,
    additive: &[f64],
    seen: impl Fn(usize, usize, usize) -> bool,
) {
    let (q, k, v) = (tensor(1, (B, Q, E)), tensor(2, (B, K, E)), tensor(3, (B, K, E)));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &q), gradient(g, &k), gradient(g, &v)]);
    check(
        &[q.as_vec(), k.as_vec(), v.as_vec()],
        |inputs| naive(inputs, heads, additive, &seen),
        [
            ("fused", run(ops::attention(q.leaky_trace(), k.clone(), v.clone(), &options()).unwrap())),
            ("composed", run(composed::attention(q.leaky_trace(), k.clone(), v.clone(), &options()).unwrap())),
        ],
    );
}

fn fixed<S: Shape>(values: &[f32], shape: S) -> &'static Plain<S> {
    Box::leak(Box::new(Dev::default().tensor_from_vec(values.to_vec(), shape)))
}

#[test]
fn attention_without_masks() {
    for heads in [1, 2, 3] {
        check_with(heads, || AttentionOptions::new(heads), &[0.0; Q * K], |_, _, _| true);
    }
}

#[test]
fn attention_with_each_mask_and_all() {
    let keys = [1.0, 0.0, 2.0, 1.0, 0.0, 1.0, 0.0, 0.0f32];
    let mask = fixed(&keys, (B, K));
    let added = values(7, Q * K);
    let additive = fixed(&added, (Q, K));
    let (none, some) = ([0.0; Q * K], wide(&added));
    check_with(2, || Options { keys: Some(mask), ..AttentionOptions::new(2) }, &none, |b, _, j| keys[b * K + j] != 0.0);
    check_with(2, || Options { additive: Some(additive), ..AttentionOptions::new(2) }, &some, |_, _, _| true);
    check_with(2, || Options { causal: true, ..AttentionOptions::new(2) }, &none, |_, i, j| j <= i);
    // With both, query 0 of item 1 sees no key: zeros.
    let all = || Options { keys: Some(mask), additive: Some(additive), causal: true, ..AttentionOptions::new(2) };
    check_with(2, all, &some, |b, i, j| j <= i && keys[b * K + j] != 0.0);
}

#[test]
fn attention_drops_the_same_probabilities_in_every_form_and_pass() {
    let (q, k, v) = (tensor(1, (B, Q, E)), tensor(2, (B, K, E)), tensor(3, (B, K, E)));
    let options = |seed| Options { dropout: Some((0.4, RandomStream { seed, offset: 5 })), ..AttentionOptions::new(2) };
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &q), gradient(g, &k), gradient(g, &v)]);
    let fused = |seed| run(ops::attention(q.leaky_trace(), k.clone(), v.clone(), &options(seed)).unwrap());
    let composed = run(composed::attention(q.leaky_trace(), k.clone(), v.clone(), &options(1)).unwrap());
    let got = fused(1);
    assert_close("output", &got.output, &wide(&composed.output), 2e-6);
    for (got, want) in got.gradients.iter().zip(&composed.gradients) {
        assert_close("gradient", got, &wide(want), 1e-5);
    }
    assert!(fused(2).output != got.output);
    assert!(fused(1) == got);
}

#[test]
fn attention_of_one_tensor_adds_its_three_gradients() {
    let x = tensor(1, (B, Q, E));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
    let options = AttentionOptions::new(2);
    let fused = run(ops::attention(x.leaky_trace(), x.clone(), x.clone(), &options).unwrap());
    let composed = run(composed::attention(x.leaky_trace(), x.clone(), x.clone(), &options).unwrap());
    assert_close("gradient", &fused.gradients[0], &wide(&composed.gradients[0]), 1e-5);
}

#[test]
fn attention_gives_the_same_bits_on_any_number_of_threads() {
    assert_threads_agree(|| {
        let (q, k, v) = (tensor(1, (3, 300, 32)), tensor(2, (3, 290, 32)), tensor(3, (3, 290, 32)));
        let y = ops::attention(q.leaky_trace(), k.clone(), v.clone(), &AttentionOptions::new(4)).unwrap();
        finish(y, |g| vec![gradient(g, &q), gradient(g, &k), gradient(g, &v)])
    });
}

#[test]
fn attention_over_many_blocks_agrees_with_the_composed_form() {
    let (q, k, v) = (tensor(1, (2, 300, 8)), tensor(2, (2, 37, 8)), tensor(3, (2, 37, 8)));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &q), gradient(g, &k), gradient(g, &v)]);
    let options = Options { causal: true, ..AttentionOptions::new(2) };
    let fused = run(ops::attention(q.leaky_trace(), k.clone(), v.clone(), &options).unwrap());
    let composed = run(composed::attention(q.leaky_trace(), k.clone(), v.clone(), &options).unwrap());
    assert_close("output", &fused.output, &wide(&composed.output), 2e-6);
    for (got, want) in fused.gradients.iter().zip(&composed.gradients) {
        assert_close("gradient", got, &wide(want), 1e-5);
    }
}

#[test]
fn attention_refuses_what_does_not_fit() {
    let attend =
        |q: Plain<_>, k: Plain<_>, v: Plain<_>, options: Options| ops::attention(q, k, v, &options).unwrap_err();
    let x = || tensor(1, (B, K, E));
    let error = attend(x(), tensor(1, (B, K, 5)), x(), AttentionOptions::new(2));
    assert_eq!(error, OpError::Shape { op: "attention", what: "width of the keys", expected: E, got: 5 });
    let error = attend(x(), x(), tensor(1, (B, 3, E)), AttentionOptions::new(2));
    assert_eq!(error.to_string(), "attention: number of values is 3, expected 4");
    let error = attend(x(), x(), x(), AttentionOptions::new(4));
    assert!(error.to_string().contains("must divide the width"), "{error}");
    let dropout = Some((1.0, RandomStream { seed: 0, offset: 0 }));
    let error = attend(x(), x(), x(), Options { dropout, ..AttentionOptions::new(2) });
    assert!(error.to_string().contains("[0, 1)"), "{error}");
    let none =
        ops::attention(tensor(1, (0, K, E)), tensor(1, (0, K, E)), tensor(1, (0, K, E)), &AttentionOptions::new(2));
    assert!(ops::to_vec(&none.unwrap()).unwrap().is_empty());
}

/// Scores that are whole numbers, so that adding a large one to all of them is exact.
#[test]
fn a_common_offset_of_the_scores_costs_no_digits() {
    let whole = |seed, shape| {
        let values = values(seed, B * shape * E).iter().map(|v| (2.0 * v).round()).collect();
        Dev::default().tensor_from_vec(values, (B, shape, E))
    };
    let (q, k, v) = (whole(1, Q), whole(2, K), tensor(3, (B, K, E)));
    let run = |offset: f32| {
        let options = AttentionOptions { additive: Some(fixed(&[offset; Q * K], (Q, K))), ..AttentionOptions::new(E) };
        let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &q), gradient(g, &k), gradient(g, &v)]);
        [
            run(ops::attention(q.leaky_trace(), k.leaky_trace(), v.leaky_trace(), &options).unwrap()),
            run(composed::attention(q.leaky_trace(), k.leaky_trace(), v.leaky_trace(), &options).unwrap()),
        ]
    };
    assert!(run(0.0) == run(65536.0) && run(0.0) == run(-1e6), "an offset changes bits");
}

#[test]
fn packed_self_attention_is_attention_of_its_parts() {
    let packed = tensor(1, (B, K, 3 * E));
    let part = |index: usize| {
        let rows: Vec<f32> = packed.as_vec().chunks(E).skip(index).step_by(3).flatten().copied().collect();
        Dev::default().tensor_from_vec(rows, (B, K, E))
    };
    let (q, k, v) = (part(0), part(1), part(2));
    let keys = fixed(&[1.0, 0.0, 2.0, 1.0, 0.0, 1.0, 0.0, 0.0], (B, K));
    let dropout = Some((0.25, RandomStream { seed: 3, offset: 4 }));
    let options = || Options { keys: Some(keys), dropout, causal: true, ..AttentionOptions::new(3) };
    let apart = finish(ops::attention(q.leaky_trace(), k.clone(), v.clone(), &options()).unwrap(), |g| {
        let parts = [gradient(g, &q), gradient(g, &k), gradient(g, &v)];
        vec![(0..B * K).flat_map(|row| parts.iter().flat_map(move |part| part[row * E..][..E].to_vec())).collect()]
    });
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &packed)]);
    let fused = run(ops::self_attention(packed.leaky_trace(), E, &options()).unwrap());
    assert_same(&fused, &apart);
    assert_same(&fused, &run(composed::self_attention(packed.leaky_trace(), E, &options()).unwrap()));

    let error = ops::self_attention(tensor(1, (B, K, 2 * E)), E, &options()).unwrap_err();
    assert_eq!(error.to_string(), "attention: width of queries, keys and values is 12, expected 18");
    let empty = ops::self_attention(tensor(1, (B, 0, 3 * E)), E, &AttentionOptions::new(2)).unwrap();
    assert!(ops::to_vec(&empty).unwrap().is_empty());
}
