use dfdx::prelude::{Dim, HasShape, NoneTape, Tensor};

use crate::ops::{self, DataTape, LayerTape, OpError, OpsDevice, check_size};

/// Frames of a batch of videos, of one length after padding, and which of them are padding.
///
/// # Shapes
/// Features, frame by frame, `(B, N, E)`; the mask `(B, N)`, 0 at padding.
#[derive(Debug, Clone)]
pub struct Frames<B: Dim, E: Dim, D: OpsDevice, T> {
    frames: Tensor<(B, usize, E), f32, D, T>,
    valid: Option<Tensor<(B, usize), f32, D>>,
}

impl<B: Dim, E: Dim, D: OpsDevice, T> Frames<B, E, D, T> {
    /// Frames of which the mask says what is padding: 0 there, anything else elsewhere.
    ///
    /// # Errors
    /// [`OpError::Shape`] when the mask is of other videos or another length.
    pub fn padded(
        frames: Tensor<(B, usize, E), f32, D, T>,
        valid: Tensor<(B, usize), f32, D>,
    ) -> Result<Self, OpError> {
        let ((batch, steps, _), (videos, length)) = (*frames.shape(), *valid.shape());
        check_size("frames", "videos of the mask", batch.size(), videos.size())?;
        check_size("frames", "steps of the mask", steps, length)?;
        Ok(Self { frames, valid: Some(valid) })
    }

    /// Videos of so many frames each, padded behind the last. A length beyond the frames that are there means that all of them count.
    ///
    /// # Errors
    /// [`OpError::Shape`] when the lengths are those of another number of videos.
    pub fn of_lengths(frames: Tensor<(B, usize, E), f32, D, T>, lengths: &[usize]) -> Result<Self, OpError> {
        let (batch, steps, _) = *frames.shape();
        let valid = lengths.iter().flat_map(|length| (0..steps).map(move |step| f32::from(step < *length)));
        check_size("frames", "number of lengths", batch.size(), lengths.len())?;
        let valid = ops::to_tensor(frames.device(), valid.collect(), (batch, steps))?;
        Ok(Self { frames, valid: Some(valid) })
    }

    /// Frames without padding: all of them count.
    pub fn complete(frames: Tensor<(B, usize, E), f32, D, T>) -> Self {
        Self { frames, valid: None }
    }

    /// Videos, frames of each, and width.
    pub fn shape(&self) -> (B, usize, E) {
        *self.frames.shape()
    }

    /// The frames, and which of them are no padding, `(B, N)`: ones where they are complete.
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    #[allow(clippy::type_complexity)]
    pub fn into_masked(self) -> Result<(Tensor<(B, usize, E), f32, D, T>, Tensor<(B, usize), f32, D>), OpError> {
        let (batch, steps, _) = self.shape();
        let mask = match self.valid {
            Some(valid) => valid,
            None => ops::to_tensor(self.frames.device(), vec![1.0; batch.size() * steps], (batch, steps))?,
        };
        Ok((self.frames, mask))
    }

    /// The frames without their mask, for what takes padding for frames.
    pub fn into_unmasked(self) -> Tensor<(B, usize, E), f32, D, T> {
        self.frames
    }
}

impl<B: Dim, E: Dim, D: OpsDevice> Frames<B, E, D, NoneTape> {
    /// The same as the [`data`](ops::data) of a differentiable computation.
    pub fn into_data(self) -> Frames<B, E, D, DataTape> {
        Frames { frames: ops::data(self.frames), valid: self.valid }
    }
}

impl<B: Dim, E: Dim, D: OpsDevice, T: LayerTape<D>> Frames<B, E, D, T> {
    /// The same of a width that a type may know.
    ///
    /// # Errors
    /// [`OpError::Shape`] when it is another one.
    pub fn with_width<W: Dim>(self, width: W) -> Result<Frames<B, W, D, T>, OpError> {
        let (batch, steps, got) = self.shape();
        check_size("expert", "width of the features", width.size(), got.size())?;
        Ok(Frames { frames: ops::reshape(self.frames, (batch, steps, width))?, valid: self.valid })
    }
}

/// The features of one expert as one vector per video.
///
/// # Shapes
/// `(B, pooled width)`.
#[derive(Debug)]
pub enum Pooled<B: Dim, D: OpsDevice, T: LayerTape<D>> {
    /// Still the features themselves.
    Data(Tensor<(B, usize), f32, D, T>),
    /// Computed by layers.
    Computed(Tensor<(B, usize), f32, D, T::Output>),
}

impl<B: Dim, D: OpsDevice, T: LayerTape<D>> Pooled<B, D, T> {
    /// Batch and width.
    pub fn shape(&self) -> (B, usize) {
        match self {
            Self::Data(x) => *x.shape(),
            Self::Computed(x) => *x.shape(),
        }
    }
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::{Cpu, ZerosTensor};

    use super::*;

    #[test]
    fn a_mask_of_another_batch_is_refused() {
        let device = Cpu::default();
        let frames = || -> Tensor<(usize, usize, usize), f32, Cpu> { device.zeros_like(&(2, 3, 1)) };
        let error =
            |shape: (usize, usize)| Frames::padded(frames(), device.zeros_like(&shape)).unwrap_err().to_string();
        assert_eq!(error((1, 3)), "frames: videos of the mask is 1, expected 2");
        assert_eq!(error((2, 2)), "frames: steps of the mask is 2, expected 3");
        let (_, mask) = Frames::complete(frames()).into_masked().unwrap();
        assert_eq!(mask.as_vec(), [1.0; 6]);
    }
}
