//! The pictures as videos with experts, the names as captions word by word.

use coembed::data::experts::{Captions, Expert, ExpertSplit, ExpertsError, FeatureKind};
use coembed::matrix::{Matrix, MatrixView};

use super::picture::{HISTOGRAM, MOTION_CELLS};
use super::words::{WORD_WIDTH, WordVectors, hash};
use super::{EXPERTS, EmojiData};

/// Width of the expert `colour`.
pub const COLOUR: usize = HISTOGRAM;
/// Width of one vector of the expert `motion`.
pub const MOTION: usize = MOTION_CELLS[1];
/// Width of the expert `pixels`.
pub const PIXELS: usize = EXPERTS.appearance.end - EXPERTS.appearance.start - HISTOGRAM;
/// Width of the expert `shape`.
pub const SHAPE: usize = EXPERTS.shape.end - EXPERTS.shape.start;

/// The three splits.
#[derive(Debug, Clone)]
pub struct ExpertSplits {
    /// To train on.
    pub train: ExpertSplit,
    /// To choose options by.
    pub validation: ExpertSplit,
    /// To report.
    pub test: ExpertSplit,
}

/// Four experts, in the order of their names: `colour` (histogram), `motion` (a sequence: what changes in each cell), `pixels` (small picture)
/// and `shape` (gradients and silhouette), which a third of the pictures lack. `encoder` is the seed of the word vectors.
///
/// # Errors
/// [`ExpertsError`]; with the pinned crates none of this happens.
pub fn expert_splits(data: &EmojiData, encoder: u64) -> Result<ExpertSplits, ExpertsError> {
    let mut words = WordVectors::seeded(encoder);
    let mut split = |name: &str, features, names: &[&str]| split(name, features, names, &mut words);
    Ok(ExpertSplits {
        train: split("emoji, train", &data.train.features.video, &data.names.train)?,
        validation: split("emoji, validation", &data.validation.features.video, &data.names.validation)?,
        test: split("emoji, test", &data.test.features.video, &data.names.test)?,
    })
}

fn split(
    file: &str,
    features: &Matrix<f32>,
    names: &[&str],
    words: &mut WordVectors,
) -> Result<ExpertSplit, ExpertsError> {
    let expert = |name: &str, kind, width| Expert::new(name, file, kind, width);
    let mut colour = expert("colour", FeatureKind::Fixed, COLOUR);
    let mut motion = expert("motion", FeatureKind::Sequence { max_tokens: MOTION_CELLS[0] }, MOTION);
    let mut pixels = expert("pixels", FeatureKind::Fixed, PIXELS);
    let mut shape = expert("shape", FeatureKind::Fixed, SHAPE);
    shape.flaky = true;
    let mut captions = Captions::new(file, WORD_WIDTH);
    for (row, name) in names.iter().enumerate() {
        let row = features.row(row);
        let (appearance, cells) = (&row[EXPERTS.appearance.clone()], &row[EXPERTS.motion.clone()]);
        let missing = hash(name.as_bytes(), 3).is_multiple_of(3);
        colour.push(name, view(&appearance[..HISTOGRAM], 1))?;
        motion.push(name, view(cells, MOTION_CELLS[0]))?;
        pixels.push(name, view(&appearance[HISTOGRAM..], 1))?;
        shape.push(name, if missing { None } else { view(&row[EXPERTS.shape.clone()], 1) })?;
        let lower = name.to_lowercase();
        let tokens: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let vectors: Vec<f32> = tokens.iter().flat_map(|word| words.mean([*word])).collect();
        captions.push(name, view(&vectors, tokens.len()))?;
    }
    Ok(ExpertSplit {
        file: file.into(),
        videos: names.iter().map(|name| name.to_string()).collect(),
        experts: vec![colour, motion, pixels, shape],
        captions,
        sentences: names.iter().map(|name| vec![name.to_string()]).collect(),
        masks: None,
        teachers: vec![],
    })
}

/// Values as so many rows.
fn view(values: &[f32], rows: usize) -> Option<MatrixView<'_, f32>> {
    MatrixView::new(values, rows, values.len() / rows.max(1)).ok()
}
