use coembed::ops::{self, OpError, composed};

use crate::support::*;

#[test]
fn look_ahead_moves_the_slow_weights_and_the_fast_ones_to_them() {
    let run = |f: fn(&mut Plain<(usize,)>, &mut Plain<(usize,)>, f32) -> Result<(), OpError>| {
        let (mut p, mut slow) = (tensor(30, (6usize,)), tensor(31, (6usize,)));
        f(&mut p, &mut slow, 0.3).unwrap();
        (p.as_vec(), slow.as_vec())
    };
    let pairs = wide(&values(30, 6)).into_iter().zip(wide(&values(31, 6)));
    let want: Vec<f64> = pairs.map(|(p, slow)| slow + f64::from(0.3_f32) * (p - slow)).collect();
    for (name, (p, slow)) in [("fused", run(ops::look_ahead)), ("composed", run(composed::look_ahead))] {
        assert_close(name, &p, &want, 1e-6);
        assert_eq!(p, slow, "{name}");
    }
}

#[test]
fn look_ahead_refuses_slow_weights_of_another_size() {
    let error = ops::look_ahead(&mut tensor(1, (4usize,)), &mut tensor(2, (3usize,)), 0.5).unwrap_err();
    assert_eq!(error.to_string(), "look-ahead: slow weights is 3, expected 4");
}
