/// Words of state.
const WORDS: usize = 624;

/// Distance of the words that a twist combines.
const SHIFT: usize = 397;

/// The Mersenne Twister (Matsumoto & Nishimura, *Mersenne Twister: A 623-Dimensionally Equidistributed Uniform Pseudo-Random Number Generator*,
/// TOMACS 1998): PyTorch's generator on the CPU. For what published programs drew; everything else here draws from [`rng`](crate::train::rng).
#[derive(Debug, Clone)]
pub struct Mt19937 {
    state: [u32; WORDS],
    next: usize,
}

impl Mt19937 {
    /// That of `torch.Generator().manual_seed(seed)`, which takes the low 32 bits of a seed.
    pub fn new(seed: u64) -> Self {
        let mut state = [0_u32; WORDS];
        let mut last = (seed & u64::from(u32::MAX)) as u32;
        state[0] = last;
        for (word, at) in state.iter_mut().zip(0_u32..).skip(1) {
            last = 1_812_433_253_u32.wrapping_mul(last ^ (last >> 30)).wrapping_add(at);
            *word = last;
        }
        Self { state, next: WORDS }
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.next == WORDS {
            self.twist();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn twist(&mut self) {
        for at in 0..WORDS {
            let joined = (self.state[at] & 0x8000_0000) | (self.state[(at + 1) % WORDS] & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[at] = self.state[(at + SHIFT) % WORDS] ^ (joined >> 1) ^ odd;
        }
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_generator_of_the_authors() {
        // The C++ standard ([rand.predef]): the 10000th number of the default seed.
        let mut draws = Mt19937::new(5489);
        assert_eq!((0..10_000).map(|_| draws.next_u32()).last(), Some(4_123_659_995));
        assert_eq!(Mt19937::new(5489 + (7 << 32)).next_u32(), Mt19937::new(5489).next_u32());
    }
}
