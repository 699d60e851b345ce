use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::RelMarginError;
use super::evaluate::{RelMarginEvaluation, score_name};
use super::model::RelMarginModel;
use super::network::RelMarginNetwork;
use super::options::{ModelKind, Options, RelMarginDataset};
use super::task::RelMarginTask;
use crate::data::epic100::{self, EvalSplitName};
use crate::data::relational::{EvalSplit, Features, FolderOptions, TrainSplit};
use crate::data::{Loaded, youcook2};
use crate::digest;
use crate::files::read_text;
use crate::formats::{pickle, torch};
use crate::metrics::VideosByTexts;
use crate::metrics::rank::{self, RankOptions};
use crate::ops::OpsDevice;
use crate::options::{Checked, Table, TableError};
use crate::run::{self, Export, Foreign, Part, Recipe, Setting, Tested, Width};
use crate::train::{Epochs, Fit, Keep, OptimizerConfig, Purpose, Select, from_torch, rng};

/// Training with the relevance-based margin, and its evaluation.
#[derive(Debug, Clone, Copy, Default)]
pub struct RelMargin;

/// The splits of a data set.
#[derive(Debug, Clone)]
pub struct RelMarginData {
    /// To train on, and to validate.
    pub training: Option<(TrainSplit, EvalSplit)>,
    /// To test.
    pub test: EvalSplit,
    /// Name of the split to test.
    pub name: &'static str,
}

fn folder_options(options: &Options) -> FolderOptions {
    FolderOptions {
        all_noun_classes: options.all_noun_classes,
        first_noun_only: options.model == ModelKind::Mmen,
        video_width: options.video_width(),
        ..FolderOptions::default()
    }
}

/// The splits that a data set has in a folder.
fn read(options: &Options, folder: &Path, part: Part) -> Result<Loaded<RelMarginData>, RelMarginError> {
    let from = folder_options(options);
    // Missing classes are drawn once for all seeds.
    let seed = options.seeds.first().copied().unwrap_or_default();
    let draw = &mut rng(seed, Purpose::Classes, 0, 0);
    let mut all = Loaded::nothing();
    let trains = part == Part::Training;
    let data = match options.dataset {
        RelMarginDataset::Epic100 => {
            let training = match trains {
                true => Some((
                    all.take(epic100::load_train(folder, &from, draw)?),
                    all.take(epic100::load_eval(folder, EvalSplitName::Validation, &from)?),
                )),
                false => None,
            };
            let test = all.take(epic100::load_eval(folder, EvalSplitName::Test, &from)?);
            RelMarginData { training, test, name: "epic100 test" }
        }
        RelMarginDataset::Youcook2 => {
            let train = if trains { Some(all.take(youcook2::load_train(folder, &from, draw)?)) } else { None };
            let test = all.take(youcook2::load_eval(folder, &from)?);
            RelMarginData { training: train.map(|train| (train, test.clone())), test, name: "youcook2 validation" }
        }
        RelMarginDataset::Given => return Err(RelMarginError::NotGiven),
    };
    Ok(all.with(data))
}

impl Recipe for RelMargin {
    type Options = Options;
    type Data = RelMarginData;
    type Model<D: OpsDevice> = RelMarginNetwork<D>;
    type Task<'a, D: OpsDevice> = RelMarginTask<'a, RelMarginNetwork<D>, D>;
    type Evaluation = RelMarginReport;
    type Error = RelMarginError;

    fn name(&self) -> &'static str {
        "jpose_relmargin"
    }

    fn rows(&self) -> Result<Table<Options>, TableError> {
        const ROWS: &str = include_str!("../../../paper-repros/jpose_relmargin/rows.ron");
        Table::embedded(&[("paper-repros/jpose_relmargin/rows.ron", ROWS)])
    }

    fn links(&self) -> &'static str {
        include_str!("../../../paper-repros/jpose_relmargin/links.csv")
    }

    fn load(
        &self,
        options: &Checked<Options>,
        folder: &Path,
        part: Part,
    ) -> Result<Loaded<RelMarginData>, RelMarginError> {
        read(options, folder, part)
    }

    fn model<D: OpsDevice>(&self, of: Setting<'_, Self, D>) -> Result<RelMarginNetwork<D>, RelMarginError> {
        let Features { video, text } = &of.data.test.features;
        Ok(RelMarginNetwork::build(of.options, video.cols(), text.verb.cols(), of.device, of.seed)?)
    }

    fn task<'a, D: OpsDevice>(
        &'a self,
        of: Setting<'a, Self, D>,
        model: &RelMarginNetwork<D>,
    ) -> Result<RelMarginTask<'a, RelMarginNetwork<D>, D>, RelMarginError> {
        let (train, validation) = of.data.training.as_ref().ok_or(RelMarginError::NoTraining)?;
        of.data.test.check()?;
        RelMarginTask::new(of.options, of.device, model, train, validation, of.seed)
    }

    fn optimizer(&self, options: &Checked<Options>) -> OptimizerConfig {
        OptimizerConfig::Sgd(options.sgd())
    }

    fn fit(&self, options: &Checked<Options>) -> Fit {
        let name = match options.model {
            ModelKind::Jpose => "JPoSE",
            ModelKind::Mmen => "MMEN",
        };
        let after = Epochs::Rate(options.checkpoint_rate);
        Fit {
            epochs: options.num_epochs,
            batch_size: options.batch_size,
            schedule: options.schedule,
            select: Some(Select::by(score_name(options.level(), "nDCG", "avg"))),
            keep: vec![Keep { name: name.into(), after, last: true, newest: None }],
            ..Fit::default()
        }
    }

    /// As published.
    fn tested(&self, _: &Checked<Options>) -> Tested {
        Tested::Last
    }

    fn restored<D: OpsDevice>(&self, options: &Checked<Options>, model: &mut RelMarginNetwork<D>, epochs: usize) {
        model.begin_epoch(options, epochs.saturating_sub(1));
    }

    fn evaluate<D: OpsDevice>(
        &self,
        of: Setting<'_, Self, D>,
        model: &RelMarginNetwork<D>,
    ) -> Result<RelMarginReport, RelMarginError> {
        let evaluation = model.evaluate(of.options, of.device, &of.data.test)?;
        let ranks = ranks(&evaluation, &of.data.test)?;
        Ok(RelMarginReport { evaluation, ranks })
    }

    fn split(&self, _: &Checked<Options>, data: &RelMarginData) -> String {
        data.name.into()
    }

    fn facts(&self, data: &RelMarginData) -> BTreeMap<String, String> {
        let ties = "as published: nDCG by descending index, mAP by ascending index";
        BTreeMap::from([
            ("features_sha256".into(), features_digest(&data.test.features)),
            ("relevance_sha256".into(), relevance_digest(&data.test)),
            ("tie_policy".into(), ties.into()),
        ])
    }

    /// The published numbers are those of the full test split alone.
    fn is_published_split(&self, data: &RelMarginData) -> bool {
        let Features { video, text } = &data.test.features;
        (video.rows(), text.verb.rows()) == (9668, 3842)
    }

    fn widths(&self) -> Vec<Width> {
        vec![
            Width { name: "video-width", published: 3072, doc: "Width of the video features" },
            Width { name: "text-width", published: 100, doc: "Width of the text features" },
        ]
    }

    fn num_parameters(&self, options: &Checked<Options>, widths: &[usize]) -> Result<Option<usize>, RelMarginError> {
        let (video, text) = (widths.first().copied().unwrap_or(3072), widths.get(1).copied().unwrap_or(100));
        let video = options.video_width().map_or(video, |width| width.min(video));
        Ok(Some(RelMarginNetwork::<dfdx::prelude::Cpu>::count(options, video, text)))
    }

    fn foreign(&self, path: &Path) -> Option<Result<Foreign<Options>, RelMarginError>> {
        Some(read_foreign(path))
    }

    fn without_effect(&self) -> &'static [&'static str] {
        &["num-layers", "optimiser", "dcg_ind"]
    }

    fn exports(&self) -> Vec<Export<Self>> {
        let doc = "A submission to the EPIC-Kitchens-100 challenge";
        vec![Export { name: "challenge-submission", doc, contents: submission }]
    }
}

/// A `.pth` with the `args.txt` of its run two folders up.
fn read_foreign(path: &Path) -> Result<Foreign<Options>, RelMarginError> {
    let file = |source| RelMarginError::Checkpoint { path: path.into(), source };
    let folder = path.parent().and_then(Path::parent).ok_or_else(|| file("it is in no run folder".into()))?;
    let args = folder.join("args.txt");
    let of_args = |source| RelMarginError::Checkpoint { path: args.clone(), source };
    let text = read_text(&args).map_err(|error| of_args(error.into()))?;
    let (options, unknown) = Options::from_args_txt(&text).map_err(|error| of_args(error.into()))?;
    let warning = format!("{}: options without effect here: {}", args.display(), unknown.join(", "));
    let checkpoint = torch::load(path, &pickle::PickleOptions::default()).map_err(|error| file(error.into()))?;
    let tensors = checkpoint.state_dict(None).map_err(|error| file(error.into()))?;
    let parameters = from_torch(&tensors).map_err(|error| file(error.into()))?;
    let warnings = if unknown.is_empty() { vec![] } else { vec![warning] };
    Ok(Foreign { options: Some(options), parameters, warnings })
}

fn submission(folder: &Path, report: &RelMarginReport) -> Result<Vec<u8>, RelMarginError> {
    let ids = epic100::load_ids(folder, EvalSplitName::Test, &FolderOptions::default())?.split;
    let similarity = report.evaluation.main.similarity.view();
    epic100::submission(similarity, &ids.videos, &ids.captions).map_err(RelMarginError::Submission)
}

/// A model tested.
#[derive(Debug, Clone)]
pub struct RelMarginReport {
    /// Scores and similarities.
    pub evaluation: RelMarginEvaluation,
    ranks: Vec<(&'static str, Vec<f64>)>,
}

impl run::Evaluation for RelMarginReport {
    fn scores(&self) -> Vec<(String, f64)> {
        self.evaluation.numbers()
    }

    fn ranks(&self) -> Vec<(&'static str, Vec<f64>)> {
        self.ranks.clone()
    }

    fn published_output(&self) -> Option<String> {
        let output = &self.evaluation;
        Some(if output.parts.is_empty() { output.published_line() } else { output.published_output() })
    }
}

/// Ranks of the best of the items whose relevance to a query is 1, a tie at its expectation.
fn ranks(evaluation: &RelMarginEvaluation, split: &EvalSplit) -> Result<Vec<(&'static str, Vec<f64>)>, RelMarginError> {
    let relevance = split.relevance.get(evaluation.level);
    let of_row = |row| {
        let (columns, values) = relevance.row(row);
        columns.iter().zip(values).filter(|(_, value)| **value >= 1.0).map(|(column, _)| *column as usize).collect()
    };
    let truths: Vec<Vec<usize>> = (0..relevance.rows()).map(of_row).collect();
    let similarity = evaluation.main.similarity.view();
    if truths.iter().all(Vec::is_empty) {
        return Ok(vec![("t2v", vec![f64::NAN; similarity.cols()]), ("v2t", vec![f64::NAN; similarity.rows()])]);
    }
    Ok(run::Evaluation::ranks(&rank::evaluate(VideosByTexts::new(similarity), &truths, &RankOptions::default())?))
}

fn features_digest(Features { video, text }: &Features) -> String {
    let mut digest = Sha256::new();
    for matrix in [video, &text.verb, &text.noun, &text.action] {
        digest.update((matrix.rows() as u64).to_le_bytes());
        digest.update((matrix.cols() as u64).to_le_bytes());
        matrix.as_slice().iter().for_each(|v| digest.update(v.to_le_bytes()));
    }
    digest::hex(&digest.finalize())
}

fn relevance_digest(split: &EvalSplit) -> String {
    let mut digest = Sha256::new();
    for level in [&split.relevance.verb, &split.relevance.noun, &split.relevance.action] {
        for row in 0..level.rows() {
            let (columns, values) = level.row(row);
            digest.update((columns.len() as u64).to_le_bytes());
            columns.iter().for_each(|c| digest.update(c.to_le_bytes()));
            values.iter().for_each(|v| digest.update(v.to_le_bytes()));
        }
    }
    digest::hex(&digest.finalize())
}
