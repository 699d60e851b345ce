//! Collaborative Experts as types: the same run as that of the configuration, by the same driver.

use std::path::Path;

use coembed::blocks::ReasoningConfig;
use coembed::blocks::experts::{NetVladFrames, Vector};
use coembed::data::Loaded;
use coembed::models::{CollaborativeExperts, CollaborativeExpertsConfig, Design, MixtureWeights, TextPooling};
use coembed::options::Checked;
use coembed::prelude::*;
use coembed::recipes::ce::{CeData, CeError, CeEvaluation, CeTask, CollaborativeExpertsRecipe, Options, evaluate};
use coembed::run::{Deviation, Part, Recipe, Setting};
use coembed::train::{Fit, OptimizerConfig};

coembed::experts! {
    /// The experts of tests/data/ce_run.
    pub Pair, features PairFeatures, pooling PairPooling { audio: NetVladFrames<128, 2>, face: Vector<32> }
}

const LISTED: CollaborativeExpertsRecipe = CollaborativeExpertsRecipe::CollaborativeExperts;

pub struct Typed;

impl Recipe for Typed {
    type Options = Options;
    type Data = CeData;
    type Model<D: OpsDevice> = CollaborativeExperts<Pair, Const<300>, Const<16>, D>;
    type Task<'a, D: OpsDevice> = CeTask<'a, Self::Model<D>, D>;
    type Evaluation = CeEvaluation;
    type Error = CeError;

    fn name(&self) -> &'static str {
        LISTED.name()
    }

    fn load(&self, options: &Checked<Options>, folder: &Path, part: Part) -> Result<Loaded<CeData>, CeError> {
        LISTED.load(options, folder, part)
    }

    fn model<D: OpsDevice>(&self, of: Setting<'_, Self, D>) -> Result<Self::Model<D>, CeError> {
        let (text, design) =
            (TextPooling::NetVlad { clusters: 2, ghosts: 1 }, Design::Collaborative(ReasoningConfig::default()));
        let weights = MixtureWeights::Text;
        let network = CollaborativeExpertsConfig { experts: Pair, words: Const, text, common: Const, design, weights };
        Ok(network.build(of.device, &mut rng(of.seed, Purpose::Weights, 0, 0))?)
    }

    fn task<'a, D: OpsDevice>(
        &'a self,
        of: Setting<'a, Self, D>,
        _: &Self::Model<D>,
    ) -> Result<Self::Task<'a, D>, CeError> {
        let (train, validation) = of.data.training.as_ref().unwrap();
        CeTask::new(of.options.training(of.seed), of.device, train, validation)
    }

    fn optimizer(&self, options: &Checked<Options>) -> OptimizerConfig {
        LISTED.optimizer(options)
    }

    fn fit(&self, options: &Checked<Options>) -> Fit {
        LISTED.fit(options)
    }

    fn deviation(&self, score: &str) -> Deviation {
        LISTED.deviation(score)
    }

    fn evaluate<D: OpsDevice>(
        &self,
        of: Setting<'_, Self, D>,
        model: &Self::Model<D>,
    ) -> Result<CeEvaluation, CeError> {
        let test = coembed::data::experts::Batcher::new(&of.data.test, of.options.batch_options())?;
        evaluate(model, of.device, &test, of.options.captions(true), of.options.test_caption_mode, 0)
    }

    fn split(&self, options: &Checked<Options>, data: &CeData) -> String {
        LISTED.split(options, data)
    }
}
