use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a stream of random numbers is for. Streams never share numbers, so adding a draw to one leaves the others alone.
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
}

/// A generator that is a pure function of seed, purpose and epoch (and a part within them): what is drawn in an epoch does
/// not depend on what was drawn before, so that a resumed run repeats an uninterrupted one.
pub fn rng(seed: u64, purpose: Purpose, epoch: usize, part: usize) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8] = purpose as u8;
    key[16..24].copy_from_slice(&(epoch as u64).to_le_bytes());
    key[24..].copy_from_slice(&(part as u64).to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn streams_differ_and_repeat() {
        let draw = |p, e, part| rng(7, p, e, part).random::<u64>();
        assert_eq!(draw(Purpose::Order, 1, 2), draw(Purpose::Order, 1, 2));
        assert_ne!(draw(Purpose::Order, 1, 2), draw(Purpose::Triplets, 1, 2));
        assert_ne!(draw(Purpose::Order, 1, 2), draw(Purpose::Order, 2, 2));
        assert_ne!(draw(Purpose::Order, 1, 2), draw(Purpose::Order, 1, 3));
    }
}
