use std::fmt;

/// Mean and sample standard deviation of a number over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanStd {
    /// Mean.
    pub mean: f64,
    /// Standard deviation with `n − 1` in the denominator; 0 for a single value.
    pub std: f64,
}

impl MeanStd {
    /// Of some values; `None` without any.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Some(Self { mean, std: if n > 1.0 { (squares / (n - 1.0)).sqrt() } else { 0.0 } })
    }
}

impl fmt::Display for MeanStd {
    /// In percent with one decimal: `53.4 ± 0.2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ± {:.1}", 100.0 * self.mean, 100.0 * self.std)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_sample_standard_deviation() {
        assert_eq!(MeanStd::of(&[0.1, 0.2, 0.3]).unwrap().to_string(), "20.0 ± 10.0");
        assert_eq!(MeanStd::of(&[0.5]).unwrap(), MeanStd { mean: 0.5, std: 0.0 });
        assert_eq!(MeanStd::of(&[]), None);
    }
}
