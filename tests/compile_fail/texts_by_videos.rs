//! A matrix of texts by videos is evaluated as one of videos by texts.

use coembed::matrix::Matrix;
use coembed::metrics::TextsByVideos;
use coembed::metrics::rank::{self, RankOptions};

fn main() {
    let similarity = Matrix::new(vec![0.9_f32, 0.1, 0.2, 0.8], 2, 2).unwrap();
    let truths = [vec![0], vec![1]];
    rank::evaluate(TextsByVideos::new(similarity.view()), &truths, &RankOptions::default()).unwrap();
}
