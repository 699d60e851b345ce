//! Items to train on: videos brought to one number of frames.

use rand::Rng;
use rand::seq::index;

use crate::matrix::{Matrix, MatrixView};

/// Why a training item cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// A video has no frames, and would have no embedding.
    #[error("a video has no frames")]
    NoFrames,
    /// A window ends behind the last frame.
    #[error("a window of {length} frames from {start}: the video has {frames}")]
    Window {
        /// First frame.
        start: usize,
        /// Frames wanted.
        length: usize,
        /// Frames there are.
        frames: usize,
    },
    /// There are not as many sampled frames as wanted.
    #[error("{found} sampled frames, expected {expected}")]
    Sampled {
        /// Frames wanted.
        expected: usize,
        /// Indices given.
        found: usize,
    },
    /// A sampled frame does not exist.
    #[error("frame {index} sampled: the video has {frames}")]
    Frame {
        /// The index given.
        index: usize,
        /// Frames there are.
        frames: usize,
    },
    /// Videos of one item have features of different widths.
    #[error("features of width {found}, expected {expected}")]
    Width {
        /// Width of the anchor.
        expected: usize,
        /// Width of another video.
        found: usize,
    },
    /// More negatives are wanted than there are.
    #[error("{wanted} negatives wanted without repetition, there are {there}")]
    Negatives {
        /// How many are wanted.
        wanted: usize,
        /// How many there are.
        there: usize,
    },
}

/// Which frames of a video that is too long are taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crop {
    /// First frame of the window.
    pub start: usize,
    /// Frames to take instead of the window, in this order, where `start` is not 0: so published.
    pub sampled: Option<Vec<usize>>,
}

impl Crop {
    /// Draws the crop of a video of so many frames to `length` of them, as published.
    ///
    /// The start is uniform in `[0, frames − length)`, so that the last window is never drawn. With `random_sampling`, and unless the start is
    /// 0, `length` frames are drawn with replacement, and not sorted. A video that is not too long draws nothing.
    pub fn draw(frames: usize, length: usize, random_sampling: bool, rng: &mut impl Rng) -> Self {
        if frames <= length {
            return Self::default();
        }
        let start = rng.random_range(0..frames - length);
        let sampled = || (0..length).map(|_| rng.random_range(0..frames)).collect();
        Self { start, sampled: (random_sampling && start > 0).then(sampled) }
    }
}

/// Brings a video to `length` frames: zeros behind the last frame of a shorter one; of a longer one the window from [`Crop::start`], or the sampled
/// frames. The crop of a video that is not too long does not matter.
///
/// # Shapes
/// `frames`: n x C; result: `length` x C.
///
/// # Errors
/// [`ItemError`]: no frames, a crop beyond the last one.
pub fn resize_axis(frames: MatrixView<'_, f32>, length: usize, crop: &Crop) -> Result<Matrix<f32>, ItemError> {
    let picked = pick(frames.rows(), length, crop)?;
    let value = |row: usize, column: usize| picked.get(row).map_or(0.0, |&frame| frames.row(frame)[column]);
    Ok(Matrix::from_fn(length, frames.cols(), value))
}

/// The frames that stand in the first rows of the result; zeros follow.
fn pick(frames: usize, length: usize, crop: &Crop) -> Result<Vec<usize>, ItemError> {
    if frames == 0 {
        return Err(ItemError::NoFrames);
    }
    if frames <= length {
        return Ok((0..frames).collect());
    }
    let start = crop.start;
    match &crop.sampled {
        Some(sampled) if start > 0 => {
            if sampled.len() != length {
                return Err(ItemError::Sampled { expected: length, found: sampled.len() });
            }
            match sampled.iter().find(|index| **index >= frames) {
                Some(&index) => Err(ItemError::Frame { index, frames }),
                None => Ok(sampled.clone()),
            }
        }
        _ if start > frames - length => Err(ItemError::Window { start, length, frames }),
        _ => Ok((start..start + length).collect()),
    }
}

/// Videos as encoders take them: one after the other, each brought to the same number of frames.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipBatch {
    /// `(B, T, C)`, zeros behind the last frame of a video. (The published program has `(B, C, T)`.)
    pub frames: Vec<f32>,
    /// The number of frames that each video has, which may be more than T.
    pub lengths: Vec<usize>,
    steps: usize,
    width: usize,
}

impl ClipBatch {
    /// No video yet: each will have `steps` frames of `width` values.
    pub fn new(steps: usize, width: usize) -> Self {
        Self { frames: vec![], lengths: vec![], steps, width }
    }

    /// Brings a video to the number of frames, as [`resize_axis`] does, and adds it.
    ///
    /// # Shapes
    /// `frames`: n x C.
    ///
    /// # Errors
    /// As [`resize_axis`], and [`ItemError::Width`].
    pub fn push(&mut self, frames: MatrixView<'_, f32>, crop: &Crop) -> Result<(), ItemError> {
        if frames.cols() != self.width {
            return Err(ItemError::Width { expected: self.width, found: frames.cols() });
        }
        for frame in pick(frames.rows(), self.steps, crop)? {
            self.frames.extend_from_slice(frames.row(frame));
        }
        self.lengths.push(frames.rows());
        self.frames.resize(self.lengths.len() * self.steps * self.width, 0.0);
        Ok(())
    }
}

/// Draws so many of the negatives, uniformly and without replacement, in random order. A video that the list has twice may be drawn twice, as
/// published.
///
/// # Errors
/// [`ItemError::Negatives`] where there are not as many.
pub fn draw_negatives(negatives: &[u32], wanted: usize, rng: &mut impl Rng) -> Result<Vec<u32>, ItemError> {
    let there = negatives.len();
    if wanted > there {
        return Err(ItemError::Negatives { wanted, there });
    }
    Ok(index::sample(rng, there, wanted).into_iter().map(|at| negatives[at]).collect())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn video(frames: usize) -> Matrix<f32> {
        Matrix::from_fn(frames, 2, |frame, column| (10 * frame + column) as f32)
    }

    #[test]
    fn crops_are_drawn_as_published() {
        let mut draws = ChaCha8Rng::seed_from_u64(1);
        assert_eq!(Crop::draw(9, 9, true, &mut draws), Crop::default());
        let crops: Vec<Crop> = (0..400).map(|_| Crop::draw(5, 3, true, &mut draws)).collect();
        assert!(crops.iter().all(|crop| crop.start < 2 && crop.sampled.is_some() == (crop.start > 0)));
        assert!(crops.iter().flat_map(|crop| &crop.sampled).all(|sampled| sampled.iter().all(|frame| *frame < 5)));
        assert!(Crop::draw(100, 3, false, &mut draws).sampled.is_none());
        let again = |seed| Crop::draw(1000, 30, true, &mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!(again(5), again(5));
        assert_ne!(again(5), again(6));
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let resize = |frames: usize, crop: Crop| resize_axis(video(frames).view(), 3, &crop).unwrap_err();
        let sampled = |indices: &[usize]| Crop { start: 1, sampled: Some(indices.to_vec()) };
        assert_eq!(resize(0, Crop::default()), ItemError::NoFrames);
        let late = Crop { start: 3, sampled: None };
        assert_eq!(resize(5, late), ItemError::Window { start: 3, length: 3, frames: 5 });
        assert_eq!(resize(5, sampled(&[0, 1])), ItemError::Sampled { expected: 3, found: 2 });
        assert_eq!(resize(5, sampled(&[0, 5, 1])), ItemError::Frame { index: 5, frames: 5 });
        let narrow = Matrix::new(vec![0.0_f32], 1, 1).unwrap();
        let mut clips = ClipBatch::new(3, 2);
        clips.push(video(2).view(), &Crop::default()).unwrap();
        let before = clips.clone();
        let error = clips.push(narrow.view(), &Crop::default()).unwrap_err();
        assert_eq!(error, ItemError::Width { expected: 2, found: 1 });
        assert_eq!(clips, before);
    }

    #[test]
    fn negatives_are_drawn_without_replacement() {
        let mut draws = ChaCha8Rng::seed_from_u64(2);
        let mut drawn = draw_negatives(&[3, 5, 8, 9], 4, &mut draws).unwrap();
        drawn.sort_unstable();
        assert_eq!(drawn, [3, 5, 8, 9]);
        let error = draw_negatives(&[3], 2, &mut draws).unwrap_err();
        assert_eq!(error, ItemError::Negatives { wanted: 2, there: 1 });
    }
}
