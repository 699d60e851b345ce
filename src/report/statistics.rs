use std::fmt;

/// Mean and standard deviation of a number over seeds. Of values with a NaN both are NaN; with an infinite one, as a mean rank may be, the
/// deviation is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanStd {
    /// Mean.
    pub mean: f64,
    /// Standard deviation: that of a sample (`n − 1` in the denominator) by [`MeanStd::of`]; 0 for a single value.
    pub std: f64,
}

impl MeanStd {
    /// Of some values, with the standard deviation of a sample; `None` without any.
    pub fn of(values: &[f64]) -> Option<Self> {
        Self::with_divisor(values, values.len().saturating_sub(1))
    }

    /// Of some values, with `n` in the denominator; `None` without any. So published by Collaborative Experts for the geometric mean of
    /// recalls, and for that number alone.
    pub fn of_population(values: &[f64]) -> Option<Self> {
        Self::with_divisor(values, values.len())
    }

    fn with_divisor(values: &[f64], divisor: usize) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Some(Self { mean, std: (squares / divisor.max(1) as f64).sqrt() })
    }

    /// As it is, with one decimal: for numbers that are percent already, and for ranks.
    pub fn plain(&self) -> String {
        format!("{:.1} ± {:.1}", self.mean, self.std)
    }
}

impl fmt::Display for MeanStd {
    /// In percent with one decimal: `53.4 ± 0.2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Self { mean: 100.0 * self.mean, std: 100.0 * self.std }.plain())
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
        assert_eq!(MeanStd::of(&[10.0, 20.0, 30.0]).unwrap().plain(), "20.0 ± 10.0");
        assert_eq!(MeanStd::of_population(&[10.0, 20.0, 30.0]).unwrap().plain(), "20.0 ± 8.2");
        assert_eq!(MeanStd::of_population(&[0.5]).unwrap().std, 0.0);
        assert_eq!(MeanStd::of(&[1.0, f64::NAN]).unwrap().plain(), "NaN ± NaN");
        assert_eq!(MeanStd::of(&[1.0, f64::INFINITY]).unwrap().plain(), "inf ± NaN");
    }
}
