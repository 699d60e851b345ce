use crate::data::relational::{Features, PerLevel};
use crate::matrix::Matrix;
use crate::ops::{OpError, OpsDevice};
use crate::train::FeatureRows;

/// The [`Features`] of a split, to take rows from.
#[derive(Debug)]
pub struct FeatureTables<'a, D: OpsDevice> {
    /// One row per video.
    pub video: FeatureRows<'a, D>,
    /// One row per caption and level.
    pub text: PerLevel<FeatureRows<'a, D>>,
}

impl<'a, D: OpsDevice> FeatureTables<'a, D> {
    /// See [`FeatureRows::copied`].
    pub fn copied(device: &D, features: &'a Features) -> Self {
        let table = |matrix: &'a Matrix<f32>| FeatureRows::copied(device, matrix.view());
        let PerLevel { verb, noun, action } = &features.text;
        let text = PerLevel { verb: table(verb), noun: table(noun), action: table(action) };
        Self { video: table(&features.video), text }
    }

    /// See [`FeatureRows::resident`].
    ///
    /// # Errors
    /// [`OpError::Device`] only.
    pub fn resident(device: &D, features: &'a Features) -> Result<Self, OpError> {
        let table = |matrix: &'a Matrix<f32>| FeatureRows::resident(device, matrix.view());
        let text = PerLevel::try_from_fn(|level| table(features.text.get(level)))?;
        Ok(Self { video: table(&features.video)?, text })
    }
}
