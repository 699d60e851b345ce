//! The data set that needs no download, and the baseline trained on it.

use std::collections::HashSet;
use std::sync::LazyLock;

use coembed::data::relational::LEVELS;
use coembed::recipes::relmargin::{EpochSampler, Options, RelMarginDataset};
use coembed_examples::baseline::{BaselineOptions, TwoTowers, chance};
use coembed_examples::emoji::{self, EmojiData, Group, Item, Split, parts_of_speech};

static RANDOM: LazyLock<EmojiData> = LazyLock::new(|| emoji::deal(&ITEMS, Split::Random, 0).unwrap());
static UNSEEN: LazyLock<EmojiData> = LazyLock::new(|| emoji::deal(&ITEMS, Split::UnseenAction, 0).unwrap());
static ITEMS: LazyLock<Vec<Item>> = LazyLock::new(|| emoji::items(0).unwrap());

fn splits() -> [&'static EmojiData; 2] {
    [&RANDOM, &UNSEEN]
}

#[test]
fn the_same_seed_makes_the_same_data() {
    let again = emoji::load(Split::Random, 0).unwrap();
    assert_eq!(again.digest, RANDOM.digest);
    assert_eq!(again.train, RANDOM.train);
    assert_ne!(RANDOM.digest, UNSEEN.digest);
}

#[test]
fn the_camera_changes_every_feature_row_and_nothing_else() {
    let moved = emoji::items(1).unwrap();
    let distance =
        |a: &Item, b: &Item| -> f32 { a.features.iter().zip(&b.features).map(|(a, b)| (a - b).powi(2)).sum() };
    let (mut same, mut other) = (0.0, 0.0);
    for (at, (a, b)) in ITEMS.iter().zip(&moved).enumerate() {
        assert_eq!((a.name, a.verb, &a.nouns), (b.name, b.verb, &b.nouns));
        assert_ne!(a.features, b.features, "{}", a.name);
        same += distance(a, b);
        other += distance(a, &moved[(at + ITEMS.len() / 2) % ITEMS.len()]);
    }
    assert!(3.0 * same < other, "films of the same picture are {same} apart, of different pictures {other}");
}

#[test]
fn there_are_about_3900_pictures_with_different_names() {
    assert!((3_800..4_100).contains(&ITEMS.len()), "{}", ITEMS.len());
    let names: HashSet<&str> = ITEMS.iter().map(|item| item.name).collect();
    assert_eq!(names.len(), ITEMS.len());
    for item in ITEMS.iter() {
        assert_eq!(item.features.len(), emoji::VIDEO_WIDTH);
        assert!(item.features.iter().all(|value| value.is_finite()), "{}", item.name);
        assert!(!item.nouns.is_empty() && !item.parts.nouns.is_empty() && !item.parts.verb.is_empty(), "{}", item.name);
    }
}

#[test]
fn experts_are_contiguous_slices() {
    let emoji::Experts { appearance, motion, shape } = emoji::EXPERTS;
    assert_eq!(
        (appearance.start, appearance.end, motion.end, shape.end),
        (0, motion.start, shape.start, emoji::VIDEO_WIDTH)
    );
    for expert in [appearance, motion, shape] {
        assert!(ITEMS.iter().all(|item| item.features[expert.clone()].iter().any(|value| *value != 0.0)));
    }
}

#[test]
fn splits_pass_their_checks_and_share_nothing() {
    for data in splits() {
        data.train.check().unwrap();
        data.validation.check().unwrap();
        data.test.check().unwrap();
        let parts = [&data.names.train, &data.names.validation, &data.names.test];
        let distinct: HashSet<&str> = parts.into_iter().flatten().copied().collect();
        let sizes = parts.map(Vec::len);
        assert_eq!((distinct.len(), sizes.iter().sum()), (ITEMS.len(), ITEMS.len()));
        for (size, share) in sizes.into_iter().zip([0.7, 0.1, 0.2]) {
            assert!((size as f64 / ITEMS.len() as f64 - share).abs() < 0.05, "{sizes:?}");
        }
        for (split, names) in [(&data.validation, &data.names.validation), (&data.test, &data.names.test)] {
            let truth = split.ground_truth.as_ref().unwrap();
            assert_eq!(*truth, (0..names.len()).map(|row| vec![row]).collect::<Vec<_>>());
            let relevance = split.relevance.action.to_dense();
            assert!((0..names.len()).all(|row| relevance.row(row)[row] == 1.0));
        }
    }
}

#[test]
fn no_action_is_in_two_unseen_action_splits() {
    let verbs = |names: &[&str]| -> HashSet<i64> {
        let names: HashSet<&str> = names.iter().copied().collect();
        ITEMS.iter().filter(|item| names.contains(item.name)).map(|item| item.verb).collect()
    };
    let [train, validation, test] =
        [&UNSEEN.names.train, &UNSEEN.names.validation, &UNSEEN.names.test].map(|names| verbs(names));
    assert!(train.is_disjoint(&test) && train.is_disjoint(&validation) && validation.is_disjoint(&test));
    assert!(!verbs(&RANDOM.names.train).is_disjoint(&verbs(&RANDOM.names.test)));
}

#[test]
fn every_anchor_has_positives_and_negatives() {
    let options = Options { dataset: RelMarginDataset::Given, rel_margin: true, num_triplets: 1, ..Options::default() };
    for data in splits() {
        for level in LEVELS {
            let relations = data.train.relations.get(level);
            EpochSampler::new(&options, level, 0).begin_epoch(relations, 0).unwrap();
            assert!(
                relations.video_classes.iter().all(|classes| !classes.verbs.is_empty() || !classes.nouns.is_empty())
            );
        }
    }
}

#[test]
fn names_are_taken_apart_as_documented() {
    use Group::{AnimalsAndNature, Flags, PeopleAndBody, SmileysAndEmotion};
    for (name, group, verb, nouns) in [
        ("woman running: dark skin tone", PeopleAndBody, "running", &["dark skin tone", "woman"][..]),
        ("men wrestling", PeopleAndBody, "wrestling", &["man"]),
        ("man: medium skin tone, red hair", PeopleAndBody, "portrait", &["medium skin tone", "red hair", "man"]),
        ("woman in manual wheelchair facing right", PeopleAndBody, "wheelchair", &["facing right", "woman", "manual"]),
        ("kiss: woman, man", PeopleAndBody, "kiss", &["woman", "man"]),
        ("health worker", PeopleAndBody, "worker", &["health"]),
        ("raised fist", PeopleAndBody, "raised", &["fist"]),
        ("grinning cat with smiling eyes", SmileysAndEmotion, "grinning", &["cat", "smiling", "eyes"]),
        ("heart with arrow", SmileysAndEmotion, "heart", &["arrow"]),
        ("dog", AnimalsAndNature, "dog", &["animals"]),
        ("flag: France", Flags, "flag", &["france"]),
    ] {
        let parts = parts_of_speech(name, group);
        assert_eq!(
            (parts.verb.as_str(), parts.nouns.iter().map(String::as_str).collect::<Vec<_>>()),
            (verb, nouns.to_vec())
        );
    }
}

#[test]
fn rare_things_count_as_their_group() {
    let item = |name| ITEMS.iter().find(|item| item.name == name).unwrap();
    assert_eq!(item("flag: France").nouns, item("flag: Kenya").nouns);
    assert_ne!(item("man running").nouns, item("woman running").nouns);
    let tone = item("man running: dark skin tone");
    assert_eq!((tone.verb, tone.nouns.len()), (item("man running").verb, 2));
}

#[test]
fn the_baseline_learns() {
    let options = BaselineOptions { epochs: 5, batch_size: 256, learning_rate: 0.005, ..BaselineOptions::default() };
    let towers = TwoTowers::train(&RANDOM.train, &options).unwrap();
    let (scores, chance) = (towers.evaluate(&RANDOM.validation).unwrap(), chance(&RANDOM.validation, 0).unwrap());
    assert!(scores.ndcg > 2.0 * chance.ndcg && scores.map > 4.0 * chance.map, "{scores:?} {chance:?}");
    assert!(scores.t2v_r1 > 10.0 && chance.t2v_r1 < 2.0, "{scores:?} {chance:?}");
}
