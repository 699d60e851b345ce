use std::collections::HashMap;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::VideoIds;
use crate::data::reader::{FileError, FileProblem, Loaded};
use crate::formats::Limits;
use crate::formats::hdf5::Members;
use crate::formats::ndarray::NdArray;
use crate::matrix::Matrix;
use crate::{digest, files};

/// Features of the frames of videos, by the id of the video.
#[derive(Debug)]
pub struct FrameFeatures {
    source: Source,
    width: usize,
}

#[derive(Debug)]
enum Source {
    /// A dataset for each video in the root of a file, read when it is asked for.
    Hdf5 { path: PathBuf, members: Members<Mmap> },
    /// In memory.
    Given(HashMap<String, Matrix<f32>>),
}

/// What is wrong with the features of a video.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("video {video:?}: {problem}")]
pub struct FeatureError {
    /// Its id.
    pub video: String,
    /// What is wrong.
    pub problem: FeatureProblem,
}

/// See [`FeatureError`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FeatureProblem {
    /// The video is not there.
    #[error("no features")]
    Missing,
    /// The array is no list of frames.
    #[error("features of shape {shape:?}, expected frames x {width}")]
    Shape {
        /// The shape found.
        shape: Vec<usize>,
        /// Width of a frame.
        width: usize,
    },
    /// The video has no frames.
    #[error("no frames")]
    NoFrames,
    /// A value is NaN or infinite.
    #[error("value {value} in dimension {dimension} of frame {frame} is not a finite number")]
    NotFinite {
        /// The frame, from 0.
        frame: usize,
        /// The dimension, from 0.
        dimension: usize,
        /// The value.
        value: f32,
    },
}

impl FrameFeatures {
    /// Opens an HDF5 file with an array of frames for each video, `(n, width)`, as the published extractor writes it. An array of one axis is a
    /// video of one frame. The file is mapped, and must not change meanwhile; its digest is computed once, which reads it.
    ///
    /// # Errors
    /// [`FileError`] for a file that is not there or is no HDF5 file.
    pub fn open(path: &Path, width: usize, limits: &Limits) -> Result<Loaded<Self>, FileError> {
        let failed = |problem: FileProblem| FileError::file(path, problem);
        let map = files::map(path).map_err(|error| failed(error.into()))?;
        let digest = digest::sha256(&map);
        let members = Members::open(map, limits).map_err(|error| failed(error.into()))?;
        let source = Source::Hdf5 { path: path.into(), members };
        Ok(Loaded { split: Self { source, width }, files: vec![(path.into(), digest)], warnings: vec![] })
    }

    /// Features that are in memory, `(n, width)` each.
    pub fn given(videos: impl IntoIterator<Item = (String, Matrix<f32>)>, width: usize) -> Self {
        Self { source: Source::Given(videos.into_iter().collect()), width }
    }

    /// Width of a frame.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether a video has features.
    pub fn contains(&self, video: &str) -> bool {
        match &self.source {
            Source::Hdf5 { members, .. } => members.contains(video),
            Source::Given(videos) => videos.contains_key(video),
        }
    }

    /// Whether a video has features, by its number among ids.
    pub fn has(&self, ids: &VideoIds, video: u32) -> bool {
        ids.id(video).is_some_and(|id| self.contains(id))
    }

    /// The frames of a video, at least one, all finite.
    ///
    /// # Errors
    /// [`FileError`] with a [`FeatureError`] that names the video.
    pub fn frames(&self, video: &str) -> Result<Matrix<f32>, FileError> {
        let failed = |problem: FileProblem| match &self.source {
            Source::Hdf5 { path, .. } => FileError::file(path, problem),
            Source::Given(_) => FileError::file(Path::new("features in memory"), problem),
        };
        let wrong = |problem| failed(FileProblem::Content(FeatureError { video: video.into(), problem }.into()));
        let frames = match &self.source {
            Source::Hdf5 { members, .. } => {
                let array = members.array(video).map_err(|error| failed(error.into()))?;
                self.of_array(&array.ok_or_else(|| wrong(FeatureProblem::Missing))?).map_err(wrong)?
            }
            Source::Given(videos) => videos.get(video).ok_or_else(|| wrong(FeatureProblem::Missing))?.clone(),
        };
        self.check(&frames).map_err(wrong)?;
        Ok(frames)
    }

    fn of_array(&self, array: &NdArray) -> Result<Matrix<f32>, FeatureProblem> {
        let wrong = || FeatureProblem::Shape { shape: array.shape().to_vec(), width: self.width };
        let rows = match *array.shape() {
            [rows, width] if width == self.width => rows,
            [width] if width == self.width => 1,
            _ => return Err(wrong()),
        };
        let values = array.to_f32_vec().map_err(|_| wrong())?;
        Matrix::new(values, rows, self.width).map_err(|_| wrong())
    }

    fn check(&self, frames: &Matrix<f32>) -> Result<(), FeatureProblem> {
        if frames.cols() != self.width {
            return Err(FeatureProblem::Shape { shape: vec![frames.rows(), frames.cols()], width: self.width });
        }
        if frames.rows() == 0 {
            return Err(FeatureProblem::NoFrames);
        }
        match frames.as_slice().iter().position(|value| !value.is_finite()) {
            Some(at) => {
                let value = frames.as_slice()[at];
                Err(FeatureProblem::NotFinite { frame: at / self.width, dimension: at % self.width, value })
            }
            None => Ok(()),
        }
    }
}
