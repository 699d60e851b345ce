use super::picture::CHANNELS;
use super::pillow::{self, Filter};
use super::{Picture, PictureError};

/// What values of pixels become: `(value / 255 − mean) / deviation`, colour by colour, in f32.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalisation {
    /// Of red, green and blue.
    pub mean: [f32; 3],
    /// Of red, green and blue.
    pub deviation: [f32; 3],
}

impl Normalisation {
    /// That of torchvision's networks.
    pub const IMAGENET: Self = Self { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

    /// The values of a picture, `(3, height, width)`.
    pub fn apply(&self, picture: &Picture) -> Vec<f32> {
        let pixels = picture.values().as_chunks::<CHANNELS>().0;
        let plane = |c: usize| {
            let (mean, deviation) = (self.mean[c], self.deviation[c]);
            pixels.iter().map(move |pixel| (f32::from(pixel[c]) / 255.0 - mean) / deviation)
        };
        (0..CHANNELS).flat_map(plane).collect()
    }
}

/// What a picture goes through before a network of torchvision's: shorter side, centre, normalisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transform {
    /// Length of the shorter side after resizing.
    pub shorter_side: usize,
    /// How it is resized, as by Pillow.
    pub filter: Filter,
    /// Side of the centre that is kept.
    pub crop: usize,
    /// Of the values.
    pub normalisation: Normalisation,
}

impl Transform {
    /// That of torchvision's ResNets and of the published frame features: 256, bilinear, 224.
    pub const IMAGENET: Self =
        Self { shorter_side: 256, filter: Filter::Bilinear, crop: 224, normalisation: Normalisation::IMAGENET };

    /// The picture that is normalised.
    ///
    /// # Errors
    /// [`PictureError`] where the resized picture has no room, or is smaller than the centre that is to be kept.
    pub fn picture(&self, picture: &Picture) -> Result<Picture, PictureError> {
        pillow::crop_centre(&pillow::resize_shorter_side(picture, self.shorter_side, self.filter)?, self.crop)
    }

    /// The network's input, `(3, crop, crop)`.
    ///
    /// # Errors
    /// As [`Transform::picture`].
    pub fn apply(&self, picture: &Picture) -> Result<Vec<f32>, PictureError> {
        Ok(self.normalisation.apply(&self.picture(picture)?))
    }
}
