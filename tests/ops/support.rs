//! Inputs, naive references and the comparison that every operation goes through.

pub use dfdx::prelude::{Backward, Const, Gradients, OwnedTape, ReshapeTo, Shape, SumTo, Tensor, TensorFromVec, Trace};
use rand::{Rng, SeedableRng};

#[cfg(not(feature = "cuda"))]
pub type Dev = dfdx::prelude::Cpu;
#[cfg(feature = "cuda")]
pub type Dev = dfdx::prelude::Cuda;

pub type Traced<S> = Tensor<S, f32, Dev, OwnedTape<f32, Dev>>;
pub type Plain<S> = Tensor<S, f32, Dev>;

pub fn values(seed: u64, n: usize) -> Vec<f32> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random_range(-1.5..1.5)).collect()
}

pub fn tensor<S: Shape>(seed: u64, shape: S) -> Plain<S> {
    Dev::default().tensor_from_vec(values(seed, shape.num_elements()), shape)
}

pub fn wide(v: &[f32]) -> Vec<f64> {
    v.iter().map(|x| f64::from(*x)).collect()
}

#[track_caller]
pub fn assert_close(what: &str, got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(0.1f64, |m, w| m.max(w.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(*g) - w).abs() <= tolerance * scale, "{what}[{i}]: {g} instead of {w}");
    }
}

/// Values of an operation and the gradients of `Σ output · cotangent` with respect to its inputs.
#[derive(PartialEq)]
pub struct Outcome {
    pub output: Vec<f32>,
    pub gradients: Vec<Vec<f32>>,
}

pub fn finish<S: Shape>(
    output: Traced<S>,
    gradients_of: impl FnOnce(&Gradients<f32, Dev>) -> Vec<Vec<f32>>,
) -> Outcome {
    let shape = *dfdx::prelude::HasShape::shape(&output);
    let values = output.as_vec();
    // dfdx's CUDA kernel does not sum along no axes.
    let loss = (output * tensor(99, shape)).reshape_like(&(shape.num_elements(),)).sum::<(), _>();
    Outcome { output: values, gradients: gradients_of(&loss.backward()) }
}

/// Checks two implementations of an operation against a naive f64 function of its flattened inputs.
#[track_caller]
pub fn check(inputs: &[Vec<f32>], naive: impl Fn(&[Vec<f64>]) -> Vec<f64>, implementations: [(&str, Outcome); 2]) {
    let inputs: Vec<Vec<f64>> = inputs.iter().map(|v| wide(v)).collect();
    let want = naive(&inputs);
    let cotangent = wide(&values(99, want.len()));
    let loss = |x: &[Vec<f64>]| naive(x).iter().zip(&cotangent).map(|(y, c)| y * c).sum::<f64>();
    let step = 1e-6;
    let mut gradients = vec![];
    for i in 0..inputs.len() {
        gradients.push(Vec::with_capacity(inputs[i].len()));
        for j in 0..inputs[i].len() {
            let mut moved = inputs.clone();
            moved[i][j] = inputs[i][j] + step;
            let up = loss(&moved);
            moved[i][j] = inputs[i][j] - step;
            gradients[i].push((up - loss(&moved)) / (2.0 * step));
        }
    }
    for (name, outcome) in implementations {
        assert_close(name, &outcome.output, &want, 2e-6);
        assert_eq!(outcome.gradients.len(), gradients.len(), "{name}: one gradient per input");
        for (i, (got, want)) in outcome.gradients.iter().zip(&gradients).enumerate() {
            assert_close(&format!("{name}, gradient {i}"), got, want, 1e-5);
        }
    }
}

pub fn gradient<S: Shape>(grads: &Gradients<f32, Dev>, t: &Plain<S>) -> Vec<f32> {
    grads.get(t).as_vec()
}

/// `f(row)` over rows of width `w`.
pub fn by_row(x: &[f64], w: usize, f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    x.chunks(w).flat_map(f).collect()
}

/// Runs an operation of a size worth sharing on one, two and five threads and compares the bits.
#[cfg(not(feature = "cuda"))]
#[track_caller]
pub fn assert_threads_agree(run: impl Fn() -> Outcome + Sync) {
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&run);
    let one = with(1);
    assert!(one == with(2) && one == with(5), "bits differ between thread counts");
}

/// On a card the host's threads share nothing, and the additions of a sum come in any order: two runs agree to rounding.
#[cfg(feature = "cuda")]
#[track_caller]
pub fn assert_threads_agree(run: impl Fn() -> Outcome) {
    assert_same(&run(), &run());
}

/// Compares two implementations at a size that spans several tasks, where finite differences would take too long.
#[track_caller]
pub fn assert_same(fused: &Outcome, composed: &Outcome) {
    assert_close("output", &fused.output, &wide(&composed.output), 1e-5);
    assert_eq!(fused.gradients.len(), composed.gradients.len());
    for (i, (fused, composed)) in fused.gradients.iter().zip(&composed.gradients).enumerate() {
        assert_close(&format!("gradient {i}"), fused, &wide(composed), 1e-5);
    }
}
