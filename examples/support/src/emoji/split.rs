//! Items dealt to splits, as the library's types.

use std::collections::BTreeMap;

use coembed::data::FiniteMatrix;
use coembed::data::relational::sampling::{ClassKey, ClassTable};
use coembed::data::relational::{EvalSplit, Features, PerLevel, Relations, TrainSplit};
use coembed::matrix::Matrix;
use coembed::relevance::{Classes, EmptyUnion, Level, sparse_relevance};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::words::{WORD_WIDTH, WordVectors};
use super::{EmojiData, EmojiError, Item, Names, VIDEO_WIDTH, digest};

/// Who goes where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Split {
    /// 70 % of the items, drawn at random, are to train on, 10 % to validate, 20 % to test.
    #[default]
    Random,
    /// The same shares, by whole actions: none is in two splits.
    UnseenAction,
}

/// Added to deviations, so that what hardly ever varies is not blown up.
const FLOOR: f32 = 0.01;
/// Shares of training and validation.
const SHARES: [f64; 2] = [0.7, 0.1];

/// Deals items to splits; [`load`](super::load) is [`items`](super::items) and this.
///
/// # Errors
/// [`EmojiError`].
pub fn deal(items: &[Item], split: Split, seed: u64) -> Result<EmojiData, EmojiError> {
    // What must stay together: an item, or all items of an action.
    let mut groups: BTreeMap<(&str, usize), Vec<&Item>> = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        let key = match split {
            Split::Random => ("", at),
            Split::UnseenAction => (item.parts.verb.as_str(), 0),
        };
        groups.entry(key).or_default().push(item);
    }
    let mut groups: Vec<Vec<&Item>> = groups.into_values().collect();
    groups.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let [mut train, mut validation, mut test] = [vec![], vec![], vec![]];
    let full = SHARES.map(|share| (share * items.len() as f64).round() as usize);
    // Test and validation take whole groups until they are full; what is left is to train on.
    for group in groups {
        if test.len() + full[0] + full[1] < items.len() {
            test.extend(group);
        } else if validation.len() < full[1] {
            validation.extend(group);
        } else {
            train.extend(group);
        }
    }
    let names = |items: &[&Item]| items.iter().map(|item| item.name).collect();
    let (scale, mut vectors) = (Scale::new(&train), WordVectors::default());
    Ok(EmojiData {
        names: Names { train: names(&train), validation: names(&validation), test: names(&test) },
        digest: digest([&train, &validation, &test]),
        train: TrainSplit { features: features(&train, &scale, &mut vectors)?, relations: relations(&train) },
        validation: eval_split(&validation, &scale, &mut vectors)?,
        test: eval_split(&test, &scale, &mut vectors)?,
    })
}

/// Mean and deviation of every feature over the training split, by which all splits are scaled. The training split alone
/// decides, so nothing of the others leaks in; unscaled features are those of [`Item`].
struct Scale(Vec<[f32; 2]>);

impl Scale {
    fn new(items: &[&Item]) -> Self {
        let count = items.len().max(1) as f64;
        let of_column = |column: usize| {
            let mean = items.iter().map(|item| f64::from(item.features[column])).sum::<f64>() / count;
            let square = |item: &&Item| (f64::from(item.features[column]) - mean).powi(2);
            let deviation = (items.iter().map(square).sum::<f64>() / count).sqrt();
            [mean as f32, deviation as f32]
        };
        Self((0..VIDEO_WIDTH).map(of_column).collect())
    }

    fn apply(&self, item: &Item, column: usize) -> f32 {
        let [mean, deviation] = self.0[column];
        (item.features[column] - mean) / (deviation + FLOOR)
    }
}

fn features(items: &[&Item], scale: &Scale, vectors: &mut WordVectors) -> Result<Features, EmojiError> {
    let mut text = |words: &dyn Fn(&Item) -> Vec<String>| {
        let rows: Vec<Vec<f32>> =
            items.iter().map(|item| vectors.mean(words(item).iter().map(String::as_str))).collect();
        FiniteMatrix::new(Matrix::from_fn(items.len(), WORD_WIDTH, |row, column| rows[row][column]))
    };
    // A whole caption is its action and its things: it tells a model no more and no less than both parts together.
    let verb = |item: &Item| vec![item.parts.verb.clone()];
    let noun = |item: &Item| item.parts.nouns.clone();
    Ok(Features {
        video: Matrix::from_fn(items.len(), VIDEO_WIDTH, |row, column| scale.apply(items[row], column)).try_into()?,
        text: PerLevel {
            verb: text(&verb)?,
            noun: text(&noun)?,
            action: text(&|item| [verb(item), noun(item)].concat())?,
        },
    })
}

/// Class tables as in the relational files of EPIC-Kitchens-100 with all nouns: verbs by verb, nouns by every noun, captions
/// by verb and *first* noun; margins from all classes.
fn relations(items: &[&Item]) -> PerLevel<Relations> {
    let relations = |keys: &dyn Fn(&Item) -> Vec<ClassKey>, classes: &dyn Fn(&Item) -> Classes| {
        let table = ClassTable::from_items(items.iter().map(|item| keys(item)).collect());
        let classes: Vec<Classes> = items.iter().map(|item| classes(item)).collect();
        Relations { video: table.clone(), text: table, video_classes: classes.clone(), text_classes: classes }
    };
    PerLevel {
        verb: relations(&|item| vec![ClassKey::Id(item.verb)], &|item| Classes {
            verbs: item.classes().verbs,
            ..Classes::default()
        }),
        noun: relations(&|item| item.nouns.iter().copied().map(ClassKey::Id).collect(), &|item| Classes {
            nouns: item.classes().nouns,
            ..Classes::default()
        }),
        action: relations(&|item| vec![ClassKey::Action(format!("{}_{}", item.verb, item.nouns[0]))], &|item| {
            item.classes()
        }),
    }
}

fn eval_split(items: &[&Item], scale: &Scale, vectors: &mut WordVectors) -> Result<EvalSplit, EmojiError> {
    let classes: Vec<Classes> = items.iter().map(|item| item.classes()).collect();
    let relevance =
        PerLevel::try_from_fn(|level: Level| sparse_relevance(&classes, &classes, level, EmptyUnion::Zero))?;
    let ground_truth = Some((0..items.len()).map(|row| vec![row]).collect());
    Ok(EvalSplit { features: features(items, scale, vectors)?, relevance, ground_truth })
}
