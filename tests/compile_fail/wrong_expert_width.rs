use coembed::blocks::experts::{NetVladFrames, Vector};
use coembed::prelude::{Const, Cpu, NoneTape, Tensor};

coembed::experts! {
    pub Two, features TwoFeatures, pooling TwoPooling { audio: NetVladFrames<128, 16>, face: Vector<512> }
}

fn features(
    audio: Tensor<(usize, usize, Const<128>), f32, Cpu>,
    face: Tensor<(usize, Const<128>), f32, Cpu>,
) -> TwoFeatures<usize, Cpu, NoneTape> {
    TwoFeatures { audio, face }
}

fn main() {}
