use dfdx::prelude::{HasShape, NoneTape};

use super::{CeError, CeModel, batches};
use crate::blocks::{Availability, Phase};
use crate::data::experts::{Batcher, Ragged, Teacher, TeacherExpert};
use crate::matrix::Matrix;
use crate::metrics::captions;
use crate::metrics::rank::{RankOptions, RankReport, RankScores};
use crate::models::collaborative_experts::{CaptionMerge, VideoEmbedding, average_captions};
use crate::ops::{self, OpsDevice};
use crate::train::{Purpose, rng};

/// Captions that are compared with the gallery at a time: as in evaluation batch norms are fixed, the result does not depend on it.
const CHUNK: usize = 256;

/// What a network makes of a split.
#[derive(Debug, Clone, PartialEq)]
pub struct CeEvaluation {
    /// Texts by videos, `(V · captions, V)`; `(V, V)` where the captions of a video were averaged.
    pub similarity: Matrix<f32>,
    /// Whether a slot holds a text, `(V, captions)` or `(V, 1)`.
    pub real: Matrix<bool>,
    /// Rank metrics as published.
    pub report: RankReport,
}

/// Evaluates with up to `captions` captions of every video, each a query of its own or their mean similarity one query.
///
/// As published, slots without a caption count in the mean.
///
/// # Errors
/// [`CeError`].
pub fn evaluate<D: OpsDevice>(
    model: &CeModel<D>,
    device: &D,
    split: &Batcher,
    captions: usize,
    merge: CaptionMerge,
    seed: u64,
) -> Result<CeEvaluation, CeError> {
    // Slots that no video fills would be masked.
    let most = (0..split.split().videos.len()).map(|video| split.split().captions.count(video)).max();
    let captions = if merge == CaptionMerge::Independent { captions.min(most.unwrap_or(1)).max(1) } else { captions };
    let videos: Vec<usize> = (0..split.split().videos.len()).collect();
    let (video, available) = embed_gallery(model, device, split, seed)?;
    let mut values = Vec::with_capacity(videos.len() * captions * videos.len());
    for chunk in videos.chunks((CHUNK / captions.max(1)).max(1)) {
        let words = batches::words(device, split.eval_text(chunk, captions)?)?;
        let text = model.embed_text(words.retaped::<NoneTape>(), Phase::Evaluation)?;
        let similarity = model.ce.similarity(text, video.clone(), &available)?;
        values.extend(ops::to_vec(&match merge {
            CaptionMerge::Independent => similarity,
            CaptionMerge::Average => average_captions(similarity, captions)?,
        })?);
    }
    let masks = split.query_masks(captions);
    let (slots, flags) = match merge {
        CaptionMerge::Independent => (captions, masks.as_slice().iter().map(|mask| *mask == 1.0).collect()),
        CaptionMerge::Average => (1, vec![true; videos.len()]),
    };
    let similarity = Matrix::new(values, videos.len() * slots, videos.len())?;
    let real = Matrix::new(flags, videos.len(), slots)?;
    let report = captions::evaluate(similarity.view(), real.view(), &RankOptions::collaborative_experts())?;
    Ok(CeEvaluation { similarity, real, report })
}

/// All videos of a split. `seed` is of the noise that stands in for features where they are randomised.
fn embed_gallery<D: OpsDevice>(
    model: &CeModel<D>,
    device: &D,
    split: &Batcher,
    seed: u64,
) -> Result<(VideoEmbedding<usize, D, NoneTape>, Availability), CeError> {
    let data = split.split();
    let videos: Vec<usize> = (0..data.videos.len()).collect();
    let names: Vec<String> = data.experts.iter().map(|expert| expert.name.clone()).collect();
    let batch = split.eval_experts(&videos, &mut rng(seed, Purpose::Captions, usize::MAX, 0))?;
    let (features, available) = batches::experts(device, &names, batch)?;
    Ok((model.embed_video(untaped(features), &available, Phase::Evaluation)?, available))
}

type Features<D, T> = Vec<crate::blocks::ExpertFeatures<usize, D, T>>;

fn untaped<D: OpsDevice>(features: Features<D, ops::DataTape>) -> Features<D, NoneTape> {
    use crate::blocks::{ExpertFeatures, Frames};
    let one = |features| match features {
        ExpertFeatures::Vector(x) => ExpertFeatures::Vector(dfdx::prelude::SplitTape::split_tape(x).0),
        ExpertFeatures::Sequence(Frames { frames, valid }) => {
            ExpertFeatures::Sequence(Frames { frames: dfdx::prelude::SplitTape::split_tape(frames).0, valid })
        }
    };
    features.into_iter().map(one).collect()
}

/// The network's embeddings of a split, as a teacher of TeachText: without the weights of experts, which its similarities leave out.
///
/// # Errors
/// [`CeError`].
pub fn as_teacher<D: OpsDevice>(
    model: &CeModel<D>,
    device: &D,
    split: &Batcher,
    name: &str,
) -> Result<Teacher, CeError> {
    let data = split.split();
    let names: Vec<String> = data.experts.iter().map(|expert| expert.name.clone()).collect();
    let (embedded, _) = embed_gallery(model, device, split, 0)?;
    let mut experts = Vec::with_capacity(names.len());
    for (name, video) in names.iter().zip(&embedded.0) {
        let (rows, width) = *video.shape();
        let video = Matrix::new(ops::to_vec(video)?, rows, width)?;
        experts.push(TeacherExpert { name: name.clone(), video, text: Ragged::new(width) });
    }
    for video in 0..data.videos.len() {
        let count = data.captions.count(video);
        let words = batches::words(device, split.eval_text(&[video], count)?)?;
        let text = model.embed_text(words.retaped::<NoneTape>(), Phase::Evaluation)?;
        for (expert, text) in experts.iter_mut().zip(&text.experts) {
            let (rows, width) = *text.shape();
            expert.text.push(Matrix::new(ops::to_vec(text)?, rows, width)?.view())?;
        }
    }
    Ok(Teacher { file: name.into(), experts })
}

/// The score that a published `monitor` names (`val_t2v_metrics_R1`), if a greater one is better.
pub fn monitored(monitor: &str) -> Option<String> {
    let (direction, metric) = monitor.strip_prefix("val_")?.split_once("_metrics_")?;
    let name = match metric {
        "R1" => "R@1",
        "R5" => "R@5",
        "R10" => "R@10",
        "R50" => "R@50",
        "geometric_mean_R1-R5-R10" => "geometric mean",
        _ => return None,
    };
    matches!(direction, "t2v" | "v2t").then(|| format!("{direction}/{name}"))
}

/// Scores by name.
pub fn numbers(report: &RankReport) -> Vec<(String, f64)> {
    let direction = |name: &str, scores: &RankScores| {
        let RankScores { r1, r5, r10, r50, median, mean, .. } = scores;
        let values = [*r1, *r5, *r10, *r50, *median, *mean, scores.geometric_mean()];
        let labels = ["R@1", "R@5", "R@10", "R@50", "MdR", "MnR", "geometric mean"];
        labels.iter().zip(values).map(|(label, value)| (format!("{name}/{label}"), value)).collect::<Vec<_>>()
    };
    [direction("t2v", &report.t2v), direction("v2t", &report.v2t)].concat()
}
