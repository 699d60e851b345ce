/// Which frames of a video are kept: about one for each second, as the published extractor of ViSiL and TCA does.
///
/// With `n` the frames per second, rounded halves to even, frame `i` (from 0) is kept if it is the first or if `n` divides `i + 1`. Behind the end
/// of the video the last kept frame stands once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameSampling {
    every: usize,
}

impl FrameSampling {
    /// What is taken where a video does not say its frames per second, or says more than can be.
    const USUAL: f64 = 25.0;

    /// The most frames per second that are believed.
    const MOST: f64 = 144.0;

    /// By the frames per second that a video claims to have. None, NaN, what is not positive (the published program fails on these) and more than
    /// 144 count as 25; less than one frame in two seconds keeps every frame.
    pub fn new(frames_per_second: Option<f64>) -> Self {
        let believed = frames_per_second.filter(|fps| *fps > 0.0 && *fps <= Self::MOST);
        Self { every: (believed.unwrap_or(Self::USUAL).round_ties_even() as usize).max(1) }
    }

    /// Whether frame `i` is kept.
    pub fn keeps(&self, i: usize) -> bool {
        i == 0 || (i % self.every) + 1 == self.every
    }

    /// The frames that are kept of so many, the last one twice.
    pub fn indices(&self, frames: usize) -> Vec<usize> {
        let mut kept: Vec<usize> = (0..frames).filter(|i| self.keeps(*i)).collect();
        kept.extend(kept.last().copied());
        kept
    }
}
