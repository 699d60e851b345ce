//! Numbers that the programs of `benches/peers` can draw too, so that both sides do the same work.

/// Value `i` of stream `seed`, uniform in [-0.5, 0.5): a hash of both.
pub fn value(seed: u32, i: u32) -> f32 {
    let x = i.wrapping_mul(0x9e37_79b1).wrapping_add(seed.wrapping_mul(0x85eb_ca77));
    let x = (x ^ (x >> 16)).wrapping_mul(0x21f0_aaad);
    let x = (x ^ (x >> 15)).wrapping_mul(0x735a_2d97);
    let x = x ^ (x >> 15);
    (x >> 8) as f32 / (1 << 24) as f32 - 0.5
}

/// The first `n` values of a stream, scaled.
pub fn values(seed: u32, n: usize, scale: f32) -> Vec<f32> {
    (0..n as u32).map(|i| value(seed, i) * scale).collect()
}
