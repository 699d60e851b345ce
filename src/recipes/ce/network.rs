use dfdx::prelude::{Cpu, Tensor};
use rand::Rng;

use super::Options;
use super::options::Arch;
use crate::blocks::{Availability, Config, ExpertFeatures, ExpertList, Parameters, Phase};
use crate::models::{
    CollaborativeExperts, CollaborativeExpertsConfig, ExpertNetwork, Mnnet, MnnetConfig, Moee, MoeeConfig,
    TextEmbedding, VideoEmbedding,
};
use crate::ops::{LayerTape, OpError, OpsDevice, RecordingTape};
use crate::options::{Checked, OptionsError};

/// The network of any configuration, with every size chosen at run time.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)]
pub enum CeNetwork<D: OpsDevice> {
    /// CE and its relatives.
    CollaborativeExperts(CollaborativeExperts<ExpertList, usize, usize, D>),
    /// The HowTo100M S3D baseline of QuerYD.
    Mnnet(Mnnet<D>),
    /// The network of the MoEE authors' own program.
    Moee(Moee<D>),
}

/// Describes a [`CeNetwork`].
#[derive(Debug, Clone)]
pub enum CeNetworkConfig {
    /// CE and its relatives.
    CollaborativeExperts(CollaborativeExpertsConfig<ExpertList, usize, usize>),
    /// The HowTo100M S3D baseline of QuerYD.
    Mnnet(MnnetConfig),
    /// The network of the MoEE authors' own program.
    Moee(MoeeConfig),
}

impl Checked<Options> {
    /// The network.
    ///
    /// # Errors
    /// [`OptionsError`] only where [`Options`] were not checked.
    pub fn network(&self) -> Result<CeNetworkConfig, OptionsError> {
        Ok(match self.arch {
            Arch::CollaborativeExperts => CeNetworkConfig::CollaborativeExperts(self.collaborative_experts()?),
            Arch::HowTo100m => CeNetworkConfig::Mnnet(MnnetConfig),
            Arch::Moee => CeNetworkConfig::Moee(self.moee()?),
        })
    }

    /// Number of trained values of the network, by arithmetic.
    ///
    /// # Errors
    /// [`OptionsError`] only where [`Options`] were not checked.
    pub fn num_parameters(&self) -> Result<usize, OptionsError> {
        Ok(Config::<Cpu>::num_parameters(&self.network()?))
    }
}

/// The same call on whichever it is.
macro_rules! each {
    ($of:ident, $network:expr, $own:ident => $call:expr) => {
        match $network {
            $of::CollaborativeExperts($own) => $call,
            $of::Mnnet($own) => $call,
            $of::Moee($own) => $call,
        }
    };
}

impl<D: OpsDevice> Config<D> for CeNetworkConfig {
    type Built = CeNetwork<D>;

    fn num_parameters(&self) -> usize {
        each!(Self, self, config => Config::<D>::num_parameters(config))
    }

    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<CeNetwork<D>, OpError> {
        Ok(match self {
            Self::CollaborativeExperts(config) => CeNetwork::CollaborativeExperts(config.build(device, rng)?),
            Self::Mnnet(config) => CeNetwork::Mnnet(config.build(device, rng)?),
            Self::Moee(config) => CeNetwork::Moee(config.build(device, rng)?),
        })
    }
}

impl<D: OpsDevice> Parameters<D> for CeNetwork<D> {
    crate::visit_variants! { D; CollaborativeExperts(network: flat), Mnnet(network: flat), Moee(network: flat) }
}

impl<D: OpsDevice> ExpertNetwork<D> for CeNetwork<D> {
    fn embed_video<T: LayerTape<D>>(
        &self,
        features: Vec<ExpertFeatures<usize, D, T>>,
        available: &Availability,
        phase: Phase,
    ) -> Result<VideoEmbedding<usize, D, T::Output>, OpError> {
        each!(Self, self, network => ExpertNetwork::embed_video(network, features, available, phase))
    }

    fn embed_text<T: LayerTape<D>>(
        &self,
        words: Tensor<(usize, usize, usize), f32, D, T>,
        phase: Phase,
    ) -> Result<TextEmbedding<usize, D, T::Output>, OpError> {
        each!(Self, self, network => ExpertNetwork::embed_text(network, words, phase))
    }

    fn similarity<T: RecordingTape<D>>(
        &self,
        text: TextEmbedding<usize, D, T>,
        video: VideoEmbedding<usize, D, T>,
        available: &Availability,
    ) -> Result<Tensor<(usize, usize), f32, D, T>, OpError> {
        each!(Self, self, network => ExpertNetwork::similarity(network, text, video, available))
    }
}
