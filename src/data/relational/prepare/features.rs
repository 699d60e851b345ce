//! Vectors of texts: means of word vectors.

use std::collections::HashMap;

use super::frame::Wording;
use super::{Captions, Frame, Layout, Output, Parts, Report, Result};
use crate::formats::pickle_writer::Writer;
use crate::formats::word2vec::WordVectors;
use crate::matrix::Matrix;

/// Word vectors, and random ones for words that the model does not have.
///
/// A word loses every `.`, `(`, `)`, `,` and `'`, is made lower-case, and cut at its first `/`; then it is looked up as it is. For an unknown word, which the
/// empty one may be, D numbers are drawn once and kept for as long as this lives.
pub struct Words<'m> {
    model: &'m WordVectors,
    draw: Box<dyn FnMut(&mut [f64]) + 'm>,
    unknown: HashMap<String, Vec<f64>>,
    draws: Vec<Option<String>>,
}

impl<'m> Words<'m> {
    /// `draw` fills a vector with random numbers; those of the published scripts are uniform in [0, 1), and have no seed.
    pub fn new(model: &'m WordVectors, draw: impl FnMut(&mut [f64]) + 'm) -> Self {
        Self { model, draw: Box::new(draw), unknown: HashMap::new(), draws: vec![] }
    }

    /// What was drawn for, in order: unknown words, and `None` for a list without any word.
    pub fn draws(&self) -> &[Option<String>] {
        &self.draws
    }

    fn random(&mut self, word: Option<&str>) -> Vec<f64> {
        let mut row = vec![0.0; self.model.width()];
        (self.draw)(&mut row);
        self.draws.push(word.map(str::to_owned));
        row
    }

    fn vector(&mut self, word: &str) -> Vec<f64> {
        let kept: String = word.chars().filter(|char| !matches!(char, '.' | '(' | ')' | ',' | '\'')).collect();
        let lower = kept.to_lowercase();
        let word = lower.split('/').next().unwrap_or_default();
        if let Some(row) = self.model.get(word).or_else(|| self.unknown.get(word).cloned()) {
            return row;
        }
        let row = self.random(Some(word));
        self.unknown.insert(word.to_owned(), row.clone());
        row
    }

    fn vectors<'w>(&mut self, words: impl IntoIterator<Item = &'w str>) -> Vec<Vec<f64>> {
        words.into_iter().map(|word| self.vector(word)).collect()
    }

    /// The mean over the parts of words; `None` where there are none.
    fn mean(&mut self, words: &[String], between: char) -> Option<Vec<f64>> {
        let rows = self.vectors(words.iter().flat_map(|word| word.split(between)));
        let mut mean = rows.first()?.clone();
        for row in &rows[1..] {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        mean.iter_mut().for_each(|sum| *sum /= rows.len() as f64);
        Some(mean)
    }
}

/// Text features of a list of captions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Features {
    /// `(Y, D)`.
    pub caption: Option<Matrix<f64>>,
    /// `(Y, D)`.
    pub verb: Option<Matrix<f64>>,
    /// `(Y, D)`.
    pub noun: Option<Matrix<f64>>,
}

/// Text features, `{caption,verb,noun}_features_FRAME`: `create_feature_files`, `create_multiVNs_feature_files`.
///
/// Captions are split at spaces, verbs at `-`, nouns at `:`; a vector is the mean over all parts of all words, in f64. Draws for unknown words go
/// row by row, in a row caption, verb, noun. Multi-VN: a list without words has a random vector that is drawn anew each time.
///
/// # Errors
/// [`PrepareError`](super::PrepareError) for an empty list of nouns in the EPIC layout, of which the published script makes a scalar NaN.
pub fn features(captions: &Captions<Wording>, words: &mut Words, parts: Parts) -> Result<Features> {
    let (mut caption, mut verb, mut noun) = (vec![], vec![], vec![]);
    for (row, wording) in captions.rows.iter().enumerate() {
        let mut mean = |list: &[String], between| match words.mean(list, between) {
            Some(mean) => Ok(mean),
            None if captions.layout == Layout::Nouns => Err(captions.no_noun(row)),
            None => Ok(words.random(None)),
        };
        if parts.caption {
            caption.extend(mean(std::slice::from_ref(&wording.text), ' ')?);
        }
        if parts.verb {
            verb.extend(mean(&wording.verbs, '-')?);
        }
        if parts.noun {
            noun.extend(mean(&wording.nouns, ':')?);
        }
    }
    let (rows, width) = (captions.rows.len(), words.model.width());
    let matrix = |wanted: bool, values| wanted.then(|| Matrix::new(values, rows, width).unwrap_or_default());
    Ok(Features {
        caption: matrix(parts.caption, caption),
        verb: matrix(parts.verb, verb),
        noun: matrix(parts.noun, noun),
    })
}

impl Features {
    /// The files of these features.
    pub fn files(&self, frame: &Frame) -> Report {
        let file = |(name, matrix): (&str, &Option<Matrix<f64>>)| {
            let matrix = matrix.as_ref()?;
            let mut writer = Writer::new();
            writer.array(&[matrix.rows(), matrix.cols()], matrix.as_slice());
            Some(Output::new(frame.output(&format!("{name}_features")), writer.finish()))
        };
        let parts = [("caption", &self.caption), ("verb", &self.verb), ("noun", &self.noun)];
        Report { files: parts.into_iter().filter_map(file).collect(), warnings: vec![] }
    }
}

/// The vectors of all words of each caption, `caption_allwords_features_FRAME`: `create_allwords_feature_files`. Nothing in training reads them.
///
/// One array (words, D) for each caption in an array of objects; where all captions have the same number of words, one array (Y, words, D).
pub fn allwords(frame: &Frame, captions: &Captions<Wording>, words: &mut Words) -> Report {
    let rows: Vec<_> = captions.rows.iter().map(|wording| words.vectors(wording.text.split(' '))).collect();
    let width = words.model.width();
    let mut writer = Writer::new();
    let first = rows.first().map_or(0, Vec::len);
    if rows.iter().all(|row| row.len() == first) {
        writer.array(&[rows.len(), first, width], &rows.concat().concat());
    } else {
        writer.objects(&[rows.len()], |arrays| {
            rows.iter().for_each(|row| arrays.array(&[row.len(), width], &row.concat()));
        });
    }
    let file = Output::new(frame.output("caption_allwords_features"), writer.finish());
    Report { files: vec![file], warnings: vec![] }
}
