use coembed::ops::{self, OpError, composed};

use crate::support::*;

#[test]
fn sgd_with_momentum_follows_its_formula() {
    let step = |f: fn(
        &mut Plain<(usize,)>,
        &mut Gradients<f32, Dev>,
        &mut Plain<(usize,)>,
        f32,
        f32,
    ) -> Result<(), OpError>| {
        let mut p = tensor(22, (6usize,));
        let mut v = tensor(23, (6usize,));
        for seed in [24, 25] {
            let mut grads = (p.leaky_trace() * tensor(seed, (6usize,))).sum::<(), _>().backward();
            f(&mut p, &mut grads, &mut v, 0.1, 0.9).unwrap();
        }
        p.as_vec()
    };
    let (mut p, mut v) = (wide(&values(22, 6)), wide(&values(23, 6)));
    for seed in [24, 25] {
        for (i, g) in wide(&values(seed, 6)).into_iter().enumerate() {
            v[i] = 0.9 * v[i] + g;
            p[i] -= 0.1 * v[i];
        }
    }
    assert_close("fused", &step(ops::sgd_momentum), &p, 1e-6);
    assert_close("composed", &step(composed::sgd_momentum), &p, 1e-6);
}
