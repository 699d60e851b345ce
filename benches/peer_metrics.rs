//! nDCG and mean average precision, for comparison with `benches/peers/metrics.py`; see docs/performance.md.

#[path = "common/device.rs"]
mod device;
#[path = "common/inputs.rs"]
mod inputs;
#[path = "common/peer.rs"]
mod peer;

use coembed::matrix::Matrix;
use coembed::metrics::graded::{self, ApDefinition, Depth, Gain, GradedOptions};
use coembed::metrics::{EmptyPolicy, TiePolicy, VideosByTexts};
use coembed::relevance::SparseRelevance;
use inputs::{value, values};
use peer::Work;

/// As the evaluation programs of text retrieval have it: linear gain, all ranks, an item of any relevance is relevant.
const OPTIONS: GradedOptions = GradedOptions {
    gain: Gain::Linear,
    depth: Depth::All,
    ndcg_ties: TiePolicy::Ascending,
    ap: ApDefinition::Binary { threshold: 1.0 },
    ap_ties: TiePolicy::Ascending,
    empty: EmptyPolicy::Zero,
};

/// Both directions of 1,000 x 1,000 similarities, of which 2 % are of relevance 1 or 2.
fn graded() -> Work {
    const SIZE: usize = 1000;
    let similarity = Matrix::new(values(1, SIZE * SIZE, 1.0), SIZE, SIZE).unwrap();
    let level = |i: usize, j: usize| match value(2, (i * SIZE + j) as u32) {
        drawn if drawn < -0.49 => 1.0,
        drawn if drawn < -0.48 => 2.0,
        _ => 0.0,
    };
    let relevance = SparseRelevance::from_dense(Matrix::from_fn(SIZE, SIZE, level).view()).unwrap();
    Box::new(move |clock| {
        let similarity = VideosByTexts::new(similarity.view());
        let report = clock.time(|| graded::evaluate(similarity, &relevance, &OPTIONS)).unwrap();
        report.ndcg_avg() + report.map_avg().unwrap_or_default()
    })
}

fn main() {
    peer::main(&[("trec_eval", graded), ("ranx", graded), ("torchmetrics", graded)]);
}
