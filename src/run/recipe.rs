use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use crate::blocks::Parameters;
use crate::data::Loaded;
use crate::metrics::rank::RankReport;
use crate::ops::{OpError, OpsDevice};
use crate::options::{Checked, Options, Table, TableError};
use crate::train::{Fit, OptimizerConfig, StateDict, Task};

/// What a paper brings to a run: its options and published rows, its data, model, task and evaluation.
pub trait Recipe: Sized + Sync {
    /// Its options.
    type Options: Options;
    /// The splits of a data set: to train on, to validate and to test.
    type Data: Sync;
    /// The model.
    type Model<D: OpsDevice>: Parameters<D>;
    /// Batches, loss, validation.
    type Task<'a, D: OpsDevice>: Task<D, Model = Self::Model<D>, Error = Self::Error>
    where
        Self: 'a;
    /// What a model makes of the test split.
    type Evaluation: Evaluation;
    /// What can go wrong.
    type Error: Error + From<OpError> + Send + Sync + 'static;

    /// Its name, which is that of its example.
    fn name(&self) -> &'static str;

    /// The published rows.
    ///
    /// # Errors
    /// [`TableError`], which the tables in the library do not have.
    fn rows(&self) -> Result<Table<Self::Options>, TableError> {
        Ok(Table::default())
    }

    /// The folder that options name for their data.
    fn folder(&self, _options: &Self::Options) -> Option<PathBuf> {
        None
    }

    /// The files that the authors publish, a line of CSV for each with its link; empty where there are none.
    fn links(&self) -> &'static str {
        ""
    }

    /// Reads the splits that a part of a run takes from a folder in the authors' layout.
    ///
    /// # Errors
    /// Whatever the files bring.
    fn load(
        &self,
        options: &Checked<Self::Options>,
        folder: &Path,
        part: Part,
    ) -> Result<Loaded<Self::Data>, Self::Error>;

    /// The model with fresh weights, a pure function of the seed.
    ///
    /// # Errors
    /// When the device fails, or options and data do not fit each other.
    fn model<D: OpsDevice>(&self, of: Setting<'_, Self, D>) -> Result<Self::Model<D>, Self::Error>;

    /// The task of training a model.
    ///
    /// # Errors
    /// When the splits do not belong together.
    fn task<'a, D: OpsDevice>(
        &'a self,
        of: Setting<'a, Self, D>,
        model: &Self::Model<D>,
    ) -> Result<Self::Task<'a, D>, Self::Error>;

    /// What changes the model.
    fn optimizer(&self, options: &Checked<Self::Options>) -> OptimizerConfig;

    /// The loop: epochs, schedule, validation, checkpoints. Folder, seed, configuration and data are the run's.
    fn fit(&self, options: &Checked<Self::Options>) -> Fit;

    /// Which parameters are tested.
    fn tested(&self, _options: &Checked<Self::Options>) -> Tested {
        Tested::Best
    }

    /// How the published tables give the deviation of a score over seeds.
    fn deviation(&self, _score: &str) -> Deviation {
        Deviation::Sample
    }

    /// Turns options into those whose test is the validation (the list that epochs are selected by), where the two are not the same.
    fn on_validation(&self) -> Option<fn(&mut Self::Options)> {
        None
    }

    /// Told of a model whose parameters were loaded, after how many epochs they were saved.
    fn restored<D: OpsDevice>(&self, _options: &Checked<Self::Options>, _model: &mut Self::Model<D>, _epochs: usize) {}

    /// Evaluates on the test split.
    ///
    /// # Errors
    /// Whatever the evaluation brings.
    fn evaluate<D: OpsDevice>(
        &self,
        of: Setting<'_, Self, D>,
        model: &Self::Model<D>,
    ) -> Result<Self::Evaluation, Self::Error>;

    /// Name of the split that is tested.
    fn split(&self, _options: &Checked<Self::Options>, _data: &Self::Data) -> String {
        "test".into()
    }

    /// What the numbers rest on beside options and files, for the summary: digests of what was embedded, how ties were ranked.
    fn facts(&self, _data: &Self::Data) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// Whether scores on this split can be compared with the published ones.
    fn is_published_split(&self, _data: &Self::Data) -> bool {
        true
    }

    /// Widths that only data know, for counting parameters without any.
    fn widths(&self) -> Vec<Width> {
        vec![]
    }

    /// Number of trained values, by arithmetic, where the widths are these; `None` where only the built model knows.
    ///
    /// # Errors
    /// When options do not say enough.
    fn num_parameters(
        &self,
        _options: &Checked<Self::Options>,
        _widths: &[usize],
    ) -> Result<Option<usize>, Self::Error> {
        Ok(None)
    }

    /// Reads a checkpoint of the authors' program; `None` where there is no such program.
    fn foreign(&self, _path: &Path) -> Option<Result<Foreign<Self::Options>, Self::Error>> {
        None
    }

    /// What an evaluation can be written as.
    fn exports(&self) -> Vec<Export<Self>> {
        vec![]
    }

    /// Options of the authors' program that are accepted and have no effect, as there.
    fn without_effect(&self) -> &'static [&'static str] {
        &[]
    }

    /// What turns one of the authors' configurations into options, where they have any; paths in it are relative to a root.
    fn importer(&self) -> Option<Importer<Self::Options, Self::Error>> {
        None
    }
}

/// Where a model is built, trained and evaluated.
pub struct Setting<'a, R: Recipe, D: OpsDevice> {
    /// The options of the run.
    pub options: &'a Checked<R::Options>,
    /// Its splits.
    pub data: &'a R::Data,
    /// Its device.
    pub device: &'a D,
    /// The seed of this training.
    pub seed: u64,
}

impl<R: Recipe, D: OpsDevice> Clone for Setting<'_, R, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: Recipe, D: OpsDevice> Copy for Setting<'_, R, D> {}

/// What a model makes of a split.
pub trait Evaluation {
    /// Scores by name.
    fn scores(&self) -> Vec<(String, f64)>;

    /// For each direction, by name, the rank of the best item that belongs to each query, from 1; NaN for queries without one.
    fn ranks(&self) -> Vec<(&'static str, Vec<f64>)>;

    /// What the published program prints, where it has a form of its own.
    fn published_output(&self) -> Option<String> {
        None
    }
}

impl Evaluation for RankReport {
    fn scores(&self) -> Vec<(String, f64)> {
        self.scores()
    }

    fn ranks(&self) -> Vec<(&'static str, Vec<f64>)> {
        let plain = |ranks: &[Option<f64>]| ranks.iter().map(|rank| rank.unwrap_or(f64::NAN)).collect();
        vec![("t2v", plain(&self.t2v.ranks)), ("v2t", plain(&self.v2t.ranks))]
    }
}

/// For what splits are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// To train, validate and test.
    Training,
    /// To test alone.
    Test,
}

/// Which parameters of a training are tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tested {
    /// Those of the best validation; the last ones where nothing is selected.
    Best,
    /// Those after the last epoch.
    Last,
}

/// The standard deviation of a score over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deviation {
    /// That of a sample, with `n − 1` in the denominator.
    Sample,
    /// That of all there is, with `n`.
    Population,
}

/// A width that only data know.
#[derive(Debug, Clone, Copy)]
pub struct Width {
    /// Its name.
    pub name: &'static str,
    /// That of the published features.
    pub published: usize,
    /// What it is the width of.
    pub doc: &'static str,
}

/// A form in which an evaluation can be written.
pub struct Export<R: Recipe> {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// The contents of its file; the folder is that of the data.
    pub contents: fn(&Path, &R::Evaluation) -> Result<Vec<u8>, R::Error>,
}

/// A checkpoint of the authors' program.
#[derive(Debug, Clone)]
pub struct Foreign<O> {
    /// The options of its run, where it says them.
    pub options: Option<O>,
    /// Its tensors.
    pub parameters: StateDict,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Reads a configuration of the authors' program: a file, the root that paths in it are relative to, and whether to go on where the authors'
/// program stops.
pub type Importer<O, E> = fn(&Path, &Path, bool) -> Result<Imported<O>, E>;

/// Options made of a configuration of the authors' program.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported<O> {
    /// The options.
    pub options: O,
    /// What of it has no effect here.
    pub ignored: Vec<String>,
    /// What the authors' program stops at.
    pub repaired: Vec<String>,
}
