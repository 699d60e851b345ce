use std::collections::{BTreeMap, BTreeSet};

use super::error::ExpertsError;
use super::split::ExpertSplit;
use crate::matrix::Matrix;

/// The captions of a split as labels: what reads the same is one label, whichever video has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    /// The labels, sorted.
    pub names: Vec<String>,
    /// For each the first video that has it and which of the video's captions it is there: the word vectors of that caption stand for it.
    pub captions: Vec<(usize, usize)>,
    /// Which video has which label, `(L, V)`.
    pub labelled: Matrix<bool>,
}

impl ExpertSplit {
    /// The captions as labels.
    ///
    /// # Errors
    /// [`ExpertsError::Empty`] where the captions are known as vectors alone.
    pub fn labels(&self) -> Result<Labels, ExpertsError> {
        let mut first: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (video, sentences) in self.sentences.iter().enumerate() {
            for (caption, sentence) in sentences.iter().enumerate() {
                first.entry(sentence).or_insert((video, caption));
            }
        }
        if first.is_empty() {
            return Err(ExpertsError::Empty { file: self.captions.file.clone(), what: "captions as text" });
        }
        let number: BTreeMap<&str, usize> = first.keys().enumerate().map(|(label, name)| (*name, label)).collect();
        let of_videos: Vec<BTreeSet<usize>> =
            self.sentences.iter().map(|own| own.iter().map(|name| number[name.as_str()]).collect()).collect();
        let labelled = Matrix::from_fn(first.len(), of_videos.len(), |label, video| of_videos[video].contains(&label));
        let names = first.keys().map(|name| (*name).to_string()).collect();
        Ok(Labels { names, captions: first.into_values().collect(), labelled })
    }
}
