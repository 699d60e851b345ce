use std::sync::Arc;

use super::TcaError;
use super::options::Options;
use crate::data::near_duplicate::vcdb::Vcdb;
use crate::data::near_duplicate::{ClipBatch, Crop, FrameFeatures, VideoIds, draw_negatives};
use crate::train::distributed::DistributedSampler;
use crate::train::{Batches, Purpose, rng};

/// Pairs of copies, and the videos that negatives are drawn from, by their numbers among `ids`.
#[derive(Debug, Clone, Default)]
pub struct TrainingPairs {
    /// Ids of the videos.
    pub ids: VideoIds,
    /// Anchor and positive.
    pub pairs: Vec<[u32; 2]>,
    /// Copies of nothing.
    pub negatives: Vec<u32>,
}

impl From<&Vcdb> for TrainingPairs {
    fn from(vcdb: &Vcdb) -> Self {
        let pairs = vcdb.pairs.iter().map(|pair| pair.videos).collect();
        Self { ids: vcdb.set.ids.clone(), pairs, negatives: vcdb.negatives.clone() }
    }
}

impl TrainingPairs {
    /// That every video has features.
    ///
    /// # Errors
    /// [`TcaError::NoFeatures`], which counts those that do not.
    pub fn check(&self, features: &FrameFeatures) -> Result<(), TcaError> {
        let videos = self.pairs.iter().flatten().chain(&self.negatives);
        let mut videos: Vec<u32> = videos.copied().collect();
        videos.sort_unstable();
        videos.dedup();
        let missing = |video: &&u32| !features.has(&self.ids, **video);
        let mut without = videos.iter().filter(missing);
        let Some(first) = without.next() else { return Ok(()) };
        let first = self.ids.id(*first).unwrap_or_default().into();
        Err(TcaError::NoFeatures { missing: 1 + without.count(), expected: videos.len(), first })
    }
}

/// One batch of pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct PairBatch {
    /// `B` videos.
    pub anchors: ClipBatch,
    /// `B` videos.
    pub positives: ClipBatch,
    /// `B · M` videos, those of one pair after those of the other.
    pub negatives: ClipBatch,
}

/// The batches of an epoch. The order of the pairs is that of PyTorch's distributed sampler, of one process and reseeded by the number of the
/// epoch; windows, and the negatives of every pair, are a pure function of seed, epoch and place in that order. An incomplete last batch is
/// dropped, as published.
#[derive(Debug, Clone)]
pub struct PairBatches<'a> {
    data: &'a TrainingPairs,
    features: &'a FrameFeatures,
    options: Arc<Options>,
    order: Arc<[usize]>,
    seed: u64,
    epoch: usize,
}

impl<'a> PairBatches<'a> {
    /// Those of an epoch, which counts from 0 (the published sampler's from 1).
    ///
    /// # Errors
    /// [`TcaError::Order`] for more pairs than the published order is known for.
    pub fn new(
        data: &'a TrainingPairs,
        features: &'a FrameFeatures,
        options: Arc<Options>,
        seed: u64,
        epoch: usize,
    ) -> Result<Self, TcaError> {
        let order = DistributedSampler::new(data.pairs.len(), 1, 0, 0)?.indices(epoch as u64 + 1);
        Ok(Self { data, features, options, order: order.into(), seed, epoch })
    }

    fn clips(&self, videos: &[u32], draws: &mut impl rand::Rng) -> Result<ClipBatch, TcaError> {
        let Options { padding_size, random_sampling, .. } = *self.options;
        let mut clips = ClipBatch::new(padding_size, self.features.width());
        for video in videos {
            let frames = self.features.frames(self.data.ids.id(*video).unwrap_or_default())?;
            let crop = Crop::draw(frames.rows(), padding_size, random_sampling, draws);
            clips.push(frames.view(), &crop)?;
        }
        Ok(clips)
    }
}

impl Batches for PairBatches<'_> {
    type Batch = PairBatch;
    type Error = TcaError;

    fn count(&self) -> usize {
        self.order.len() / self.options.batch_sz
    }

    fn batch(&self, number: usize) -> Result<PairBatch, TcaError> {
        let size = self.options.batch_sz;
        let pairs: Vec<[u32; 2]> =
            self.order[number * size..][..size].iter().map(|pair| self.data.pairs[*pair]).collect();
        let draws = &mut rng(self.seed, Purpose::Pairs, self.epoch, number);
        let mut negatives = Vec::with_capacity(size * self.options.neg_num);
        for _ in &pairs {
            negatives.extend(draw_negatives(&self.data.negatives, self.options.neg_num, draws)?);
        }
        let of_pair = |at: usize| pairs.iter().map(|pair| pair[at]).collect::<Vec<_>>();
        Ok(PairBatch {
            anchors: self.clips(&of_pair(0), draws)?,
            positives: self.clips(&of_pair(1), draws)?,
            negatives: self.clips(&negatives, draws)?,
        })
    }
}
