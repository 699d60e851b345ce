//! The published compositions of blocks, one file per family; generic over sizes, with the papers' sizes as type aliases.

pub mod collaborative_experts;
mod expert_network;
mod frame_encoders;
mod jpose;
mod mmen;
mod mnnet;
mod moee;
mod momentum_contrast;
mod resnet;
mod tca;
mod video_encoder;

pub use collaborative_experts::{
    CollaborativeExperts, CollaborativeExpertsConfig, Design, MixtureWeights, TextPooling,
};
pub use expert_network::{ExpertNetwork, TextEmbedding, VideoEmbedding};
pub use frame_encoders::{MeanFrames, RecurrentEncoder, RecurrentEncoderConfig};
pub use jpose::{Action, Jpose, JposeConfig, JposeEpic, JposeEpicConfig, Noun, Verb, VerbNoun};
pub use mmen::{Caption, Mmen, MmenConfig, MmenEpic, MmenEpicConfig};
pub use mnnet::{Mnnet, MnnetConfig};
pub use moee::{Moee, MoeeConfig, MoeeExpert, MoeeFeatures};
pub use momentum_contrast::{ContrastBatch, Logits, MomentumContrast, MomentumContrastConfig};
pub use resnet::{
    Bottleneck, BottleneckConfig, Downsample, FoldedBottleneck, FoldedResNet50, ResNet50, ResNet50Config, StageMaps,
};
pub use tca::{Tca, TcaConfig, TcaPublished, TcaPublishedConfig};
pub use video_encoder::{FrameSets, VideoEncoder};
