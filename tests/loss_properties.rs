//! Laws of the triplet loss: naive-loop oracle, zero when margins are met, permutation equivariance, gradients against finite
//! differences in f64.

use coembed::embedding::Embedding;
use coembed::losses::{Distance, TripletLoss, mean, sum};
use coembed::ops;
use dfdx::prelude::{Backward, Cpu, OwnedTape, Tensor, Trace};
use proptest::collection::vec;
use proptest::prelude::*;

struct Space;

type Matrix = Tensor<(usize, usize), f32, Cpu>;

/// Anchors, positives and negatives of `rows` triplets, and their margins.
#[derive(Debug, Clone)]
struct Triplets {
    rows: usize,
    width: usize,
    parts: [Vec<f32>; 3],
    margins: Vec<f32>,
}

fn triplets() -> impl Strategy<Value = Triplets> {
    (1usize..7, 1usize..9).prop_flat_map(|(rows, width)| {
        let part = || vec(-2.0f32..2.0, rows * width);
        let parts = (part(), part(), part()).prop_map(|(a, p, n)| [a, p, n]);
        (parts, vec(0.0f32..1.5, rows)).prop_map(move |(parts, margins)| Triplets { rows, width, parts, margins })
    })
}

fn distances() -> impl Strategy<Value = Distance> {
    prop_oneof![Just(Distance::SquaredEuclidean), Just(Distance::Cosine)]
}

impl Triplets {
    fn tensors(&self) -> [Matrix; 3] {
        self.parts.clone().map(|part| ops::to_tensor(&Cpu::default(), part, (self.rows, self.width)).unwrap())
    }

    fn terms(&self, distance: Distance) -> (Tensor<(usize,), f32, Cpu, OwnedTape<f32, Cpu>>, [Matrix; 3]) {
        let inputs = self.tensors();
        let margins = ops::to_tensor(&Cpu::default(), self.margins.clone(), (self.rows,)).unwrap();
        let [a, p, n] = inputs.each_ref().map(|t| Embedding::<Space, _, _, _, _>::new(t.leaky_trace()));
        (TripletLoss { distance }.terms(a, p, n, &margins).unwrap(), inputs)
    }

    fn values(&self, distance: Distance) -> Vec<f32> {
        ops::to_vec(&self.terms(distance).0.retaped()).unwrap()
    }

    /// The formula, a loop in f64; before the hinge.
    fn naive(&self, distance: Distance) -> Vec<f64> {
        let row = |part: usize, i: usize| -> Vec<f64> {
            self.parts[part][i * self.width..][..self.width].iter().map(|v| f64::from(*v)).collect()
        };
        naive(distance, self.rows, row, &self.margins)
    }

    fn permuted(&self, order: &[usize]) -> Self {
        let rows = |part: &Vec<f32>, width: usize| -> Vec<f32> {
            order.iter().flat_map(|i| part[i * width..][..width].to_vec()).collect()
        };
        Self {
            parts: self.parts.each_ref().map(|part| rows(part, self.width)),
            margins: rows(&self.margins, 1),
            ..self.clone()
        }
    }
}

fn naive(distance: Distance, rows: usize, row: impl Fn(usize, usize) -> Vec<f64>, margins: &[f32]) -> Vec<f64> {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let term = |i: usize| {
        let (a, p, n) = (row(0, i), row(1, i), row(2, i));
        let (near, far) = match distance {
            Distance::SquaredEuclidean => {
                let squared = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
                (squared(&a, &p), squared(&a, &n))
            }
            Distance::Cosine => {
                let cosine = |x: &[f64], y: &[f64]| dot(x, y) / ((dot(x, x) + 1e-18) * (dot(y, y) + 1e-18)).sqrt();
                (cosine(&a, &n), cosine(&a, &p))
            }
        };
        f64::from(margins[i]) + near - far
    };
    (0..rows).map(term).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn terms_equal_the_naive_loop(t in triplets(), distance in distances()) {
        let want = t.naive(distance);
        for (got, want) in t.values(distance).iter().zip(&want) {
            prop_assert!((f64::from(*got) - want.max(0.0)).abs() <= 1e-5 * want.abs().max(1.0), "{got} for {want}");
        }
        let (terms, _) = t.terms(distance);
        let total = ops::to_vec(&sum(terms.retaped::<dfdx::prelude::NoneTape>()).unwrap()).unwrap()[0];
        let average = ops::to_vec(&mean(terms.retaped::<dfdx::prelude::NoneTape>()).unwrap()).unwrap()[0];
        prop_assert!((total - average * t.rows as f32).abs() <= 1e-4 * total.abs().max(1.0));
    }

    #[test]
    fn a_satisfied_margin_costs_nothing_and_has_no_gradient(mut t in triplets(), distance in distances()) {
        // The positive is the anchor; then the margin is chosen below the distance of the negative.
        t.parts[1] = t.parts[0].clone();
        t.margins = vec![0.0; t.rows];
        let slack = t.naive(distance);
        t.margins = slack.iter().map(|s| (-s * 0.9) as f32).collect();
        prop_assume!(slack.iter().all(|s| *s < -1e-4));
        prop_assert!(t.values(distance).iter().all(|v| *v == 0.0));
        let (terms, inputs) = t.terms(distance);
        let gradients = mean(terms).unwrap().backward();
        for input in &inputs {
            prop_assert!(ops::to_vec(&gradients.get(input)).unwrap().iter().all(|g| *g == 0.0));
        }
    }

    #[test]
    fn terms_follow_a_permutation_of_the_triplets(t in triplets(), distance in distances(), seed in any::<u64>()) {
        use rand::{SeedableRng, seq::SliceRandom};
        let mut order: Vec<usize> = (0..t.rows).collect();
        order.shuffle(&mut rand_chacha::ChaCha8Rng::seed_from_u64(seed));
        let values = t.values(distance);
        let want: Vec<f32> = order.iter().map(|i| values[*i]).collect();
        prop_assert_eq!(t.permuted(&order).values(distance), want);
    }

    #[test]
    fn gradients_equal_finite_differences_in_f64(t in triplets(), distance in distances()) {
        // Away from the kink of the hinge and from vanishing norms, where the loss has no derivative.
        prop_assume!(t.naive(distance).iter().all(|v| v.abs() > 1e-3));
        let short = |part: &Vec<f32>| part.chunks(t.width).any(|row| row.iter().map(|v| v * v).sum::<f32>() < 0.05);
        prop_assume!(!t.parts.iter().any(short));
        let (terms, inputs) = t.terms(distance);
        let gradients = mean(terms).unwrap().backward();
        let wide: Vec<Vec<f64>> = t.parts.iter().map(|p| p.iter().map(|v| f64::from(*v)).collect()).collect();
        let loss = |parts: &[Vec<f64>]| {
            let row = |part: usize, i: usize| parts[part][i * t.width..][..t.width].to_vec();
            naive(distance, t.rows, row, &t.margins).iter().map(|v| v.max(0.0)).sum::<f64>() / t.rows as f64
        };
        let step = 1e-6;
        for (part, input) in inputs.iter().enumerate() {
            for (j, got) in ops::to_vec(&gradients.get(input)).unwrap().into_iter().enumerate() {
                let mut moved = wide.clone();
                moved[part][j] += step;
                let up = loss(&moved);
                moved[part][j] -= 2.0 * step;
                let want = (up - loss(&moved)) / (2.0 * step);
                prop_assert!((f64::from(got) - want).abs() <= 1e-4 * want.abs().max(1.0), "{got} for {want}");
            }
        }
    }
}
