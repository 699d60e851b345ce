use dfdx::prelude::{Dim, HasShape, NoneTape};

use super::{CeError, Network, batches};
use crate::blocks::{Availability, ExpertSet, Phase};
use crate::data::experts::{Batcher, Ragged, Teacher, TeacherExpert};
use crate::matrix::Matrix;
use crate::metrics::rank::{RankOptions, RankReport};
use crate::metrics::{TextsByVideos, captions};
use crate::models::collaborative_experts::{CaptionMerge, VideoEmbedding, average_captions};
use crate::ops::{self, OpsDevice};
use crate::train::{Purpose, rng};

/// Captions that are compared with the gallery at a time: as in evaluation batch norms are fixed, the result does not depend on it.
const CHUNK: usize = 256;

/// Videos that are embedded at a time; likewise.
const GALLERY: usize = 1024;

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
pub fn evaluate<E: ExpertSet, W: Dim, S: Dim, D: OpsDevice>(
    model: &Network<E, W, S, D>,
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
    let gallery = embed_gallery(model, device, split, seed)?;
    let mut values = vec![];
    for chunk in videos.chunks((CHUNK / captions.max(1)).max(1)) {
        let words = batches::words::<W, D, NoneTape>(device, split.eval_text(chunk, captions)?)?;
        let text = model.embed_text(words, Phase::Evaluation)?;
        let parts = gallery.iter().map(|(video, available)| {
            let similarity = model.ce.similarity(text.clone(), video.clone(), available)?;
            let similarity = match merge {
                CaptionMerge::Independent => similarity,
                CaptionMerge::Average => average_captions(similarity, captions)?,
            };
            let (rows, width) = *similarity.shape();
            Ok::<_, CeError>((ops::to_vec(&similarity)?, rows, width))
        });
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        for row in 0..parts.first().map_or(0, |(_, rows, _)| *rows) {
            parts.iter().for_each(|(part, _, width)| values.extend(&part[row * width..(row + 1) * width]));
        }
    }
    let masks = split.query_masks(captions);
    let (slots, flags) = match merge {
        CaptionMerge::Independent => (captions, masks.as_slice().iter().map(|mask| *mask == 1.0).collect()),
        CaptionMerge::Average => (1, vec![true; videos.len()]),
    };
    let similarity = Matrix::new(values, videos.len() * slots, videos.len())?;
    let real = Matrix::new(flags, videos.len(), slots)?;
    let report =
        captions::evaluate(TextsByVideos::new(similarity.view()), real.view(), &RankOptions::collaborative_experts())?;
    Ok(CeEvaluation { similarity, real, report })
}

/// Embeddings of some videos, and which expert each has.
type Embedded<D> = (VideoEmbedding<usize, D, NoneTape>, Availability);

/// All videos of a split, batch by batch. `seed` is of the noise that stands in for features where they are randomised.
fn embed_gallery<E: ExpertSet, W: Dim, S: Dim, D: OpsDevice>(
    model: &Network<E, W, S, D>,
    device: &D,
    split: &Batcher,
    seed: u64,
) -> Result<Vec<Embedded<D>>, CeError> {
    let data = split.split();
    let videos: Vec<usize> = (0..data.videos.len()).collect();
    let names: Vec<String> = data.experts.iter().map(|expert| expert.name.clone()).collect();
    let embed = |(part, videos): (usize, &[usize])| {
        let batch = split.eval_experts(videos, &mut rng(seed, Purpose::Captions, usize::MAX, part))?;
        let (features, available) = batches::experts::<D, NoneTape>(device, &names, batch)?;
        let video = model.embed_video(model.features(features)?, &available, Phase::Evaluation)?;
        Ok((video, available))
    };
    videos.chunks(GALLERY).enumerate().map(embed).collect()
}

/// The network's embeddings of a split, as a teacher of TeachText: without the weights of experts, which its similarities leave out.
///
/// # Errors
/// [`CeError`].
pub fn as_teacher<E: ExpertSet, W: Dim, S: Dim, D: OpsDevice>(
    model: &Network<E, W, S, D>,
    device: &D,
    split: &Batcher,
    name: &str,
) -> Result<Teacher, CeError> {
    let data = split.split();
    let names: Vec<String> = data.experts.iter().map(|expert| expert.name.clone()).collect();
    let gallery = embed_gallery(model, device, split, 0)?;
    let mut experts = Vec::with_capacity(names.len());
    for (number, name) in names.iter().enumerate() {
        let (mut values, mut width) = (vec![], 0);
        for (VideoEmbedding(video), _) in &gallery {
            if let Some(video) = video.get(number) {
                width = video.shape().1;
                values.extend(ops::to_vec(video)?);
            }
        }
        let video = Matrix::new(values, data.videos.len(), width)?;
        experts.push(TeacherExpert { name: name.clone(), video, text: Ragged::new(width) });
    }
    for video in 0..data.videos.len() {
        let count = data.captions.count(video);
        let words = batches::words::<W, D, NoneTape>(device, split.eval_text(&[video], count)?)?;
        let text = model.embed_text(words, Phase::Evaluation)?;
        for (expert, text) in experts.iter_mut().zip(&text.experts) {
            let (rows, width) = *text.shape();
            expert.text.push(Matrix::new(ops::to_vec(text)?, rows, width)?.view())?;
        }
    }
    Ok(Teacher { file: name.into(), experts })
}

/// Scores of a validation that may select an epoch, those of which more is better: their published names and ours.
pub(super) const MONITORS: [(&str, &str); 5] =
    [("R1", "R@1"), ("R5", "R@5"), ("R10", "R@10"), ("R50", "R@50"), ("geometric_mean_R1-R5-R10", "geometric mean")];

/// The score that a published `monitor` names (`val_t2v_metrics_R1`), if a greater one is better.
pub fn monitored(monitor: &str) -> Option<String> {
    let (direction, metric) = monitor.strip_prefix("val_")?.split_once("_metrics_")?;
    let (_, name) = MONITORS.iter().find(|(published, _)| *published == metric)?;
    matches!(direction, "t2v" | "v2t").then(|| format!("{direction}/{name}"))
}
