//! Whether the parts of a split belong together.

use std::collections::HashSet;

use super::error::ExpertsError;
use super::split::{CaptionMasks, Captions, Expert, ExpertSplit, Teacher, TeacherExpert};
use crate::matrix::MatrixView;

type Result<T = ()> = std::result::Result<T, ExpertsError>;

impl ExpertSplit {
    /// Checks everything that a model relies on: videos are listed once, every part has all videos, every feature that is there is finite,
    /// every video has at least one expert and one caption, every caption a word, masks and teachers fit the captions, and no mask is all
    /// zero.
    ///
    /// # Errors
    /// [`ExpertsError`], naming file, video and expert.
    pub fn check(&self) -> Result {
        self.check_names()?;
        self.experts.iter().try_for_each(|expert| self.check_expert(expert))?;
        self.check_availability()?;
        self.check_captions(&self.captions)?;
        self.check_sentences()?;
        self.masks.iter().try_for_each(|masks| self.check_masks(masks))?;
        self.teachers.iter().try_for_each(|teacher| self.check_teacher(teacher))
    }

    fn check_names(&self) -> Result {
        let mut seen = HashSet::new();
        if let Some(video) = self.videos.iter().find(|video| !seen.insert(*video)) {
            return Err(ExpertsError::DuplicateVideo { file: self.file.clone(), video: video.clone() });
        }
        let mut seen = HashSet::new();
        if let Some(expert) = self.experts.iter().find(|expert| !seen.insert(&expert.name)) {
            return Err(ExpertsError::DuplicateExpert { expert: expert.name.clone() });
        }
        let parts = [("videos", self.videos.is_empty()), ("experts", self.experts.is_empty())];
        match parts.into_iter().find(|(_, empty)| *empty) {
            Some((what, _)) => Err(ExpertsError::Empty { file: self.file.clone(), what }),
            None => Ok(()),
        }
    }

    fn check_expert(&self, expert: &Expert) -> Result {
        let part = format!("expert {:?}", expert.name);
        self.same_videos(&expert.file, &part, expert.videos())?;
        if expert.width() == 0 {
            return Err(ExpertsError::Empty { file: expert.file.clone(), what: "columns of features" });
        }
        for (video, id) in self.videos.iter().enumerate() {
            finite(&expert.file, id, || part.clone(), expert.get(video))?;
        }
        Ok(())
    }

    fn check_availability(&self) -> Result {
        let absent = |video: &usize| self.experts.iter().all(|expert| expert.get(*video).is_none());
        let Some(video) = (0..self.videos.len()).find(absent) else { return Ok(()) };
        let names: Vec<&str> = self.experts.iter().map(|expert| expert.name.as_str()).collect();
        Err(ExpertsError::NoExpert { video: self.videos[video].clone(), experts: names.join(", ") })
    }

    fn check_captions(&self, captions: &Captions) -> Result {
        self.same_videos(&captions.file, "captions", captions.videos())?;
        if captions.width() == 0 {
            return Err(ExpertsError::Empty { file: captions.file.clone(), what: "columns of word vectors" });
        }
        for (video, id) in self.videos.iter().enumerate() {
            let file = || captions.file.clone();
            if captions.count(video) == 0 {
                return Err(ExpertsError::NoCaption { file: file(), video: id.clone() });
            }
            for caption in 0..captions.count(video) {
                let words = captions.get(video, caption);
                if words.is_none_or(|words| words.rows() == 0) {
                    return Err(ExpertsError::EmptyCaption { file: file(), video: id.clone(), caption });
                }
                finite(&captions.file, id, || format!("caption {caption}"), words)?;
            }
        }
        Ok(())
    }

    fn check_sentences(&self) -> Result {
        if self.sentences.is_empty() {
            return Ok(());
        }
        let file = &self.captions.file;
        self.same_videos(file, "sentences", self.sentences.len())?;
        let mut counts = self.sentences.iter().map(Vec::len).enumerate();
        counts.try_for_each(|(video, count)| self.per_caption(file, video, || "sentences".into(), count))
    }

    fn check_masks(&self, masks: &CaptionMasks) -> Result {
        self.same_videos(&masks.file, "caption masks", masks.videos.len())?;
        for (video, mask) in masks.videos.iter().enumerate() {
            self.per_caption(&masks.file, video, || "caption mask".into(), mask.len())?;
            if !mask.contains(&true) {
                let video = self.videos[video].clone();
                return Err(ExpertsError::AllMasked { file: masks.file.clone(), video });
            }
        }
        Ok(())
    }

    fn check_teacher(&self, teacher: &Teacher) -> Result {
        let file = &teacher.file;
        if teacher.experts.is_empty() {
            return Err(ExpertsError::Empty { file: file.clone(), what: "experts" });
        }
        for TeacherExpert { name, video: embeddings, text } in &teacher.experts {
            let part = |what: &str| format!("{what} embeddings of expert {name:?}");
            self.same_videos(file, &part("video"), embeddings.rows())?;
            self.same_videos(file, &part("text"), text.len())?;
            if text.width() != embeddings.cols() {
                let (video, part) = (self.videos[0].clone(), part("text"));
                let (file, expected, found) = (file.clone(), embeddings.cols(), text.width());
                return Err(ExpertsError::Width { file, video, part, expected, found });
            }
            for (video, id) in self.videos.iter().enumerate() {
                let own = MatrixView::new(embeddings.row(video), 1, embeddings.cols()).ok();
                finite(file, id, || part("video"), own)?;
                let rows = text.get(video);
                finite(file, id, || part("text"), rows)?;
                self.per_caption(file, video, || part("text"), rows.map_or(0, |rows| rows.rows()))?;
            }
        }
        Ok(())
    }

    fn same_videos(&self, file: &str, part: &str, found: usize) -> Result {
        let expected = self.videos.len();
        if found == expected {
            return Ok(());
        }
        Err(ExpertsError::Size { file: file.into(), what: format!("videos, {part},"), expected, found })
    }

    fn per_caption(&self, file: &str, video: usize, part: impl Fn() -> String, found: usize) -> Result {
        let expected = self.captions.count(video);
        if found == expected {
            return Ok(());
        }
        let video = self.videos[video].clone();
        Err(ExpertsError::PerCaption { file: file.into(), video, part: part(), expected, found })
    }
}

fn finite(file: &str, video: &str, part: impl Fn() -> String, matrix: Option<MatrixView<'_, f32>>) -> Result {
    let Some(matrix) = matrix else { return Ok(()) };
    let Some(at) = matrix.as_slice().iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let (row, column, value) = (at / matrix.cols(), at % matrix.cols(), matrix.as_slice()[at]);
    Err(ExpertsError::NotFinite { file: file.into(), video: video.into(), part: part(), row, column, value })
}
