use crate::ops::{self, OpError, OpsDevice};
use dfdx::prelude::{Dim, Tensor};

/// Which video has which expert: audio may have no sound, a scene no face.
///
/// Every video has at least one, also where a design would not divide by their number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    experts: usize,
    flags: Vec<bool>,
}

/// Why availabilities were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AvailabilityError {
    /// A video has no expert at all: its similarity to any text would be 0 / 0.
    #[error("video {video} of the batch has none of its {experts} experts")]
    NoExpert {
        /// Its number in the batch.
        video: usize,
        /// Number of experts.
        experts: usize,
    },
    /// The lists are not all of one length.
    #[error("availability of expert {expert}: {got} videos, expected {expected}")]
    Videos {
        /// The expert's number.
        expert: usize,
        /// Length of its list.
        got: usize,
        /// Length of the first list.
        expected: usize,
    },
}

impl Availability {
    /// One list for each expert, each with one flag for every video.
    ///
    /// # Errors
    /// [`AvailabilityError`] for lists of different lengths and for a video without any expert.
    pub fn new(by_expert: &[Vec<bool>]) -> Result<Self, AvailabilityError> {
        let (experts, videos) = (by_expert.len(), by_expert.first().map_or(0, Vec::len));
        for (expert, list) in by_expert.iter().enumerate() {
            if list.len() != videos {
                return Err(AvailabilityError::Videos { expert, got: list.len(), expected: videos });
            }
        }
        let flags: Vec<bool> = (0..videos).flat_map(|video| by_expert.iter().map(move |list| list[video])).collect();
        match flags.chunks(experts.max(1)).position(|of_video| !of_video.contains(&true)) {
            Some(video) => Err(AvailabilityError::NoExpert { video, experts }),
            None => Ok(Self { experts, flags }),
        }
    }

    /// Number of experts, M.
    pub fn experts(&self) -> usize {
        self.experts
    }

    /// Number of videos.
    pub fn videos(&self) -> usize {
        self.flags.len() / self.experts.max(1)
    }

    /// Whether a video has an expert; no video has one that is not there.
    pub fn has(&self, video: usize, expert: usize) -> bool {
        expert < self.experts && self.flags.get(video * self.experts + expert) == Some(&true)
    }

    /// Ones and zeros, `(videos, M)`.
    ///
    /// # Errors
    /// [`OpError::Device`], and [`OpError::Shape`] when `videos` is another number.
    pub fn tensor<B: Dim, D: OpsDevice>(&self, device: &D, videos: B) -> Result<Tensor<(B, usize), f32, D>, OpError> {
        ops::check_size("availability", "videos", videos.size(), self.videos())?;
        ops::to_tensor(device, self.flags.iter().map(|has| f32::from(*has)).collect(), (videos, self.experts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_video_without_experts_is_named() {
        let lists = [vec![true, false, true], vec![true, false, false]];
        let error = Availability::new(&lists).unwrap_err();
        assert_eq!(error.to_string(), "video 1 of the batch has none of its 2 experts");
        let ok = Availability::new(&[vec![true, false], vec![false, true]]).unwrap();
        assert!(ok.has(0, 0) && !ok.has(0, 1) && ok.has(1, 1));
        assert!(Availability::new(&[vec![true], vec![]]).is_err());
    }
}
