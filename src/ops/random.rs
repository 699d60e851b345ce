use super::vectorise::vectorise;

/// Which values dropout keeps, from a counter: value i of a call is kept or not by a function of seed, offset and i alone, so the choice
/// does not depend on threads and is the same again in the backward pass.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep {
    threshold: u32,
    scale: f32,
    key: u32,
    tweak: u32,
    offset: u64,
}

impl Keep {
    /// `probability` of dropping, in `[0, 1)`; `offset`: number of the first value.
    pub(crate) fn new(probability: f32, seed: u64, offset: u64) -> Self {
        let threshold = (f64::from(probability) * f64::from(u32::MAX)) as u32;
        let mixed = splitmix(seed);
        Self { threshold, scale: 1.0 / (1.0 - probability), key: mixed as u32, tweak: (mixed >> 32) as u32, offset }
    }

    /// Multiplies values that stay by `1 / (1 − probability)` and makes the others 0.
    pub(crate) fn apply(self, values: &mut [f32]) {
        apply(values, self);
    }
}

vectorise! {
    fn apply(values: &mut [f32], keep: Keep) {
        for (i, value) in values.iter_mut().enumerate() {
            let number = keep.offset + i as u64;
            let bits = mix(mix(number as u32 ^ keep.key).wrapping_add((number >> 32) as u32 ^ keep.tweak));
            *value = if bits >= keep.threshold { *value * keep.scale } else { 0.0 };
        }
    }
}

/// Spreads a seed over 64 bits (Steele, Lea & Flood 2014).
fn splitmix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The finaliser of MurmurHash3: every bit of the argument moves every bit of the result.
#[inline(always)]
fn mix(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    let x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}
