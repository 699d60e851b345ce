use std::path::Path;

use super::TcaError;
use super::annotations::Annotations;
use super::batches::TrainingPairs;
use super::encoder::TcaEncoder;
use super::evaluate::{TcaReport, evaluate};
use super::options::Options;
use super::task::TcaTask;
use crate::blocks::Config;
use crate::data::Loaded;
use crate::data::near_duplicate::{Dataset, FrameFeatures, vcdb};
use crate::formats::{Limits, pickle, torch};
use crate::ops::OpsDevice;
use crate::options::{Checked, Table, TableError};
use crate::run::{Foreign, Part, Recipe, Setting, Tested};
use crate::train::{Epochs, Fit, Keep, OptimizerConfig, Purpose, Schedule, StateDict, StateTensor, from_torch, rng};

/// Training and evaluation of Temporal Context Aggregation.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcaRecipe;

/// Features of frames, pairs to train on, and a data set to test on.
#[derive(Debug)]
pub struct TcaData {
    /// Of all videos.
    pub features: FrameFeatures,
    /// Of VCDB.
    pub training: Option<TrainingPairs>,
    /// What is tested.
    pub test: Annotations,
    /// Its name.
    pub name: String,
}

impl Recipe for TcaRecipe {
    type Options = Options;
    type Data = TcaData;
    type Model<D: OpsDevice> = TcaEncoder<D>;
    type Task<'a, D: OpsDevice> = TcaTask<'a, D>;
    type Evaluation = TcaReport;
    type Error = TcaError;

    fn name(&self) -> &'static str {
        "tca"
    }

    fn rows(&self) -> Result<Table<Options>, TableError> {
        const ROWS: &str = include_str!("../../../paper-repros/tca/rows.ron");
        Table::embedded(&[("paper-repros/tca/rows.ron", ROWS)])
    }

    fn load(&self, options: &Checked<Options>, folder: &Path, part: Part) -> Result<Loaded<TcaData>, TcaError> {
        let (limits, mut all) = (Limits::default(), Loaded::nothing());
        let annotations = folder.join(&options.annotation_path);
        let dataset = Dataset::find(&options.dataset)?;
        let test = all.take(Annotations::load(&dataset, &annotations, &limits)?);
        let training = match (&test, part) {
            (_, Part::Test) => None,
            (Annotations::Vcdb(vcdb), Part::Training) => Some(vcdb.into()),
            _ => {
                let file = Dataset::Vcdb.file(&annotations)?;
                Some((&all.take(vcdb::load(&file, &limits)?)).into())
            }
        };
        let path = folder.join(&options.feature_path);
        let features = all.take(FrameFeatures::open(&path, options.pca_components, &limits)?);
        Ok(all.with(TcaData { features, training, test, name: options.dataset.clone() }))
    }

    fn model<D: OpsDevice>(&self, of: Setting<'_, Self, D>) -> Result<TcaEncoder<D>, TcaError> {
        Ok(of.options.network().build(of.device, &mut rng(of.seed, Purpose::Weights, 0, 0))?)
    }

    fn task<'a, D: OpsDevice>(
        &'a self,
        of: Setting<'a, Self, D>,
        model: &TcaEncoder<D>,
    ) -> Result<TcaTask<'a, D>, TcaError> {
        let training = of.data.training.as_ref().ok_or(TcaError::NoTraining)?;
        TcaTask::new(of.options, of.device, model, training, &of.data.features, of.seed)
    }

    fn optimizer(&self, options: &Checked<Options>) -> OptimizerConfig {
        OptimizerConfig::Adam(options.adam())
    }

    fn fit(&self, options: &Checked<Options>) -> Fit {
        let after = Epochs::Every { every: options.save_period, from: 1 };
        Fit {
            epochs: options.epochs,
            batch_size: options.batch_sz,
            schedule: Schedule::CosineByEpoch,
            keep: vec![Keep { name: "model".into(), after, last: true, newest: None }],
            ..Fit::default()
        }
    }

    /// There is no validation.
    fn tested(&self, _: &Checked<Options>) -> Tested {
        Tested::Last
    }

    fn evaluate<D: OpsDevice>(&self, of: Setting<'_, Self, D>, model: &TcaEncoder<D>) -> Result<TcaReport, TcaError> {
        let TcaData { features, test, .. } = of.data;
        evaluate(model, of.device, features, test, of.options)
    }

    fn split(&self, _: &Checked<Options>, data: &TcaData) -> String {
        data.name.clone()
    }

    /// With features of all videos.
    fn is_published_split(&self, data: &TcaData) -> bool {
        let (ids, queries, database) = data.test.lists();
        let mut videos = queries.iter().chain(database);
        videos.all(|video| data.features.has(ids, *video))
    }

    fn num_parameters(&self, options: &Checked<Options>, _: &[usize]) -> Result<Option<usize>, TcaError> {
        Ok(Some(Config::<dfdx::prelude::Cpu>::num_parameters(&options.network())))
    }

    fn foreign(&self, path: &Path) -> Option<Result<Foreign<Options>, TcaError>> {
        Some(read_foreign(path))
    }

    fn without_effect(&self) -> &'static [&'static str] {
        &["num_readers", "num_workers", "momentum", "print-freq", "fp16-allreduce", "use-adasum"]
    }
}

/// The name of the trained encoder in a checkpoint of the whole training model.
const TRAINED: &str = "encoder_q.";

/// A `.pth`: the encoder's tensors, or those of the training model, of which the trained encoder is taken.
fn read_foreign(path: &Path) -> Result<Foreign<Options>, TcaError> {
    let file = |source| TcaError::Checkpoint { path: path.into(), source };
    let checkpoint = torch::load(path, &pickle::PickleOptions::default()).map_err(|error| file(error.into()))?;
    let tensors = checkpoint.state_dict(None).map_err(|error| file(error.into()))?;
    let entries = from_torch(&tensors).map_err(|error| file(error.into()))?;
    let trained = |(name, tensor): (&String, &StateTensor)| Some((name.strip_prefix(TRAINED)?.into(), tensor.clone()));
    let trained: StateDict = entries.iter().filter_map(trained).collect();
    let left = entries.len() - trained.len();
    let (parameters, warnings) = match trained.is_empty() {
        true => (entries, vec![]),
        false => {
            let warning = format!("{}: the trained encoder is taken, {left} other entries are left", path.display());
            (trained, vec![warning])
        }
    };
    Ok(Foreign { options: Some(of_checkpoint(&parameters)), parameters, warnings })
}

/// A checkpoint says the width and the number of layers of the encoder, by its tensors; the other options are the defaults, as they are in the
/// published program.
fn of_checkpoint(parameters: &StateDict) -> Options {
    let weight = |layer: usize| format!("transformer_encoder.layers.{layer}.self_attn.in_proj_weight");
    let published = Options::default();
    let width = parameters.get(&weight(0)).and_then(|tensor| tensor.shape.get(1).copied());
    let width = width.unwrap_or(published.pca_components);
    let num_layers = (0..).take_while(|layer| parameters.contains_key(&weight(*layer))).count().max(1);
    Options { pca_components: width, output_dim: width, num_layers, ..published }
}
