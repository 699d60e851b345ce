//! One split in memory: experts, captions, caption masks, teachers.

use std::ops::Range;

use super::error::ExpertsError;
use super::ragged::Ragged;
use crate::matrix::{Matrix, MatrixView};

/// How many vectors an expert has per video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureKind {
    /// One vector.
    Fixed,
    /// A sequence ("vlad" experts: audio, speech, OCR), padded with zeros or cut to `max_tokens` in a batch.
    Sequence {
        /// Vectors in a batch.
        max_tokens: usize,
    },
}

/// The features of one expert: `None` where a video has none. A sequence may have no rows: the expert then is there, but found nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Expert {
    /// Its name, such as `scene.densenet161.0`.
    pub name: String,
    /// Where the features come from, for messages.
    pub file: String,
    /// One vector or a sequence.
    pub kind: FeatureKind,
    /// Whether the published loader checks its availability in training; see [`super::AvailabilityRule`].
    pub flaky: bool,
    features: Ragged,
    present: Vec<bool>,
}

impl Expert {
    /// An expert without videos; [`Expert::push`] adds one after the other.
    pub fn new(name: impl Into<String>, file: impl Into<String>, kind: FeatureKind, width: usize) -> Self {
        let (features, present) = (Ragged::new(width), vec![]);
        Self { name: name.into(), file: file.into(), kind, flaky: false, features, present }
    }

    /// Appends the features of the next video, `(rows, width)`.
    ///
    /// # Errors
    /// [`ExpertsError::Width`], or [`ExpertsError::OneVector`] when a fixed expert has not exactly one row.
    pub fn push(&mut self, video: &str, features: Option<MatrixView<'_, f32>>) -> Result<(), ExpertsError> {
        let (file, video, part) = (|| self.file.clone(), || video.to_owned(), || format!("expert {:?}", self.name));
        let width = self.width();
        let none = || MatrixView::new(&[], 0, width);
        if let Some(matrix) = features {
            if self.kind == FeatureKind::Fixed && matrix.rows() != 1 {
                let found = matrix.rows();
                return Err(ExpertsError::OneVector { file: file(), video: video(), part: part(), found });
            }
            if matrix.cols() != width {
                let (expected, found) = (width, matrix.cols());
                return Err(ExpertsError::Width { file: file(), video: video(), part: part(), expected, found });
            }
        }
        let pushed = features.map_or_else(none, Ok).and_then(|matrix| self.features.push(matrix));
        debug_assert!(pushed.is_ok(), "the width was compared");
        self.present.push(features.is_some());
        Ok(())
    }

    /// Width of a vector.
    pub fn width(&self) -> usize {
        self.features.width()
    }

    /// Number of videos, those without features included.
    pub fn videos(&self) -> usize {
        self.present.len()
    }

    /// The features of a video, `(rows, width)`; `None` where it has none.
    pub fn get(&self, video: usize) -> Option<MatrixView<'_, f32>> {
        self.present.get(video).filter(|present| **present).and_then(|_| self.features.get(video))
    }
}

/// Captions as sequences of word vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Captions {
    /// Where they come from, for messages.
    pub file: String,
    words: Ragged,
    /// Caption behind the last of each video.
    ends: Vec<usize>,
    fused: bool,
}

impl Captions {
    /// No videos yet; [`Captions::push`] adds one after the other. `width` is that of a word vector.
    pub fn new(file: impl Into<String>, width: usize) -> Self {
        Self { file: file.into(), words: Ragged::new(width), ends: vec![], fused: false }
    }

    /// Appends the captions of the next video, each `(tokens, width)`.
    ///
    /// # Errors
    /// [`ExpertsError::Width`], naming the caption; nothing is appended then.
    pub fn push<'m>(
        &mut self,
        video: &str,
        captions: impl IntoIterator<Item = MatrixView<'m, f32>>,
    ) -> Result<(), ExpertsError> {
        let before = self.words.len();
        for (index, caption) in captions.into_iter().enumerate() {
            if self.words.push(caption).is_err() {
                self.words.retain(|index| index < before);
                let (part, expected, found) = (format!("caption {index}"), self.width(), caption.cols());
                let (file, video) = (self.file.clone(), video.into());
                return Err(ExpertsError::Width { file, video, part, expected, found });
            }
        }
        self.ends.push(self.words.len());
        Ok(())
    }

    /// Width of a word vector.
    pub fn width(&self) -> usize {
        self.words.width()
    }

    /// Number of videos.
    pub fn videos(&self) -> usize {
        self.ends.len()
    }

    /// Captions of all videos together.
    pub fn total(&self) -> usize {
        self.words.len()
    }

    /// Number of captions of a video, 0 beyond the last video.
    pub fn count(&self, video: usize) -> usize {
        self.range(video).len()
    }

    /// One caption, `(tokens, width)`.
    pub fn get(&self, video: usize, caption: usize) -> Option<MatrixView<'_, f32>> {
        self.range(video).nth(caption).and_then(|index| self.words.get(index))
    }

    /// Whether the captions of a video were joined into one.
    pub fn is_fused(&self) -> bool {
        self.fused
    }

    fn range(&self, video: usize) -> Range<usize> {
        let Some(&end) = self.ends.get(video) else { return 0..0 };
        if video == 0 { 0..end } else { self.ends[video - 1]..end }
    }

    fn fuse(&mut self) {
        self.words.join(&self.ends);
        self.ends = (1..=self.ends.len()).collect();
        self.fused = true;
    }

    /// Keeps some captions of every video.
    fn keep(&mut self, kept: &[Range<usize>]) {
        let mut wanted = vec![false; self.words.len()];
        let mut ends = Vec::with_capacity(kept.len());
        for (video, kept) in kept.iter().enumerate() {
            let own = self.range(video);
            let kept = own.start + kept.start.min(own.len())..own.start + kept.end.min(own.len());
            ends.push(ends.last().copied().unwrap_or(0) + kept.len());
            wanted[kept].fill(true);
        }
        self.words.retain(|index| wanted[index]);
        self.ends = ends;
    }
}

/// Which captions may be drawn for training (TeachText's denoising): per video one entry per caption, of any length before
/// [`ExpertSplit::check`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CaptionMasks {
    /// Where they come from, for messages.
    pub file: String,
    /// `true` for a caption that may be drawn.
    pub videos: Vec<Vec<bool>>,
}

/// Embeddings of a teacher for distillation (TeachText): the similarity of a caption and a video is the sum over the experts of the inner
/// products.
#[derive(Debug, Clone, PartialEq)]
pub struct Teacher {
    /// Where they come from, for messages.
    pub file: String,
    /// The teacher's own experts, in the order of the file; they need not be the student's.
    pub experts: Vec<TeacherExpert>,
}

/// Embeddings of one expert of a [`Teacher`].
#[derive(Debug, Clone, PartialEq)]
pub struct TeacherExpert {
    /// Its name.
    pub name: String,
    /// One row per video, `(V, D)`.
    pub video: Matrix<f32>,
    /// Per video one row per caption, `(captions, D)`.
    pub text: Ragged,
}

/// One split: what a model is trained or evaluated on.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpertSplit {
    /// Where the list of videos comes from, for messages.
    pub file: String,
    /// Video ids; everything below is in this order.
    pub videos: Vec<String>,
    /// The experts, in the order of the model (published: by name).
    pub experts: Vec<Expert>,
    /// The captions.
    pub captions: Captions,
    /// The captions as text, for display and as labels: per video one sentence per caption. Empty where they are not known.
    pub sentences: Vec<Vec<String>>,
    /// Captions to draw from; all without it.
    pub masks: Option<CaptionMasks>,
    /// Teachers, if any.
    pub teachers: Vec<Teacher>,
}

impl ExpertSplit {
    /// Joins the captions of every video into one (`fuse_captions`: paragraph retrieval of DiDeMo, ActivityNet and QuerYD). Teachers of
    /// such a split have one caption per video; masks, which are per caption, are dropped with the captions they are about.
    pub fn fuse_captions(&mut self) {
        self.captions.fuse();
        self.masks = None;
        self.sentences.iter_mut().for_each(|own| *own = vec![own.join(" ")]);
    }

    /// Keeps the first `count` captions of every video (`restrict_train_captions`), with their text, masks and teachers.
    pub fn restrict_captions(&mut self, count: usize) {
        self.keep_captions(&vec![0..count; self.captions.videos()]);
    }

    /// Keeps one caption of every video (MSRVTT 1k-A), with its text, mask and teachers.
    ///
    /// # Errors
    /// [`ExpertsError::Size`] when there is not one index per video, [`ExpertsError::NoSuchCaption`] for an index beyond the captions.
    pub fn choose_captions(&mut self, chosen: &[usize]) -> Result<(), ExpertsError> {
        let (file, videos) = (self.captions.file.clone(), self.captions.videos());
        if chosen.len() != videos {
            let (what, found) = ("chosen captions".into(), chosen.len());
            return Err(ExpertsError::Size { file, what, expected: videos, found });
        }
        let outside = |(video, caption): (usize, &usize)| *caption >= self.captions.count(video);
        if let Some(video) = chosen.iter().enumerate().position(outside) {
            let (caption, captions) = (chosen[video], self.captions.count(video));
            let video = self.videos.get(video).cloned().unwrap_or_default();
            return Err(ExpertsError::NoSuchCaption { file, video, caption, captions });
        }
        self.keep_captions(&chosen.iter().map(|&caption| caption..caption + 1).collect::<Vec<_>>());
        Ok(())
    }

    fn keep_captions(&mut self, kept: &[Range<usize>]) {
        self.captions.keep(kept);
        for (own, kept) in self.sentences.iter_mut().zip(kept) {
            *own = own.get(within(kept, own.len())).unwrap_or_default().to_vec();
        }
        if let Some(masks) = &mut self.masks {
            for (mask, kept) in masks.videos.iter_mut().zip(kept) {
                *mask = mask.get(within(kept, mask.len())).unwrap_or_default().to_vec();
            }
        }
        for expert in self.teachers.iter_mut().flat_map(|teacher| &mut teacher.experts) {
            let mut text = Ragged::new(expert.text.width());
            for (video, kept) in kept.iter().enumerate() {
                let Some(rows) = expert.text.get(video) else { continue };
                let (kept, width) = (within(kept, rows.rows()), rows.cols());
                let values = &rows.as_slice()[kept.start * width..kept.end * width];
                let pushed = MatrixView::new(values, kept.len(), width).and_then(|rows| text.push(rows));
                debug_assert!(pushed.is_ok(), "the width is that of the old one");
            }
            expert.text = text;
        }
    }
}

/// The part of a range below a bound.
fn within(range: &Range<usize>, bound: usize) -> Range<usize> {
    range.start.min(bound)..range.end.min(bound)
}
