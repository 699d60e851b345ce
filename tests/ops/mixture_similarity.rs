use coembed::ops::{self, composed};

use crate::support::*;

const AVAILABLE: [f32; 12] = [1., 1., 1., 0., 1., 1., 1., 0., 0., 1., 1., 0.];

#[test]
fn similarities_of_experts_are_mixed_by_the_weights_of_those_that_a_video_has() {
    let (queries, videos, widths) = (2usize, 4usize, [3usize, 2, 4]);
    let text: Vec<_> = widths.iter().map(|w| tensor(*w as u64, (queries, *w))).collect();
    let video: Vec<_> = widths.iter().map(|w| tensor(10 + *w as u64, (videos, *w))).collect();
    let weights =
        Dev::default().tensor_from_vec(values(20, 6).iter().map(|w| w.abs() + 0.1).collect(), (queries, 3usize));
    let available = Dev::default().tensor_from_vec(AVAILABLE.to_vec(), (videos, 3usize));
    let inputs: Vec<_> = text.iter().chain(&video).map(|t| t.as_vec()).chain([weights.as_vec()]).collect();
    let traced = |t: &[Plain<(usize, usize)>]| t.iter().map(Trace::leaky_trace).collect::<Vec<_>>();
    let run = |y: Traced<_>| {
        finish(y, |g| text.iter().chain(&video).map(|t| gradient(g, t)).chain([gradient(g, &weights)]).collect())
    };
    check(
        &inputs,
        |v| {
            let value = |i: usize| {
                let (q, j) = (i / videos, i % videos);
                let weight = |m: usize| v[6][q * 3 + m] * f64::from(AVAILABLE[j * 3 + m]);
                let left: f64 = (0..3).map(weight).sum();
                let product = |m: usize| {
                    let (w, t, x) = (widths[m], &v[m], &v[3 + m]);
                    (0..w).map(|d| t[q * w + d] * x[j * w + d]).sum::<f64>()
                };
                (0..3).map(|m| weight(m) / left * product(m)).sum()
            };
            (0..queries * videos).map(value).collect()
        },
        [
            (
                "fused",
                run(ops::mixture_similarity(traced(&text), traced(&video), weights.leaky_trace(), &available).unwrap()),
            ),
            (
                "composed",
                run(composed::mixture_similarity(traced(&text), traced(&video), weights.leaky_trace(), &available)
                    .unwrap()),
            ),
        ],
    );
    let error = ops::mixture_similarity(text, video[..2].to_vec(), weights, &available).unwrap_err();
    assert!(error.to_string().contains("experts of the videos is 2, expected 3"), "{error}");
}

/// A softmax leaves 0 for every expert of a video where the one that it lacks takes all.
#[test]
fn weights_that_underflow_count_equally() {
    let (queries, videos, width) = (2usize, 2usize, 3usize);
    let text: Vec<_> = (0..3).map(|m| tensor(m, (queries, width))).collect();
    let video: Vec<_> = (3..6).map(|m| tensor(m, (videos, width))).collect();
    let logits = Dev::default().tensor_from_vec(vec![200.0, 0.0, 1.0, 0.0, 1.0, 2.0], (queries, 3usize));
    let available = Dev::default().tensor_from_vec(vec![0.0, 1.0, 1.0, 1.0, 1.0, 1.0], (videos, 3usize));
    let traced = |t: &[Plain<(usize, usize)>]| t.iter().map(Trace::leaky_trace).collect::<Vec<_>>();
    let weights = || ops::softmax(logits.leaky_trace()).unwrap();
    let run = |y: Traced<_>| {
        finish(y, |g| text.iter().chain(&video).map(|t| gradient(g, t)).chain([gradient(g, &logits)]).collect())
    };
    let fused = run(ops::mixture_similarity(traced(&text), traced(&video), weights(), &available).unwrap());
    let composed = run(composed::mixture_similarity(traced(&text), traced(&video), weights(), &available).unwrap());
    assert_same(&fused, &composed);
    let product = |m: usize| -> f32 { (0..width).map(|d| text[m].as_vec()[d] * video[m].as_vec()[d]).sum() };
    assert!((fused.output[0] - (product(1) + product(2)) / 2.0).abs() < 1e-6, "{:?}", fused.output);
    let finite = |values: &[f32]| values.iter().all(|x| x.is_finite());
    assert!(finite(&fused.output) && fused.gradients.iter().all(|g| finite(g)), "{:?}", fused.gradients);
}

#[cfg(not(feature = "cuda"))]
#[test]
fn mixtures_have_the_same_bits_for_any_number_of_threads() {
    let text: Vec<_> = (0..2).map(|i| tensor(i, (200usize, 30usize))).collect();
    let video: Vec<_> = (2..4).map(|i| tensor(i, (210usize, 30usize))).collect();
    let weights = Dev::default().tensor_from_vec(vec![0.5; 400], (200usize, 2usize));
    let available = Dev::default().tensor_from_vec(vec![1.0; 420], (210usize, 2usize));
    let traced = |t: &[Plain<(usize, usize)>]| t.iter().map(Trace::leaky_trace).collect::<Vec<_>>();
    assert_threads_agree(|| {
        let y = ops::mixture_similarity(traced(&text), traced(&video), weights.leaky_trace(), &available).unwrap();
        finish(y, |g| text.iter().chain(&video).map(|t| gradient(g, t)).chain([gradient(g, &weights)]).collect())
    });
}

#[test]
fn large_mixtures_are_those_of_the_composed_operation() {
    let text: Vec<_> = (0..2).map(|i| tensor(i, (200usize, 30usize))).collect();
    let video: Vec<_> = (2..4).map(|i| tensor(i, (210usize, 30usize))).collect();
    let weights: Vec<f32> = values(5, 400).iter().map(|w| w.abs() + 0.1).collect();
    let weights = Dev::default().tensor_from_vec(weights, (200usize, 2usize));
    let flags = (0..420).map(|i| f32::from(i % 2 == 0 || i % 3 == 0)).collect();
    let available = Dev::default().tensor_from_vec(flags, (210usize, 2usize));
    let traced = |t: &[Plain<(usize, usize)>]| t.iter().map(Trace::leaky_trace).collect::<Vec<_>>();
    let run = |y: Traced<_>| {
        finish(y, |g| text.iter().chain(&video).map(|t| gradient(g, t)).chain([gradient(g, &weights)]).collect())
    };
    let fused = ops::mixture_similarity(traced(&text), traced(&video), weights.leaky_trace(), &available).unwrap();
    let composed =
        composed::mixture_similarity(traced(&text), traced(&video), weights.leaky_trace(), &available).unwrap();
    assert_same(&run(fused), &run(composed));
}
