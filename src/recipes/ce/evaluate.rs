use dfdx::prelude::{HasShape, NoneTape};

use super::{CeError, TaskKind, batches};
use crate::blocks::{Availability, Phase};
use crate::data::experts::{Batcher, Labels, Ragged, Teacher, TeacherExpert, TextBatch};
use crate::losses::RankingLoss;
use crate::matrix::Matrix;
use crate::metrics::graded::PerQuery;
use crate::metrics::labels::{self, OwnLabels};
use crate::metrics::rank::{RankOptions, RankReport, RankScores};
use crate::metrics::{EmptyPolicy, TextsByVideos, TiePolicy, captions};
use crate::models::collaborative_experts::{CaptionMerge, average_captions};
use crate::models::{ExpertNetwork, VideoEmbedding};
use crate::ops::{self, OpError, OpsDevice};
use crate::run::Evaluation;
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

/// What a network makes of a split whose captions are labels.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelEvaluation {
    /// Labels by videos, `(L, V)`.
    pub similarity: Matrix<f32>,
    /// The labels, and which video has which.
    pub labels: Labels,
    /// Rank metrics of the labels of every video, as published.
    pub ranks: RankScores,
    /// Average precision of every label over the videos.
    pub average_precision: PerQuery,
}

/// What a network makes of a split, according to the task.
#[derive(Debug, Clone, PartialEq)]
pub enum CeTest {
    /// Captions as queries.
    Captions(CeEvaluation),
    /// Labels as queries.
    Labels(LabelEvaluation),
}

/// Evaluates with up to `captions` captions of every video, each a query of its own or their mean similarity one query.
///
/// As published, slots without a caption count in the mean.
///
/// # Errors
/// [`CeError`].
pub fn evaluate<N: ExpertNetwork<D>, D: OpsDevice>(
    model: &N,
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
    let average = (merge == CaptionMerge::Average).then_some(captions);
    let mut values = vec![];
    for chunk in videos.chunks((CHUNK / captions.max(1)).max(1)) {
        values.extend(similarities(model, device, split.eval_text(chunk, captions)?, &gallery, average)?);
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

/// Evaluates with the labels of all videos as queries (`retrieval-as-classification`): every video has its captions as labels.
///
/// # Errors
/// [`CeError`]; captions whose text is not known are no labels.
pub fn evaluate_labels<N: ExpertNetwork<D>, D: OpsDevice>(
    model: &N,
    device: &D,
    split: &Batcher,
    seed: u64,
) -> Result<LabelEvaluation, CeError> {
    let labels = split.split().labels()?;
    let gallery = embed_gallery(model, device, split, seed)?;
    let mut values = vec![];
    for chunk in labels.captions.chunks(CHUNK) {
        values.extend(similarities(model, device, split.captions(chunk)?, &gallery, None)?);
    }
    let similarity = Matrix::new(values, labels.captions.len(), split.split().videos.len())?;
    let (of, labelled) = (TextsByVideos::new(similarity.view()), labels.labelled.view());
    let options = RankOptions::collaborative_experts();
    let ranks = labels::retrieval_as_classification(of, labelled, OwnLabels::SubtractIndex, &options)?;
    let average_precision = labels::mean_average_precision(of, labelled, TiePolicy::Average, EmptyPolicy::Zero)?;
    Ok(LabelEvaluation { similarity, labels, ranks, average_precision })
}

impl CeEvaluation {
    /// The loss over the first caption of every video (`first-query-loss`); NaN for a single video, which the loss compares with nothing.
    ///
    /// # Errors
    /// [`OpError`].
    pub fn first_query_loss<D: OpsDevice>(&self, loss: &RankingLoss, device: &D) -> Result<f64, OpError> {
        let (videos, captions) = (self.real.rows(), self.real.cols());
        if videos < 2 {
            return Ok(f64::NAN);
        }
        let first = (0..videos).flat_map(|video| self.similarity.row(video * captions).to_vec()).collect();
        let similarity = ops::to_tensor::<(usize, usize), _>(device, first, (videos, videos))?;
        ops::value(&loss.forward(similarity)?)
    }
}

impl LabelEvaluation {
    /// Names of the scores.
    pub fn names() -> Vec<String> {
        RankScores::NAMES.iter().map(|name| format!("v2t/{name}")).chain(["mAP".into()]).collect()
    }
}

impl Evaluation for LabelEvaluation {
    /// Ranks of labels for videos, and mean average precision in [0, 1].
    fn scores(&self) -> Vec<(String, f64)> {
        let values = self.ranks.values().into_iter().chain([self.average_precision.mean]);
        Self::names().into_iter().zip(values).collect()
    }

    /// One for every label of every video.
    fn ranks(&self) -> Vec<(&'static str, Vec<f64>)> {
        vec![("v2t", self.ranks.ranks.iter().map(|rank| rank.unwrap_or(f64::NAN)).collect())]
    }
}

impl Evaluation for CeEvaluation {
    fn scores(&self) -> Vec<(String, f64)> {
        self.report.scores()
    }

    fn ranks(&self) -> Vec<(&'static str, Vec<f64>)> {
        self.report.ranks()
    }
}

impl Evaluation for CeTest {
    fn scores(&self) -> Vec<(String, f64)> {
        match self {
            Self::Captions(of) => of.scores(),
            Self::Labels(of) => of.scores(),
        }
    }

    fn ranks(&self) -> Vec<(&'static str, Vec<f64>)> {
        match self {
            Self::Captions(of) => of.ranks(),
            Self::Labels(of) => of.ranks(),
        }
    }
}

/// Similarities of texts with a gallery, row by row; those of every `average` texts one after the other as one row.
fn similarities<N: ExpertNetwork<D>, D: OpsDevice>(
    model: &N,
    device: &D,
    texts: TextBatch,
    gallery: &[Embedded<D>],
    average: Option<usize>,
) -> Result<Vec<f32>, CeError> {
    let text = model.embed_text(batches::words::<D, NoneTape>(device, texts)?, Phase::Evaluation)?;
    let parts = gallery.iter().map(|(video, available)| {
        let similarity = model.similarity(text.clone(), video.clone(), available)?;
        let similarity = match average {
            Some(captions) => average_captions(similarity, captions)?,
            None => similarity,
        };
        let (rows, width) = *similarity.shape();
        Ok::<_, CeError>((ops::to_vec(&similarity)?, rows, width))
    });
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let rows = parts.first().map_or(0, |(_, rows, _)| *rows);
    let row = |row| parts.iter().flat_map(move |(part, _, width)| part[row * width..(row + 1) * width].iter().copied());
    Ok((0..rows).flat_map(row).collect())
}

/// Embeddings of some videos, and which expert each has.
type Embedded<D> = (VideoEmbedding<usize, D, NoneTape>, Availability);

/// All videos of a split, batch by batch. `seed` is of the noise that stands in for features where they are randomised.
fn embed_gallery<N: ExpertNetwork<D>, D: OpsDevice>(
    model: &N,
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
        Ok((model.embed_video(features, &available, Phase::Evaluation)?, available))
    };
    videos.chunks(GALLERY).enumerate().map(embed).collect()
}

/// The network's embeddings of a split, as a teacher of TeachText: without the weights of experts, which its similarities leave out.
///
/// # Errors
/// [`CeError`].
pub fn as_teacher<N: ExpertNetwork<D>, D: OpsDevice>(
    model: &N,
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
        let words = batches::words::<D, NoneTape>(device, split.eval_text(&[video], count)?)?;
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

/// What the published names of such scores begin with in a task, and which direction of retrieval they are of.
pub(super) fn monitored_directions(task: TaskKind) -> &'static [(&'static str, &'static str)] {
    match task {
        TaskKind::Retrieval => &[("val_t2v_metrics_", "t2v"), ("val_v2t_metrics_", "v2t")],
        TaskKind::RetrievalAsClassification => &[("val_retrieval_as_classification_", "v2t")],
    }
}

/// The score that a published `monitor` of a task names (`val_t2v_metrics_R1`), if a greater one is better.
pub fn monitored(task: TaskKind, monitor: &str) -> Option<String> {
    let mut directions = monitored_directions(task).iter();
    let (direction, metric) =
        directions.find_map(|(published, direction)| Some((direction, monitor.strip_prefix(published)?)))?;
    let (_, name) = MONITORS.iter().find(|(published, _)| *published == metric)?;
    Some(format!("{direction}/{name}"))
}
