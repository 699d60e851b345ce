/// Why features of an expert were refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MissingExpertError {
    /// The rows are not as many as the flags, or not of equal width.
    #[error("expert {expert}: {values} values for {videos} videos")]
    Rows {
        /// The expert.
        expert: String,
        /// Number of values.
        values: usize,
        /// Number of videos.
        videos: usize,
    },
    /// A missing expert does not say so.
    #[error("expert {expert} is missing for video {video} of the batch, but its features begin with {found}, not NaN")]
    NotMarked {
        /// The expert.
        expert: String,
        /// The video's number in the batch.
        video: usize,
        /// First value.
        found: f32,
    },
    /// An available expert has a value that is not finite.
    #[error("expert {expert} is available for video {video} of the batch, but value {at} of its features is {found}")]
    NotFinite {
        /// The expert.
        expert: String,
        /// The video's number in the batch.
        video: usize,
        /// Which value.
        at: usize,
        /// The value.
        found: f32,
    },
}

/// Replaces the features of videos that do not have an expert by zeros, as the published network does first.
///
/// Missing features are marked by NaN, in their first value at least; any other value that is not finite is an error.
///
/// # Errors
/// [`MissingExpertError`], which names expert and video.
pub fn clear_missing(expert: &str, values: &mut [f32], available: &[bool]) -> Result<(), MissingExpertError> {
    let videos = available.len();
    if videos == 0 || !values.len().is_multiple_of(videos) {
        return Err(MissingExpertError::Rows { expert: expert.into(), values: values.len(), videos });
    }
    let width = (values.len() / videos).max(1);
    for (video, (row, available)) in values.chunks_mut(width).zip(available).enumerate() {
        if *available {
            if let Some(at) = row.iter().position(|value| !value.is_finite()) {
                return Err(MissingExpertError::NotFinite { expert: expert.into(), video, at, found: row[at] });
            }
        } else if !row[0].is_nan() {
            return Err(MissingExpertError::NotMarked { expert: expert.into(), video, found: row[0] });
        } else {
            row.fill(0.0);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_rows_become_zeros_and_others_must_be_finite() {
        let mut values = [1.0, 2.0, f32::NAN, 3.0];
        clear_missing("face", &mut values, &[true, false]).unwrap();
        assert_eq!(values, [1.0, 2.0, 0.0, 0.0]);
        let error = clear_missing("face", &mut [1.0, 2.0], &[true, false]).unwrap_err();
        assert!(
            error.to_string().contains("missing for video 1 of the batch, but its features begin with 2"),
            "{error}"
        );
        let error = clear_missing("face", &mut [1.0, f32::NAN], &[true]).unwrap_err();
        assert!(error.to_string().contains("expert face is available for video 0"), "{error}");
        assert!(clear_missing("face", &mut [1.0], &[true, true]).is_err());
    }
}
