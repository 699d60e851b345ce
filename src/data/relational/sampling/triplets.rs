use rand::Rng;

use super::classes::{ClassKey, ClassTable, SamplingError};

/// Positives and negatives of every anchor: `per_anchor` of each, in the order of the anchors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Triplets {
    per_anchor: usize,
    positives: Vec<u32>,
    negatives: Vec<u32>,
}

impl Triplets {
    /// Triplets of each anchor.
    pub fn per_anchor(&self) -> usize {
        self.per_anchor
    }

    /// Positive items of an anchor.
    pub fn positives(&self, anchor: usize) -> &[u32] {
        &self.positives[anchor * self.per_anchor..][..self.per_anchor]
    }

    /// Negative items of an anchor.
    pub fn negatives(&self, anchor: usize) -> &[u32] {
        &self.negatives[anchor * self.per_anchor..][..self.per_anchor]
    }
}

/// The exact probability of every item as positive and as negative of one anchor.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Sums to 1.
    pub positive: Vec<f64>,
    /// Sums to 1.
    pub negative: Vec<f64>,
}

/// Draws triplets as the published code does.
///
/// Positive: a class uniform among the anchor's, then an item uniform in it, with replacement. Negative: a class uniform
/// among *all classes* of the other modality that the anchor does not have (over classes, not items), then an item uniform
/// in it; an item with several classes may still share one with the anchor. An anchor without class borrows those of
/// another (see [`ClassTable`]), drawn once per anchor, for positives and negatives alike.
#[derive(Debug, Clone)]
pub struct TripletSampler<'a> {
    anchors: &'a ClassTable,
    items: &'a ClassTable,
    /// Classes of every anchor as numbers in `items`.
    classes: Vec<Vec<u32>>,
}

impl<'a> TripletSampler<'a> {
    /// Anchors of one modality, items of another (or the same).
    ///
    /// # Errors
    /// [`SamplingError`], naming the first anchor that has no positive, no negative or nobody to borrow from.
    pub fn new(anchors: &'a ClassTable, items: &'a ClassTable) -> Result<Self, SamplingError> {
        let find = |anchor: usize, class: &ClassKey| {
            items.id(class).ok_or_else(|| SamplingError::NoPositive { anchor, class: class.clone() })
        };
        let mut classes = Vec::with_capacity(anchors.len());
        for anchor in 0..anchors.len() {
            let mut own = vec![];
            if !anchors.is_unclassified(anchor) {
                own = anchors.classes_of(anchor).iter().map(|c| find(anchor, c)).collect::<Result<Vec<_>, _>>()?;
                let mut distinct = own.clone();
                distinct.sort_unstable();
                distinct.dedup();
                if distinct.len() == items.num_classes() {
                    return Err(SamplingError::NoNegative { anchor });
                }
            }
            classes.push(own);
        }
        let sampler = Self { anchors, items, classes };
        for anchor in 0..anchors.len() {
            if sampler.classes[anchor].is_empty() && sampler.classes.iter().all(Vec::is_empty) {
                return Err(SamplingError::NoClasses { anchor });
            }
        }
        Ok(sampler)
    }

    /// Draws `per_anchor` triplets for every anchor.
    pub fn sample(&self, per_anchor: usize, rng: &mut impl Rng) -> Triplets {
        let mut triplets = Triplets { per_anchor, ..Triplets::default() };
        for anchor in 0..self.anchors.len() {
            let mut classes = &self.classes[anchor];
            if classes.is_empty() {
                let donors = self.anchors.donors(anchor);
                classes = &self.classes[donors[rng.random_range(0..donors.len())] as usize];
            }
            for _ in 0..per_anchor {
                let class = classes[rng.random_range(0..classes.len())];
                triplets.positives.push(draw(self.items.items_of(class), rng));
            }
            for _ in 0..per_anchor {
                // Rejection leaves the classes that the anchor does not have equally likely; one exists (see `new`).
                let class = loop {
                    let class = rng.random_range(0..self.items.num_classes() as u32);
                    if !classes.contains(&class) {
                        break class;
                    }
                };
                triplets.negatives.push(draw(self.items.items_of(class), rng));
            }
        }
        triplets
    }

    /// What [`TripletSampler::sample`] draws from, for one anchor.
    pub fn distribution(&self, anchor: usize) -> Distribution {
        let donors = if self.classes[anchor].is_empty() { self.anchors.donors(anchor) } else { vec![anchor as u32] };
        let zero = vec![0.0; self.items.len()];
        let mut distribution = Distribution { positive: zero.clone(), negative: zero };
        let all = self.items.num_classes() as u32;
        for donor in &donors {
            let own = &self.classes[*donor as usize];
            let others: Vec<u32> = (0..all).filter(|class| !own.contains(class)).collect();
            let mut spread = |out: fn(&mut Distribution) -> &mut Vec<f64>, classes: &[u32]| {
                for class in classes {
                    let items = self.items.items_of(*class);
                    let share = 1.0 / (donors.len() * classes.len() * items.len()) as f64;
                    items.iter().for_each(|item| out(&mut distribution)[*item as usize] += share);
                }
            };
            spread(|d| &mut d.positive, own);
            spread(|d| &mut d.negative, &others);
        }
        distribution
    }
}

fn draw(items: &[u32], rng: &mut impl Rng) -> u32 {
    items[rng.random_range(0..items.len())]
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn ids(classes: &[&[i64]]) -> ClassTable {
        ClassTable::from_items(classes.iter().map(|c| c.iter().map(|id| ClassKey::Id(*id)).collect()).collect())
    }

    #[test]
    fn frequencies_follow_the_distribution() {
        let anchors = ids(&[&[1], &[0, 2], &[], &[-1]]);
        let items = ids(&[&[0], &[1, 2], &[2], &[2, 3], &[1]]);
        let sampler = TripletSampler::new(&anchors, &items).unwrap();
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let (draws, n) = (4000, 5.0);
        let mut counts = vec![[[0.0; 5]; 2]; 4];
        for _ in 0..draws {
            let triplets = sampler.sample(5, &mut rng);
            for (anchor, counts) in counts.iter_mut().enumerate() {
                triplets.positives(anchor).iter().for_each(|i| counts[0][*i as usize] += 1.0 / (draws as f64 * n));
                triplets.negatives(anchor).iter().for_each(|i| counts[1][*i as usize] += 1.0 / (draws as f64 * n));
            }
        }
        for (anchor, counts) in counts.iter().enumerate() {
            let want = sampler.distribution(anchor);
            for (got, want) in [(&counts[0], &want.positive), (&counts[1], &want.negative)] {
                assert!((want.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                for (g, w) in got.iter().zip(want) {
                    assert!((g - w).abs() < 0.02, "anchor {anchor}: {got:?} instead of {want:?}");
                }
            }
        }
    }

    #[test]
    fn impossible_anchors_are_named() {
        let error = TripletSampler::new(&ids(&[&[0], &[9]]), &ids(&[&[0], &[1]])).unwrap_err();
        assert_eq!(error, SamplingError::NoPositive { anchor: 1, class: ClassKey::Id(9) });
        let error = TripletSampler::new(&ids(&[&[0, 1]]), &ids(&[&[0], &[1]])).unwrap_err();
        assert_eq!(error, SamplingError::NoNegative { anchor: 0 });
        let error = TripletSampler::new(&ids(&[&[], &[-1]]), &ids(&[&[0], &[1]])).unwrap_err();
        assert_eq!(error, SamplingError::NoClasses { anchor: 0 });
    }
}
