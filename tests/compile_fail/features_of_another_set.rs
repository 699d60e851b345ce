//! A model of faces and speech is given a batch of faces and motion.

use coembed::blocks::experts::{NetVladFrames, Vector};
use coembed::blocks::{Availability, Phase};
use coembed::models::CollaborativeExperts;
use coembed::ops::OpError;
use coembed::prelude::{Const, Cpu, NoneTape};

coembed::experts! {
    pub FaceAndSpeech, features FaceAndSpeechFeatures, pooling FaceAndSpeechPooling { face: Vector<512>, speech: NetVladFrames<128, 16> }
}

coembed::experts! {
    pub FaceAndMotion, features FaceAndMotionFeatures, pooling FaceAndMotionPooling { face: Vector<512>, motion: Vector<1024> }
}

fn embed(
    model: &CollaborativeExperts<FaceAndSpeech, Const<768>, Const<512>, Cpu>,
    batch: FaceAndMotionFeatures<usize, Cpu, NoneTape>,
    available: &Availability,
) -> Result<(), OpError> {
    model.embed_video(batch, available, Phase::Evaluation)?;
    Ok(())
}

fn main() {}
