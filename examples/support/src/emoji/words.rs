//! Names as parts of speech, and words as vectors.

use std::collections::{HashMap, HashSet};

use emojis::Group;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Width of a word vector.
pub const WORD_WIDTH: usize = 100;

/// The action of a person of whom nothing else is said: `man: red hair`.
const NO_ACTION: &str = "portrait";

/// Words that name nothing.
const STOP_WORDS: [&str; 14] =
    ["with", "without", "of", "and", "the", "on", "in", "a", "at", "to", "for", "but", "by", "over"];

/// What a caption says: one action and at least one thing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PartsOfSpeech {
    /// The action, or the concept where nothing acts.
    pub verb: String,
    /// Everything else, each once, in the order of the rule of [`parts_of_speech`].
    pub nouns: Vec<String>,
}

/// Singular of a word for a person, if it is one.
fn person(word: &str) -> Option<&'static str> {
    Some(match word {
        "man" | "men" => "man",
        "woman" | "women" => "woman",
        "person" | "people" | "adult" => "person",
        "boy" => "boy",
        "girl" => "girl",
        "child" => "child",
        "baby" => "baby",
        _ => return None,
    })
}

fn is_participle(word: &str) -> bool {
    (word.len() >= 6 && word.ends_with("ing")) || (word.len() >= 5 && word.ends_with("ed"))
}

/// Takes a name apart.
///
/// **The rule.** A name is `base` or `base: detail, detail`. Details are nouns as they stand (`dark skin tone`, `red hair`,
/// `France`), as are words for persons in the base (plurals as singulars) and a closing `facing right`. Of the other words
/// of the base, without stop words, one is the action: the first that ends in -ing or -ed (`running`, `raised`), or else the
/// last before the first stop word (`heart` of `red heart`, `worker` of `health worker`); the rest are nouns. Where only
/// persons are named the action is `portrait`. Where there is no noun, the group of the picture is one (`animals` for
/// `dog`). Order of nouns: details, persons, the rest.
pub fn parts_of_speech(name: &str, group: Group) -> PartsOfSpeech {
    let lower = name.to_lowercase();
    let (base, details) = lower.split_once(": ").unwrap_or((&lower, ""));
    let mut details: Vec<String> = details.split(", ").filter(|d| !d.is_empty()).map(String::from).collect();
    let base = match base.strip_suffix(" facing right") {
        Some(rest) => {
            details.push("facing right".into());
            rest
        }
        None => base,
    };
    let (mut persons, mut phrase, mut head) = (vec![], vec![], None);
    for word in base.split(|c: char| c.is_whitespace() || c == '-').filter(|word| !word.is_empty()) {
        if let Some(person) = person(word) {
            persons.push(person.to_string());
        } else if STOP_WORDS.contains(&word) {
            head = head.or(phrase.len().checked_sub(1));
        } else {
            phrase.push(word.trim_matches(|c| "()“”,.".contains(c)).to_string());
        }
    }
    let participle = phrase.iter().position(|word| is_participle(word));
    let verb = participle.or(head).or(phrase.len().checked_sub(1)).map(|at| phrase.remove(at));
    let singular = |detail: String| person(&detail).map(String::from).unwrap_or(detail);
    let mut nouns: Vec<String> = details.into_iter().map(singular).chain(persons).chain(phrase).collect();
    let mut seen = HashSet::new();
    nouns.retain(|noun| seen.insert(noun.clone()));
    if nouns.is_empty() {
        nouns.push(group_word(group).into());
    }
    PartsOfSpeech { verb: verb.unwrap_or_else(|| NO_ACTION.into()), nouns }
}

pub(super) fn group_word(group: Group) -> &'static str {
    match group {
        Group::SmileysAndEmotion => "emotion",
        Group::PeopleAndBody => "body",
        Group::AnimalsAndNature => "animals",
        Group::FoodAndDrink => "food",
        Group::TravelAndPlaces => "places",
        Group::Activities => "activities",
        Group::Objects => "objects",
        Group::Symbols => "symbols",
        Group::Flags => "flags",
    }
}

/// FNV-1a.
pub(super) fn hash(bytes: &[u8], seed: u64) -> u64 {
    bytes
        .iter()
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Vectors of words that know spelling alone: no text was read to make them.
///
/// The vector of a word (or of a fixed phrase such as `dark skin tone`) is the sum of a Gaussian vector seeded by the whole
/// and the mean of Gaussian vectors seeded by its character n-grams (3 to 4, with ends marked), scaled to length 1. So `medium skin tone`
/// is closer to `medium-dark skin tone` than to `beard`; otherwise words are nearly orthogonal.
#[derive(Debug, Default)]
pub struct WordVectors {
    seed: u64,
    known: HashMap<String, Vec<f32>>,
}

impl WordVectors {
    /// Other vectors with the same properties: another text encoder.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, known: HashMap::new() }
    }

    /// Mean of the vectors of some words.
    pub fn mean<'a>(&mut self, words: impl IntoIterator<Item = &'a str>) -> Vec<f32> {
        let (mut sum, mut count) = (vec![0.0; WORD_WIDTH], 0.0);
        for word in words {
            let vector = self.known.entry(word.to_string()).or_insert_with(|| vector(word, self.seed));
            sum.iter_mut().zip(vector).for_each(|(sum, v)| *sum += *v);
            count += 1.0f32;
        }
        sum.iter().map(|sum| sum / count.max(1.0)).collect()
    }
}

fn vector(word: &str, seed: u64) -> Vec<f32> {
    let mut sum = gaussian(word.as_bytes(), seed);
    let marked: Vec<u8> = [b"<", word.as_bytes(), b">"].concat();
    let grams: Vec<&[u8]> = (3..=4).flat_map(|n| marked.windows(n)).collect();
    let share = (grams.len().max(1) as f32).sqrt().recip();
    for gram in grams {
        sum.iter_mut().zip(gaussian(gram, seed)).for_each(|(sum, v)| *sum += share * v);
    }
    let norm = sum.iter().map(|v| v * v).sum::<f32>().sqrt();
    sum.iter().map(|v| v / norm).collect()
}

fn gaussian(bytes: &[u8], seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(hash(bytes, seed));
    let mut pair = || {
        let (u, angle): (f32, f32) = (1.0 - rng.random::<f32>(), std::f32::consts::TAU * rng.random::<f32>());
        let radius = (-2.0 * u.ln()).sqrt();
        [radius * angle.cos(), radius * angle.sin()]
    };
    (0..WORD_WIDTH / 2).flat_map(|_| pair()).collect()
}
