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

#[test]
fn gates_of_large_values_are_finite() {
    let (values, gates) = (vec![3e38, -3e38, 3e38, -3e38, 2.0, 3e38], vec![-200.0, -3e38, 200.0, 3e38, -3e38, 0.0]);
    let (v, g): (Plain<(usize,)>, Plain<(usize,)>) =
        (Dev::default().tensor_from_vec(values, (6,)), Dev::default().tensor_from_vec(gates, (6,)));
    for (name, y) in [
        ("fused", ops::sigmoid_gate(v.leaky_trace(), g.leaky_trace()).unwrap()),
        ("composed", ops::composed::sigmoid_gate(v.leaky_trace(), g.leaky_trace()).unwrap()),
    ] {
        assert_eq!(y.as_vec(), [0.0, 0.0, 3e38, -3e38, 0.0, 1.5e38], "{name}");
        let gradients = y.sum::<(), _>().backward();
        assert_eq!(gradient(&gradients, &v), [0.0, 0.0, 1.0, 1.0, 0.0, 0.5], "{name}");
        assert_eq!(gradient(&gradients, &g), [0.0, 0.0, 0.0, 0.0, 0.0, 7.5e37], "{name}");
    }
}
