use dfdx::prelude::{Const, Cpu, Dim, HasShape, Merge, Tensor};
use rayon::prelude::*;

use super::VladKernel;
use crate::gemm::{Operand, gemm};
use crate::ops::math::sum2;
use crate::ops::parallel::for_items;
use crate::ops::record::{operands, parameter, record};
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{LayerTape, OpError, RecordingTape};
use crate::processor::vectorise;

vectorise! {
    fn subtract(x: &[f32], factor: f32, out: &mut [f32]) {
        out.iter_mut().zip(x).for_each(|(out, x)| *out = x.mul_add(-factor, *out));
    }
}

vectorise! {
    fn product(a: &[f32], b: &[f32]) -> f32 {
        sum2(a, b, |a, b| a * b)
    }
}

/// Sizes of one item.
#[derive(Clone, Copy)]
struct Sizes {
    steps: usize,
    assigned: usize,
    clusters: usize,
    width: usize,
}

impl Sizes {
    /// `(steps, clusters)`: the assignments of an item without its ghosts.
    fn assignment(self, all: &[f32], item: usize) -> Operand<'_> {
        let size = self.steps * self.assigned;
        Operand::strided(&all[item * size..][..size], self.steps, self.clusters, self.assigned)
    }

    fn descriptors(self, all: &[f32], item: usize) -> Operand<'_> {
        let size = self.steps * self.width;
        Operand::new(&all[item * size..][..size], self.steps, self.width)
    }

    fn residuals(self, all: &[f32], item: usize) -> Operand<'_> {
        let size = self.clusters * self.width;
        Operand::new(&all[item * size..][..size], self.clusters, self.width)
    }

    /// What the descriptors of an item give a cluster in all.
    fn mass(self, all: &[f32], item: usize, cluster: usize) -> f32 {
        let assignments = all[item * self.steps * self.assigned..].chunks(self.assigned).take(self.steps);
        assignments.map(|of_step| of_step[cluster]).sum()
    }

    fn work(self, items: usize) -> usize {
        items * self.steps * self.clusters * self.width
    }
}

/// `(width, clusters)` to `(clusters, width)`.
fn by_cluster(centres: &[f32], sizes: Sizes) -> Vec<f32> {
    (0..sizes.clusters).flat_map(|k| centres.iter().skip(k).step_by(sizes.clusters.max(1)).copied()).collect()
}

impl VladKernel for Cpu {
    fn vlad<B: Dim, N: Dim, A: Dim, K: Dim, E: Dim, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        assignment: Tensor<(B, N, A), f32, Self, T>,
        x: Tensor<(B, N, E), f32, Self, R>,
        centres: &Tensor<(Const<1>, E, K), f32, Self>,
    ) -> Result<Tensor<(B, K, E), f32, Self, T>, OpError> {
        let (a, x, tape) = operands(assignment, x)?;
        let (centres, tape) = parameter(centres, tape)?;
        let ((batch, steps, assigned), (_, width, clusters)) = (*a.shape(), *centres.shape());
        let (items, device) = (batch.size(), x.device().clone());
        let sizes =
            Sizes { steps: steps.size(), assigned: assigned.size(), clusters: clusters.size(), width: width.size() };

        let (a_data, x_data) = (view(&a), view(&x));
        let by_cluster = by_cluster(&view(&centres), sizes);
        let mut y = vec![0.0; items * sizes.clusters * sizes.width];
        for_items(&mut y, sizes.clusters * sizes.width, sizes.work(items), |i, y, threads| {
            gemm(sizes.assignment(&a_data, i).t(), sizes.descriptors(&x_data, i), y, sizes.width, false, threads);
            for (k, (y, centre)) in y.chunks_mut(sizes.width).zip(by_cluster.chunks(sizes.width)).enumerate() {
                subtract(centre, sizes.mass(&a_data, i, k), y);
            }
        });
        drop((a_data, x_data));

        record(&device, y, (batch, clusters, width), tape, move |grad, grads| {
            let (a_data, x_data) = (view(&a), view(&x));
            for_items(
                Slot::gradient(&a, grads)?.filled(),
                sizes.steps * sizes.assigned,
                sizes.work(items),
                |i, ga, threads| {
                    let gy = sizes.residuals(&grad, i);
                    gemm(sizes.descriptors(&x_data, i), gy.t(), ga, sizes.assigned, true, threads);
                    let rows = grad[i * sizes.clusters * sizes.width..]
                        .chunks(sizes.width)
                        .zip(by_cluster.chunks(sizes.width));
                    let along: Vec<f32> = rows.map(|(grad, centre)| product(grad, centre)).collect();
                    for ga in ga.chunks_mut(sizes.assigned) {
                        ga.iter_mut().zip(&along).for_each(|(ga, along)| *ga -= along);
                    }
                },
            );
            if R::GRADIENT {
                for_items(
                    Slot::gradient(&x, grads)?.filled(),
                    sizes.steps * sizes.width,
                    sizes.work(items),
                    |i, gx, threads| {
                        gemm(sizes.assignment(&a_data, i), sizes.residuals(&grad, i), gx, sizes.width, true, threads);
                    },
                );
            }
            let mut of_centres = vec![0.0; sizes.clusters * sizes.width];
            of_centres.par_chunks_mut(sizes.width.max(1)).enumerate().for_each(|(k, of_centre)| {
                for i in 0..items {
                    let grad = &grad[(i * sizes.clusters + k) * sizes.width..][..sizes.width];
                    subtract(grad, sizes.mass(&a_data, i, k), of_centre);
                }
            });
            let gc = Slot::gradient(&centres, grads)?.filled();
            for (d, gc) in gc.chunks_mut(sizes.clusters.max(1)).enumerate() {
                gc.iter_mut().enumerate().for_each(|(k, gc)| *gc += of_centres[k * sizes.width + d]);
            }
            Ok(())
        })
    }
}
