use std::path::{Path, PathBuf};

use super::evaluate::{CeTest, evaluate, evaluate_labels, monitored};
use super::import::{import_merged, read_merged};
use super::options::{EvalMode, Options, TaskKind};
use super::task::{CeTask, CeTraining};
use super::{CeError, CeNetwork, import_config};
use crate::blocks::Config;
use crate::data::Loaded;
use crate::data::experts::folder::{self, Dataset, Subsets};
use crate::data::experts::{Batcher, ExpertSplit, load_checkpoint};
use crate::formats::Limits;
use crate::losses::{MaxMarginLoss, RankingLoss, TeacherScale};
use crate::metrics::TextsByVideos;
use crate::metrics::captions::top_k;
use crate::ops::OpsDevice;
use crate::options::{Checked, OptionsError, Table, TableError};
use crate::report::predictions;
use crate::run::{Deviation, Export, Foreign, Importer, Part, Recipe, Setting, Tested};
use crate::train::{BestTie, Epochs, Fit, Keep, OptimizerConfig, Purpose, Select, from_torch, rng};

/// Training of the networks of a paper, and their evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollaborativeExpertsRecipe {
    /// Collaborative Experts, MoEE, and the rows of QuerYD.
    CollaborativeExperts,
    /// TeachText and CE+.
    TeachText,
}

/// The splits of a data set.
#[derive(Debug, Clone)]
pub struct CeData {
    /// To train on, and to validate.
    pub training: Option<(ExpertSplit, ExpertSplit)>,
    /// To test.
    pub test: ExpertSplit,
}

impl Checked<Options> {
    /// How networks are trained with a seed: the published loss; students regress the sums of their teachers' experts.
    pub fn training(&self, seed: u64) -> CeTraining {
        CeTraining {
            batch_size: self.batch_size,
            batches: self.batch_options(),
            loss: RankingLoss::MaxMargin(MaxMarginLoss { margin: self.margin, fix_norm: self.fix_norm }),
            distil: (!self.teachers.is_empty()).then_some(TeacherScale::Sum),
            task: self.task,
            test_captions: self.captions(false),
            caption_merge: self.test_caption_mode,
            seed,
        }
    }
}

fn read(options: &Checked<Options>, folder: &Path, test: bool) -> Result<Loaded<folder::ExpertSplits>, CeError> {
    let dataset = Dataset::find(&options.dataset)?;
    let mut wanted = options.folder_options(test)?;
    wanted.subsets = if test { Subsets::Eval } else { Subsets::Both };
    Ok(folder::load(folder, dataset, &wanted)?)
}

impl Recipe for CollaborativeExpertsRecipe {
    type Options = Options;
    type Data = CeData;
    type Model<D: OpsDevice> = CeNetwork<D>;
    type Task<'a, D: OpsDevice> = CeTask<'a, CeNetwork<D>, D>;
    type Evaluation = CeTest;
    type Error = CeError;

    fn name(&self) -> &'static str {
        match self {
            Self::CollaborativeExperts => "ce",
            Self::TeachText => "teachtext",
        }
    }

    fn rows(&self) -> Result<Table<Options>, TableError> {
        const CE: (&str, &str) = ("paper-repros/ce/rows.ron", include_str!("../../../paper-repros/ce/rows.ron"));
        const TEACHTEXT: (&str, &str) =
            ("paper-repros/teachtext/rows.ron", include_str!("../../../paper-repros/teachtext/rows.ron"));
        match self {
            Self::CollaborativeExperts => Table::embedded(&[CE]),
            Self::TeachText => Table::embedded(&[CE, TEACHTEXT]),
        }
    }

    fn load(&self, options: &Checked<Options>, folder: &Path, part: Part) -> Result<Loaded<CeData>, CeError> {
        let (mut all, mut training) = (Loaded::nothing(), None);
        if part == Part::Training {
            let splits = all.take(read(options, folder, false)?);
            training = splits.train.zip(splits.eval);
        }
        let test = all.take(read(options, folder, true)?).eval.ok_or(CeError::NoSplit { what: "to evaluate on" })?;
        Dataset::find(&options.dataset)?.check_captions(&test, options.captions(true))?;
        Ok(all.with(CeData { training, test }))
    }

    fn model<D: OpsDevice>(&self, of: Setting<'_, Self, D>) -> Result<CeNetwork<D>, CeError> {
        let Setting { options, device, seed, .. } = of;
        Ok(options.network()?.build(device, &mut rng(seed, Purpose::Weights, 0, 0))?)
    }

    fn task<'a, D: OpsDevice>(
        &'a self,
        of: Setting<'a, Self, D>,
        _: &CeNetwork<D>,
    ) -> Result<CeTask<'a, CeNetwork<D>, D>, CeError> {
        let (train, validation) = of.data.training.as_ref().ok_or(CeError::NoSplit { what: "to train on" })?;
        CeTask::new(of.options.training(of.seed), of.device, train, validation)
    }

    fn optimizer(&self, options: &Checked<Options>) -> OptimizerConfig {
        options.optimizer.clone()
    }

    fn fit(&self, options: &Checked<Options>) -> Fit {
        let select = options.monitor.as_deref().and_then(|monitor| monitored(options.task, monitor));
        // The published loop keeps an epoch that is as good as the best.
        let select = select.map(|score| Select { tie: BestTie::Later, ..Select::by(score) });
        // Every so many epochs a checkpoint, the newest kept, where not only the best is wanted.
        let every = std::num::NonZeroUsize::new(options.save_period).filter(|_| !options.save_only_best);
        let keep = every.map(|every| Keep {
            name: "epoch".into(),
            after: Epochs::Every { every, from: options.skip_first_n_saves },
            last: false,
            newest: std::num::NonZeroUsize::new(options.num_keep_ckpts),
        });
        let keep = keep.into_iter().collect();
        let Options { epochs, schedule, batch_size, .. } = **options;
        Fit { epochs, schedule, batch_size, select, keep, ..Fit::default() }
    }

    fn tested(&self, options: &Checked<Options>) -> Tested {
        match options.eval_mode {
            EvalMode::TestRun => Tested::Best,
            EvalMode::FixedNumEpochs => Tested::Last,
        }
    }

    fn deviation(&self, score: &str) -> Deviation {
        if score.ends_with("geometric mean") { Deviation::Population } else { Deviation::Sample }
    }

    fn on_validation(&self) -> Option<fn(&mut Options)> {
        Some(|options| (options.test_split, options.test_split_captions) = (None, None))
    }

    fn folder(&self, options: &Options) -> Option<PathBuf> {
        options.data_dir.clone()
    }

    fn evaluate<D: OpsDevice>(&self, of: Setting<'_, Self, D>, model: &CeNetwork<D>) -> Result<CeTest, CeError> {
        let Setting { options, data, device, .. } = of;
        let batcher = Batcher::new(&data.test, options.batch_options())?;
        Ok(match options.task {
            TaskKind::Retrieval => {
                let (captions, merge) = (options.captions(true), options.test_caption_mode);
                CeTest::Captions(evaluate(model, device, &batcher, captions, merge, 0)?)
            }
            TaskKind::RetrievalAsClassification => CeTest::Labels(evaluate_labels(model, device, &batcher, 0)?),
        })
    }

    fn split(&self, options: &Checked<Options>, _: &CeData) -> String {
        format!("{} {}", options.dataset, options.test_split.as_ref().unwrap_or(&options.split))
    }

    fn num_parameters(&self, options: &Checked<Options>, _: &[usize]) -> Result<Option<usize>, CeError> {
        Ok(Some(options.num_parameters()?))
    }

    fn foreign(&self, path: &Path) -> Option<Result<Foreign<Options>, CeError>> {
        Some(read_foreign(path))
    }

    fn exports(&self) -> Vec<Export<Self>> {
        let doc = "The ten best videos of every query as CSV, as the challenge asks for them";
        let contents = |_: &Path, evaluation: &CeTest| {
            let CeTest::Captions(evaluation) = evaluation else {
                return Err(OptionsError::new("task", "labels are no queries of the challenge").into());
            };
            let best = top_k(TextsByVideos::new(evaluation.similarity.view()), evaluation.real.view(), 10)?;
            Ok(predictions(&best).into_bytes())
        };
        vec![Export { name: "predictions", doc, contents }]
    }

    fn importer(&self) -> Option<Importer<Options, CeError>> {
        Some(|file, root, repair| Ok(import_config(file, root, repair)?))
    }
}

/// `trained_model.pth`: its options are those of the configuration in it, or of the `config.json` that the published program writes beside it.
fn read_foreign(path: &Path) -> Result<Foreign<Options>, CeError> {
    let file = |source| CeError::Checkpoint { path: path.into(), source };
    let limits = Limits { input_bytes: 64 << 30, bytes: 64 << 30, ..Limits::default() };
    let checkpoint = load_checkpoint(path, &limits)?;
    let mut warnings: Vec<String> = checkpoint.skipped.iter().map(|skipped| format!("left out: {skipped}")).collect();
    let parameters = from_torch(&checkpoint.state).map_err(|error| file(error.into()))?;
    let beside = path.with_file_name("config.json");
    // What stops the published program did not stop this run of it.
    let imported = match checkpoint.config {
        Some(config) => Some(read_merged(path, config, true)),
        None => beside.symlink_metadata().is_ok().then(|| import_merged(&beside, true)),
    };
    let options = match imported.transpose() {
        Ok(imported) => imported.map(|imported| imported.options),
        Err(error) => {
            warnings.push(format!("its options are not known: {error}"));
            None
        }
    };
    Ok(Foreign { options, parameters, warnings })
}
