use std::sync::Arc;

use rand::seq::SliceRandom;

use super::RelMarginError;
use super::options::Options;
use super::terms::{Modality, Pair, Term};
use crate::data::relational::sampling::{TripletSampler, Triplets, anchor_slice, num_batches};
use crate::data::relational::{LEVELS, Relations};
use crate::relevance::{EmptyUnion, Level, margin};
use crate::train::{Epochs, Purpose, rng};

/// The batches of one epoch at one level: a pure function of options, seed and epoch.
#[derive(Debug, Clone)]
pub struct EpochSampler {
    level: Level,
    seed: u64,
    pairs: Vec<(Pair, f32)>,
    batch_size: usize,
    fixed_margin: Option<f32>,
    num_triplets: usize,
    drawn: Epochs,
    order: [Vec<u32>; 2],
    triplets: Arc<[Triplets]>,
    sampled_at: Option<usize>,
}

fn side<T>(modality: Modality, of: [T; 2]) -> T {
    let [video, text] = of;
    if modality == Modality::Video { video } else { text }
}

impl EpochSampler {
    /// Nothing drawn yet.
    pub fn new(options: &Options, level: Level, seed: u64) -> Self {
        Self {
            level,
            seed,
            pairs: options.active_pairs().collect(),
            batch_size: options.batch_size,
            fixed_margin: (!options.rel_margin).then_some(options.margin),
            num_triplets: options.num_triplets,
            drawn: Epochs::Rate(options.triplet_sampling_rate),
            order: [vec![], vec![]],
            triplets: [].into(),
            sampled_at: None,
        }
    }

    /// The level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Draws the order of an epoch, and its triplets if the epoch of the last draw is not the one it should be.
    ///
    /// # Errors
    /// [`RelMarginError::Sampling`].
    pub fn begin_epoch(&mut self, relations: &Relations, epoch: usize) -> Result<(), RelMarginError> {
        let part = LEVELS.iter().position(|level| *level == self.level).unwrap_or(0);
        let tables = [&relations.video, &relations.text];
        let mut shuffle = rng(self.seed, Purpose::Order, epoch, part);
        for (order, table) in self.order.iter_mut().zip(tables) {
            *order = (0..table.len() as u32).collect();
            order.shuffle(&mut shuffle);
        }
        let draw = (0..=epoch).rev().find(|e| self.drawn.contains(*e)).unwrap_or(0);
        if self.sampled_at != Some(draw) {
            let mut rng = rng(self.seed, Purpose::Triplets, draw, part);
            let mut triplets = vec![];
            for (pair, _) in &self.pairs {
                let (anchors, items) = (side(pair.anchor, tables), side(pair.other, tables));
                let sampler = TripletSampler::new(anchors, items).map_err(|source| RelMarginError::Sampling {
                    level: self.level,
                    pair: *pair,
                    source,
                })?;
                triplets.push(sampler.sample(self.num_triplets, &mut rng));
            }
            (self.triplets, self.sampled_at) = (triplets.into(), Some(draw));
        }
        Ok(())
    }

    /// Number of batches: enough for the longest modality that anchors an active pair.
    pub fn num_batches(&self) -> usize {
        let [video, text] = &self.order;
        num_batches(self.batch_size, self.pairs.iter().map(|(pair, _)| side(pair.anchor, [video, text]).len()))
    }

    /// The terms of a batch, one per active pair. Pairs with the same anchor modality share their anchors. A term may be
    /// empty (see [`anchor_slice`]).
    pub fn terms(&self, relations: &Relations, batch: usize) -> Vec<Term> {
        let [video, text] = &self.order;
        let terms = self.pairs.iter().zip(&*self.triplets).map(|((pair, weight), triplets)| {
            let order = side(pair.anchor, [video, text]);
            let slice = anchor_slice(self.batch_size, order.len(), batch);
            let chosen = order.get(slice).unwrap_or_default();
            let rows = |of: &dyn Fn(usize) -> Vec<u32>| chosen.iter().flat_map(|a| of(*a as usize)).collect::<Vec<_>>();
            let anchors = rows(&|a| vec![a as u32; triplets.per_anchor()]);
            let positives = rows(&|a| triplets.positives(a).to_vec());
            let negatives = rows(&|a| triplets.negatives(a).to_vec());
            let margins = self.margins(relations, *pair, &anchors, &negatives);
            Term { pair: *pair, weight: *weight, anchors, positives, negatives, margins }
        });
        terms.collect()
    }

    /// The fixed margin, or `1 − relevance(anchor, negative)` of every triplet.
    fn margins(&self, relations: &Relations, pair: Pair, anchors: &[u32], negatives: &[u32]) -> Vec<f32> {
        if let Some(fixed) = self.fixed_margin {
            return vec![fixed; anchors.len()];
        }
        let classes = [&relations.video_classes, &relations.text_classes];
        let (of_anchor, of_negative) = (side(pair.anchor, classes), side(pair.other, classes));
        let margin_of = |(a, n): (&u32, &u32)| {
            margin(&of_anchor[*a as usize], &of_negative[*n as usize], self.level, EmptyUnion::Zero)
        };
        anchors.iter().zip(negatives).map(margin_of).collect()
    }
}
