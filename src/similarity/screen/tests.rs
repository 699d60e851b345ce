use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::matrix::{Matrix, MatrixView};
use crate::similarity::exact::Exact;

pub(in crate::similarity) const MEASURES: [Measure; 3] =
    [Measure::InnerProduct, Measure::Cosine, Measure::NegativeSquaredEuclidean];

/// What embeddings may look like, the awkward included.
pub(in crate::similarity) const KINDS: [&str; 10] = [
    "normal",
    "clustered",
    "shifted",
    "sparse",
    "constant",
    "outlier dimensions",
    "subnormal",
    "zero",
    "twelve decades",
    "coarse",
];

/// Rows of a kind; `side` tells queries from items where a kind has a mean or clusters in common.
pub(in crate::similarity) fn rows(kind: &str, rows: usize, cols: usize, seed: u64) -> Matrix<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let centre = |cluster: usize, j: usize| ((cluster * 131 + j * 7919) % 101) as f32 / 50.0 - 1.0;
    let normal = |rng: &mut ChaCha8Rng| (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
    let mut values = Vec::with_capacity(rows * cols);
    for i in 0..rows {
        let cluster = rng.random_range(0..5);
        let size = 10_f32.powf(rng.random_range(-6.0..6.0));
        for j in 0..cols {
            values.push(match kind {
                "normal" => normal(&mut rng),
                "clustered" => centre(cluster, j) + 0.05 * normal(&mut rng),
                "shifted" => 3.0 + centre(0, j) + 0.3 * normal(&mut rng),
                "sparse" => {
                    if rng.random_range(0..20) == 0 {
                        normal(&mut rng)
                    } else {
                        0.0
                    }
                }
                "constant" => 0.7,
                "outlier dimensions" => normal(&mut rng) * if j % 37 == 3 { 300.0 } else { 1.0 },
                "subnormal" => normal(&mut rng) * if i % 3 == 0 { 1e-20 } else { 1e-40 },
                "zero" => {
                    if i % 2 == 0 {
                        0.0
                    } else {
                        normal(&mut rng)
                    }
                }
                "twelve decades" => size * normal(&mut rng),
                _ => rng.random_range(-1..=1) as f32,
            });
        }
    }
    Matrix::new(values, rows, cols).unwrap()
}

/// All kernels, those that have no integers of their own with portable ones.
pub(in crate::similarity) fn kernels() -> Vec<Kernel> {
    let portable = |kernel: &Kernel| kernel.with_portable_integers();
    let mut kernels = Kernel::available();
    kernels.extend(Kernel::available().iter().map(portable));
    kernels.retain(|kernel| kernel.integer.is_some());
    kernels
}

/// Upper bounds or scores of all pairs.
fn all<C: Comparison>(
    walk: &Walk<C>,
    items: MatrixView<'_, f32>,
    lower: impl Fn(&C, usize, &C::Items, usize, f32) -> f32 + Sync,
) -> [Vec<f32>; 2] {
    let (rows, cols) = (walk.comparison.queries(), items.rows());
    let mut tasks: Vec<(usize, Vec<f32>, Vec<f32>)> = (0..rows)
        .step_by(walk.height())
        .map(|first| (first, vec![0.0; walk.height() * cols], vec![0.0; walk.height() * cols]))
        .collect();
    let visit = |(first, uppers, lowers): &mut (usize, Vec<f32>, Vec<f32>),
                 block: &mut super::super::walk::Block<C::Items>| {
        for (i, row) in block.iter() {
            for (j, &upper) in row.iter().enumerate() {
                let at = i * cols + block.columns.start + j;
                uppers[at] = upper;
                lowers[at] = lower(&walk.comparison, *first + i, block.items.0, block.items.1 + j, upper);
            }
        }
    };
    walk.blocks(&items, 0..cols, 1, &mut tasks, visit, &mut |_, _, _| std::ops::ControlFlow::Continue(())).unwrap();
    let mut out = [vec![], vec![]];
    for (_, uppers, lowers) in tasks {
        out[0].extend(uppers);
        out[1].extend(lowers);
    }
    out.iter_mut().for_each(|side| side.truncate(rows * cols));
    out
}

/// 10,000 pairs of each kind, measure and kernel, in several widths.
#[test]
fn every_score_lies_within_its_bounds() {
    for kernel in kernels() {
        for (kind, measure) in KINDS.iter().flat_map(|kind| MEASURES.map(|measure| (kind, measure))) {
            for (width, seed) in [(1, 1), (7, 2), (64, 3), (301, 4)] {
                let (queries, items) = (rows(kind, 50, width, seed), rows(kind, 50, width, 100 + seed));
                let centre = Centre::of(measure, &queries.view(), &items.view());
                let walk = Screen::walk(kernel, &queries.view(), &items.view(), measure, &centre).unwrap();
                let [uppers, lowers] =
                    all(&walk, items.view(), |screen, i, items, j, upper| screen.lower(i, items, j, upper));
                let exact = Exact::walk(kernel, &queries.view(), &items.view(), measure).unwrap();
                let [scores, _] = all(&exact, items.view(), |_, _, _, _, score| score);
                for ((upper, lower), score) in uppers.iter().zip(&lowers).zip(&scores) {
                    assert!(
                        (lower..=upper).contains(&score),
                        "{kind} {measure:?} {width}: {score} outside {lower}..={upper}"
                    );
                }
                // Bounds that are of use.
                if *kind == "normal" && measure == Measure::InnerProduct && width == 301 {
                    let wide: f32 =
                        uppers.iter().zip(&lowers).map(|(upper, lower)| upper - lower).sum::<f32>() / 2500.0;
                    assert!(wide < 0.06 * 301.0, "{wide}");
                }
            }
        }
    }
}
