/// Norms below this count as this: what is zero stays zero.
pub(super) const NORM_EPS: f64 = 1e-12;

/// Brings a vector to unit length: `x / max(‖x‖, 1e-12)`.
pub(super) fn normalise(vector: &mut [f32]) {
    let norm = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt().max(NORM_EPS);
    vector.iter_mut().for_each(|value| *value = (f64::from(*value) / norm) as f32);
}
