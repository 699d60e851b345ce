//! About 3,900 drawings with names: data that need no download.
//!
//! - **Pictures**: Twemoji, 72 x 72 pixels, through the crate `twemoji-assets`. Graphics copyright Twitter, Inc and other
//!   contributors, licensed under CC-BY 4.0 (<https://creativecommons.org/licenses/by/4.0/>).
//! - **Captions**: their English names and groups (Unicode CLDR), through the crate `emojis` (MIT or Apache 2.0; the data
//!   Unicode License 3.0).
//!
//! Every picture becomes a "video": a seeded camera drifts over it, and hand-made features are averaged over the frames
//! (`picture.rs`). Every name is taken apart into an action and things ([`parts_of_speech`]), which give items the
//! classes that relevance, margins and triplets rest on. Word vectors know spelling alone (`words.rs`): what a
//! word looks like must be learned from the training split.

mod copies;
mod experts;
mod picture;
mod split;
mod words;

use std::collections::{BTreeMap, HashMap, HashSet};

use coembed::data::relational::{EvalSplit, TrainSplit};
use coembed::data::{FileProblem, NotFinite};
use coembed::relevance::{Classes, RelevanceError};
use coembed::vision::PcaError;
pub use emojis::Group;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use twemoji_assets::png::PngTwemojiAsset;

use words::group_word;

pub use copies::{FRAME_WIDTH, copies};
pub use experts::{COLOUR, ExpertSplits, MOTION, PIXELS, SHAPE, expert_splits};
pub use picture::{EXPERTS, Experts, VIDEO_WIDTH};
pub use split::{Split, deal};
pub use words::{PartsOfSpeech, WORD_WIDTH, parts_of_speech};

/// Names that a thing must occur in to be a class of its own.
pub const COMMON: usize = 8;

/// Why the data cannot be made; with the pinned crates none of this happens.
#[derive(Debug, thiserror::Error)]
pub enum EmojiError {
    /// A picture is no PNG.
    #[error("a picture cannot be decoded: {0}")]
    Png(#[from] png::DecodingError),
    /// A picture is not 72 pixels wide and high.
    #[error("a picture is not 72 pixels wide and high")]
    Size,
    /// There are too many pictures.
    #[error(transparent)]
    Relevance(#[from] RelevanceError),
    /// There are too many videos.
    #[error(transparent)]
    Videos(Box<FileProblem>),
    /// The frames cannot be whitened.
    #[error(transparent)]
    Whitening(Box<PcaError>),
    /// A feature is NaN or infinite.
    #[error(transparent)]
    Features(#[from] NotFinite),
}

impl From<FileProblem> for EmojiError {
    fn from(problem: FileProblem) -> Self {
        Self::Videos(Box::new(problem))
    }
}

impl From<PcaError> for EmojiError {
    fn from(error: PcaError) -> Self {
        Self::Whitening(Box::new(error))
    }
}

/// A picture with its name taken apart.
#[derive(Debug, Clone)]
pub struct Item {
    /// The name: the caption.
    pub name: &'static str,
    /// The name taken apart.
    pub parts: PartsOfSpeech,
    /// Class of the action. A number means the same in all splits.
    pub verb: i64,
    /// Classes of the things, each once, in the order of `parts.nouns`; a thing that fewer than [`COMMON`] names have counts
    /// as its group.
    pub nouns: Vec<i64>,
    /// Features of its film.
    pub features: Vec<f32>,
}

impl Item {
    /// Action and things as sets.
    pub fn classes(&self) -> Classes {
        Classes { verbs: [self.verb].into_iter().collect(), nouns: self.nouns.iter().copied().collect() }
    }
}

/// Names of the items of a split, in the order of its rows (video `i` belongs to caption `i`).
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Of the training split.
    pub train: Vec<&'static str>,
    /// Of the validation split.
    pub validation: Vec<&'static str>,
    /// Of the test split.
    pub test: Vec<&'static str>,
}

/// The data set, split.
#[derive(Debug, Clone)]
pub struct EmojiData {
    /// To train on.
    pub train: TrainSplit,
    /// To choose options by.
    pub validation: EvalSplit,
    /// To report.
    pub test: EvalSplit,
    /// Names by split.
    pub names: Names,
    /// SHA-256 of names, classes and features (before scaling) of the three splits.
    pub digest: String,
}

/// Makes the data set: `seed` moves the cameras and deals the items to the splits.
///
/// # Errors
/// [`EmojiError`].
pub fn load(split: Split, seed: u64) -> Result<EmojiData, EmojiError> {
    deal(&items(seed)?, split, seed)
}

/// All pictures that have a drawing, in the order of Unicode.
///
/// # Errors
/// [`EmojiError`].
pub fn items(camera_seed: u64) -> Result<Vec<Item>, EmojiError> {
    let named: Vec<Named> = all_names()
        .filter_map(|emoji| {
            let parts = parts_of_speech(emoji.name(), emoji.group());
            Some(Named { name: emoji.name(), parts, group: emoji.group(), png: drawing(emoji.as_str())? })
        })
        .collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    named.iter().flat_map(|named| &named.parts.nouns).for_each(|noun| *counts.entry(noun).or_default() += 1);
    let class_name = |named: &Named, noun: &String| {
        if counts[noun.as_str()] < COMMON { group_word(named.group).to_string() } else { noun.clone() }
    };
    let things: Vec<Vec<String>> = named
        .iter()
        .map(|named| {
            let mut seen = HashSet::new();
            let things = named.parts.nouns.iter().map(|noun| class_name(named, noun));
            things.filter(|thing| seen.insert(thing.clone())).collect()
        })
        .collect();
    let verbs = numbers(named.iter().map(|named| &named.parts.verb));
    let nouns = numbers(things.iter().flatten());
    named
        .into_par_iter()
        .zip(things)
        .map(|(Named { name, parts, png, .. }, things)| {
            let verb = verbs[&parts.verb];
            let nouns = things.iter().map(|thing| nouns[thing]).collect();
            Ok(Item { name, parts, verb, nouns, features: picture::features(png, camera_seed)? })
        })
        .collect()
}

/// A name with its drawing.
struct Named {
    name: &'static str,
    parts: PartsOfSpeech,
    group: Group,
    png: &'static [u8],
}

/// Every emoji, each followed by its skin tones.
fn all_names() -> impl Iterator<Item = &'static emojis::Emoji> {
    emojis::iter().flat_map(|emoji| {
        let tones = emoji.skin_tones().into_iter().flatten().filter(move |toned| *toned != emoji);
        std::iter::once(emoji).chain(tones)
    })
}

/// The drawing of an emoji; file names of drawings mostly lack the variation selector.
fn drawing(emoji: &str) -> Option<&'static [u8]> {
    let find = |text: &str| PngTwemojiAsset::from_emoji(text).map(|asset| asset.data.0);
    find(emoji).or_else(|| find(&emoji.replace('\u{fe0f}', "")))
}

/// Numbers for words, in the order of the alphabet.
fn numbers<'a>(words: impl Iterator<Item = &'a String>) -> BTreeMap<String, i64> {
    let mut numbers: BTreeMap<String, i64> = words.map(|word| (word.clone(), 0)).collect();
    numbers.values_mut().zip(0..).for_each(|(number, next)| *number = next);
    numbers
}

fn digest(splits: [&[&Item]; 3]) -> String {
    let mut sha = Sha256::new();
    for items in splits {
        sha.update((items.len() as u64).to_le_bytes());
        for item in items {
            sha.update(item.name.as_bytes());
            sha.update(item.classes().to_string().as_bytes());
            item.features.iter().for_each(|value| sha.update(value.to_le_bytes()));
        }
    }
    hex(sha)
}

fn hex(sha: Sha256) -> String {
    sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
