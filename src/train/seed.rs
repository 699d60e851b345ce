use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a stream of random numbers is for. Streams never share numbers, so adding a draw to one leaves the others alone.
///
/// Every purpose has a number of its own, which never changes: a run of yesterday draws the same numbers with the purposes of tomorrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Initial weights.
    Weights,
    /// Order of the data.
    Order,
    /// Drawing of triplets.
    Triplets,
    /// Repair of missing classes at load time.
    Classes,
    /// Drawing of captions, and noise in the place of features.
    Captions,
    /// What a training step draws: dropout.
    Step,
    /// Vectors of words that a model of word vectors does not have.
    Words,
    /// Windows of videos that are too long, and the negatives of pairs.
    Pairs,
    /// One of your own, by a number of your own.
    Own(u32),
}

impl Purpose {
    fn number(self) -> u64 {
        match self {
            Self::Weights => 0,
            Self::Order => 1,
            Self::Triplets => 2,
            Self::Classes => 3,
            Self::Captions => 4,
            Self::Step => 5,
            Self::Words => 6,
            Self::Pairs => 7,
            Self::Own(number) => (1 << 32) + u64::from(number),
        }
    }
}

/// A generator that is a pure function of seed, purpose and epoch (and a part within them): what is drawn in an epoch does
/// not depend on what was drawn before, so that a resumed run repeats an uninterrupted one.
pub fn rng(seed: u64, purpose: Purpose, epoch: usize, part: usize) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&purpose.number().to_le_bytes());
    key[16..24].copy_from_slice(&(epoch as u64).to_le_bytes());
    key[24..].copy_from_slice(&(part as u64).to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    const STREAMS: [u64; 5] = [
        13_218_332_029_798_677_105,
        1_652_221_403_967_387_684,
        2_717_966_040_190_128_260,
        10_740_351_444_531_382_768,
        5_313_788_374_502_509_075,
    ];

    /// A stream is for good: these are the first numbers of runs that are already trained.
    #[test]
    fn streams_stay_what_they_are() {
        let purposes = [Purpose::Weights, Purpose::Order, Purpose::Triplets, Purpose::Classes, Purpose::Captions];
        let draws = purposes.map(|purpose| rng(7, purpose, 1, 2).random::<u64>());
        assert_eq!(draws, STREAMS);
    }

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |p, e, part| rng(7, p, e, part).random::<u64>();
        assert_eq!(draw(Purpose::Order, 1, 2), draw(Purpose::Order, 1, 2));
        assert_ne!(draw(Purpose::Order, 1, 2), draw(Purpose::Triplets, 1, 2));
        assert_ne!(draw(Purpose::Order, 1, 2), draw(Purpose::Order, 2, 2));
        assert_ne!(draw(Purpose::Order, 1, 2), draw(Purpose::Order, 1, 3));
    }
}
