use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tensor};

use super::{LEAST_WEIGHT, MixtureSimilarityKernel};
use crate::gemm::{Operand, Threads, gemm};
use crate::ops::parallel::{collect_blocks, for_rows};
use crate::ops::record::{operand_list, record};
use crate::ops::slot::Slot;
use crate::ops::view::view;
use crate::ops::{OpError, RecordingTape, device_error};

/// What a query's weights of the experts that a video has sum to: `Σ_n w_qn a_vn`.
fn normaliser(weights: &[f32], available: &[f32]) -> f32 {
    weights.iter().zip(available).map(|(weight, available)| weight * available).sum()
}

impl MixtureSimilarityKernel for Cpu {
    fn mixture_similarity<Q: Dim, V: Dim, E: Dim, T: RecordingTape<Self>>(
        text: Vec<Tensor<(Q, E), f32, Self, T>>,
        video: Vec<Tensor<(V, E), f32, Self, T>>,
        weights: Tensor<(Q, usize), f32, Self, T>,
        available: &Tensor<(V, usize), f32, Self>,
    ) -> Result<Tensor<(Q, V), f32, Self, T>, OpError> {
        let (weights, tape) = weights.try_contiguous().map_err(device_error)?.split_tape();
        let (text, tape) = operand_list(text, tape)?;
        let (video, tape) = operand_list(video, tape)?;
        let available = view(available).into_owned();
        let ((queries, experts), device) = (*weights.shape(), weights.device().clone());
        let videos = video[0].shape().0;
        let (q, v) = (queries.size(), videos.size());

        let products: Vec<Vec<f32>> = (text.iter().zip(&video))
            .map(|(text, video)| {
                let (width, mut product) = (text.shape().1.size(), vec![0.0; q * v]);
                let (text, video) = (view(text), view(video));
                let video = Operand::new(&video, v, width).t();
                gemm(Operand::new(&text, q, width), video, &mut product, v, false, Threads::All);
                product
            })
            .collect();
        let w: Vec<f32> = view(&weights).iter().map(|w| w + LEAST_WEIGHT).collect();
        let s = collect_blocks(q * v, v, |first, s| {
            for (i, s) in s.chunks_exact_mut(v).enumerate() {
                let w = &w[(first + i) * experts..][..experts];
                for (j, (s, available)) in s.iter_mut().zip(available.chunks_exact(experts)).enumerate() {
                    let sum = normaliser(w, available);
                    let terms = products.iter().zip(w.iter().zip(available));
                    *s = terms.map(|(product, (w, a))| w * a / sum * product[(first + i) * v + j]).sum();
                }
            }
        });

        // Without a gradient to come nothing of this is kept.
        let s_kept = if T::OWNS_TAPE { s.clone() } else { vec![] };
        record(&device, s, (queries, videos), tape, move |grad, grads| {
            Slot::gradient(&weights, grads)?.add_rows(experts, |i, gw| {
                let w = &w[i * experts..][..experts];
                for (j, available) in available.chunks_exact(experts).enumerate() {
                    let at = i * v + j;
                    let factor = grad[at] / normaliser(w, available);
                    for ((gw, a), product) in gw.iter_mut().zip(available).zip(&products) {
                        *gw += factor * a * (product[at] - s_kept[at]);
                    }
                }
            });
            for (m, (text, video)) in text.iter().zip(&video).enumerate() {
                let width = text.shape().1.size();
                // The gradient of the expert's inner products.
                let mut of_products = grad.clone();
                for_rows(&mut of_products, v, |i, of_products| {
                    let w = &w[i * experts..][..experts];
                    for (of_product, available) in of_products.iter_mut().zip(available.chunks_exact(experts)) {
                        *of_product *= w[m] * available[m] / normaliser(w, available);
                    }
                });
                let (text_data, video_data) = (view(text), view(video));
                let of_products = Operand::new(&of_products, q, v);
                let of_video = Operand::new(&video_data, v, width);
                Slot::gradient(text, grads)?.add_product(of_products, of_video, width, Threads::All);
                let of_text = Operand::new(&text_data, q, width);
                Slot::gradient(video, grads)?.add_product(of_products.t(), of_text, width, Threads::All);
            }
            Ok(())
        })
    }
}
