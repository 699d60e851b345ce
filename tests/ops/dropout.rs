use coembed::ops::{self, Lottery, RandomStream, composed};

use crate::support::*;

const STREAM: RandomStream = RandomStream { seed: 7, offset: 1000 };

#[test]
fn dropout_is_one_choice_on_every_device_and_in_both_passes() {
    let x = tensor(1, (5usize, Const::<8>));
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
    // The choice itself is read off a tensor of ones.
    let ones = Dev::default().tensor_from_vec(vec![1.0; 40], (40usize,));
    let factors = wide(&ops::dropout(ones, 0.3, Some(STREAM)).unwrap().as_vec());
    assert!(factors.iter().all(|f| *f == 0.0 || (f - 1.0 / 0.7).abs() < 1e-6) && factors.contains(&0.0));
    check(
        &[x.as_vec()],
        |v| v[0].iter().zip(&factors).map(|(x, f)| x * f).collect(),
        [
            ("fused", run(ops::dropout(x.leaky_trace(), 0.3, Some(STREAM)).unwrap())),
            ("composed", run(composed::dropout(x.leaky_trace(), Lottery::new(0.3, STREAM)).unwrap())),
        ],
    );
}

#[test]
fn dropout_keeps_its_rate_and_its_streams_apart() {
    let n = 100_000;
    let kept = |rate: f32, stream| {
        let ones: Plain<(usize,)> = Dev::default().tensor_from_vec(vec![1.0; n], (n,));
        ops::dropout(ones, rate, Some(stream)).unwrap().as_vec().into_iter().map(|v| v > 0.0).collect::<Vec<_>>()
    };
    let agreement = |a: &[bool], b: &[bool]| a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / n as f64;
    for rate in [0.1f32, 0.5, 0.9] {
        let share = kept(rate, STREAM).iter().filter(|kept| **kept).count() as f64 / n as f64;
        assert!((share - (1.0 - f64::from(rate))).abs() < 0.01, "rate {rate}: {share} stay");
    }
    let first = kept(0.5, STREAM);
    assert!((agreement(&first, &kept(0.5, RandomStream { seed: 8, ..STREAM })) - 0.5).abs() < 0.01);
    assert!((agreement(&first[1..], &first) - 0.5).abs() < 0.01, "neighbours are independent");
    let later = kept(0.5, RandomStream { offset: STREAM.offset + 10, ..STREAM });
    assert_eq!(first[10..], later[..n - 10], "an offset moves along the stream");
}

#[test]
fn dropout_at_its_limits() {
    let x = tensor(1, (3usize, 4usize));
    assert_eq!(ops::dropout(x.clone(), 0.5, None).unwrap().as_vec(), x.as_vec());
    assert_eq!(ops::dropout(x.clone(), 0.0, Some(STREAM)).unwrap().as_vec(), x.as_vec());
    assert_eq!(ops::dropout(x.clone(), 1.0, Some(STREAM)).unwrap().as_vec(), [0.0; 12]);
    for rate in [-0.1, 1.1, f32::NAN] {
        let error = ops::dropout(x.clone(), rate, None).unwrap_err();
        assert_eq!(error.to_string(), "dropout: the rate is not between 0 and 1");
    }
    let none = ops::dropout(tensor(1, (0usize, 4usize)), 0.5, Some(STREAM)).unwrap();
    assert!(ops::to_vec(&none).unwrap().is_empty());
}

#[test]
fn dropout_does_not_depend_on_the_number_of_threads() {
    assert_threads_agree(|| {
        let x = tensor(1, (300usize, 257usize));
        finish(ops::dropout(x.leaky_trace(), 0.4, Some(STREAM)).unwrap(), |g| vec![gradient(g, &x)])
    });
}
