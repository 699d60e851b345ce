use coembed::ops::{self, composed};

use crate::support::*;

#[test]
fn sigmoid_gate_multiplies_by_the_sigmoid() {
    let (v, g) = (tensor(5, (4usize, 9usize)), tensor(6, (4usize, 9usize)));
    let run = |y: Traced<_>| finish(y, |grads| vec![gradient(grads, &v), gradient(grads, &g)]);
    check(
        &[v.as_vec(), g.as_vec()],
        |x| x[0].iter().zip(&x[1]).map(|(v, g)| v / (1.0 + (-g).exp())).collect(),
        [
            ("fused", run(ops::sigmoid_gate(v.leaky_trace(), g.leaky_trace()).unwrap())),
            ("composed", run(composed::sigmoid_gate(v.leaky_trace(), g.leaky_trace()).unwrap())),
        ],
    );
    let error = ops::sigmoid_gate(tensor(5, (4usize, 9usize)), tensor(6, (4usize, 8usize))).unwrap_err();
    assert_eq!(error.to_string(), "sigmoid gate: size of the gate is 8, expected 9");
}
