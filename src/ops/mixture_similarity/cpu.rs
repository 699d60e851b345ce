use dfdx::prelude::{Cpu, Dim, HasShape, ReshapeTo, SplitTape, Tensor};

use super::MixtureSimilarityKernel;
use crate::gemm::{Operand, Threads, gemm};
use crate::ops::parallel::{collect_blocks, for_rows};
use crate::ops::record::{operand_list, record};
use crate::ops::view::view;
use crate::ops::{OpError, RecordingTape, device_error};

/// The weights that every query has left for a video: `Σ_n w_qn a_vn`.
fn left(weights: &[f32], available: &[f32]) -> f32 {
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
        let w = view(&weights);
        let s = collect_blocks(q * v, v, |first, s| {
            for (i, s) in s.chunks_exact_mut(v).enumerate() {
                let w = &w[(first + i) * experts..][..experts];
                for (j, (s, available)) in s.iter_mut().zip(available.chunks_exact(experts)).enumerate() {
                    let left = left(w, available);
                    let terms = products.iter().zip(w.iter().zip(available));
                    *s = terms.map(|(product, (w, a))| w * a / left * product[(first + i) * v + j]).sum();
                }
            }
        });
        drop(w);

        // Without a gradient to come nothing of this is kept.
        let s_kept = if T::OWNS_TAPE { s.clone() } else { vec![] };
        record(&device, s, (queries, videos), tape, move |grad, grads| {
            let w = view(&weights);
            for_rows(grads.get_or_alloc_mut(&weights)?, experts, |i, gw| {
                let w = &w[i * experts..][..experts];
                for (j, available) in available.chunks_exact(experts).enumerate() {
                    let at = i * v + j;
                    let factor = grad[at] / left(w, available);
                    for ((gw, a), product) in gw.iter_mut().zip(available).zip(&products) {
                        *gw += factor * a * (product[at] - s_kept[at]);
                    }
                }
            });
            for (m, (text, video)) in text.iter().zip(&video).enumerate() {
                let width = text.shape().1.size();
                let mut shares = grad.to_vec();
                for_rows(&mut shares, v, |i, shares| {
                    let w = &w[i * experts..][..experts];
                    for (share, available) in shares.iter_mut().zip(available.chunks_exact(experts)) {
                        *share *= w[m] * available[m] / left(w, available);
                    }
                });
                let (text_data, video_data) = (view(text), view(video));
                let shares = Operand::new(&shares, q, v);
                let of_video = Operand::new(&video_data, v, width);
                gemm(shares, of_video, grads.get_or_alloc_mut(text)?, width, true, Threads::All);
                let of_text = Operand::new(&text_data, q, width);
                gemm(shares.t(), of_text, grads.get_or_alloc_mut(video)?, width, true, Threads::All);
            }
            Ok(())
        })
    }
}
