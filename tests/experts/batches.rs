//! Splits in memory and batches of them.

use coembed::data::experts::{
    AvailabilityRule, BatchOptions, Batcher, Expert, ExpertSplit, ExpertsError, FeatureKind, MissingRows,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::support::{captions, constant, masks, split, teacher};

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn options() -> BatchOptions {
    BatchOptions { max_words: 4, ..BatchOptions::default() }
}

#[track_caller]
fn refused(split: &ExpertSplit, message: &str) {
    assert_eq!(split.check().unwrap_err().to_string(), message);
}

#[test]
fn a_sound_split_passes() {
    let mut split = split();
    split.masks = Some(masks(&[&[true, false], &[true; 3], &[true]]));
    split.teachers = vec![teacher(&[2, 3, 1])];
    split.check().unwrap();
}

#[test]
fn nan_in_an_available_expert_names_video_expert_and_file() {
    let mut split = split();
    let mut scene = Expert::new("scene", "scene.pkl", FeatureKind::Fixed, 3);
    (0..3).for_each(|v| scene.push("v", Some(constant([0.0, f32::NAN, 1.0][v], 1, 3).view())).unwrap());
    split.experts[1] = scene;
    refused(&split, r#"scene.pkl: video "v1", expert "scene": row 0, column 0 is NaN"#);
}

#[test]
fn wrong_widths_and_rows_are_refused_when_they_come_in() {
    let mut scene = Expert::new("scene", "scene.pkl", FeatureKind::Fixed, 3);
    let error = scene.push("v7", Some(constant(0.0, 1, 4).view())).unwrap_err();
    assert_eq!(error.to_string(), r#"scene.pkl: video "v7", expert "scene": width 3 expected, found 4"#);
    let error = scene.push("v7", Some(constant(0.0, 2, 3).view())).unwrap_err();
    assert_eq!(error.to_string(), r#"scene.pkl: video "v7", expert "scene": one vector expected, found 2"#);
    let mut captions = captions(&[1], 3);
    let own = [constant(0.0, 1, 2), constant(0.0, 1, 5)];
    let error = captions.push("v1", own.iter().map(|caption| caption.view())).unwrap_err();
    assert_eq!(error.to_string(), r#"text.pkl: video "v1", caption 1: width 2 expected, found 5"#);
    assert_eq!((captions.videos(), captions.total()), (1, 1));
}

#[test]
fn videos_without_experts_captions_or_words_are_named() {
    let mut alone = split();
    alone.experts.truncate(1);
    refused(&alone, r#"video "v1" has none of the experts audio"#);
    let mut silent = split();
    silent.captions = captions(&[2, 0, 1], 3);
    refused(&silent, r#"text.pkl: video "v1" has no caption"#);
    silent.captions = captions(&[2, 3, 1], 0);
    refused(&silent, r#"text.pkl: video "v0", caption 0 has no words"#);
}

#[test]
fn repeated_names_and_other_numbers_of_videos_are_refused() {
    let mut twice = split();
    twice.videos[2] = "v0".into();
    refused(&twice, r#"list.txt: video "v0" is listed twice"#);
    let mut twice = split();
    twice.experts[1].name = "audio".into();
    refused(&twice, r#"expert "audio" is there twice"#);
    let mut short = split();
    short.captions = captions(&[2, 3], 3);
    refused(&short, "text.pkl: 3 videos, captions, expected, found 2");
    let mut short = split();
    short.sentences[0].pop();
    refused(&short, r#"text.pkl: video "v0", sentences: 2 entries, one per caption, expected, found 1"#);
}

#[test]
fn masks_and_teachers_must_fit_the_captions() {
    let mut masked = split();
    masked.masks = Some(masks(&[&[true, false], &[false; 3], &[true]]));
    refused(&masked, r#"masks.pkl: video "v1": the caption mask is all zero"#);
    masked.masks = Some(masks(&[&[true], &[true; 3], &[true]]));
    refused(&masked, r#"masks.pkl: video "v0", caption mask: 2 entries, one per caption, expected, found 1"#);
    let mut taught = split();
    taught.teachers = vec![teacher(&[2, 2, 1])];
    refused(
        &taught,
        r#"teacher.pkl: video "v1", text embeddings of expert "scene": 3 entries, one per caption, expected, found 2"#,
    );
    taught.teachers = vec![teacher(&[2, 3])];
    refused(&taught, r#"teacher.pkl: 3 videos, video embeddings of expert "scene", expected, found 2"#);
}

#[test]
fn the_same_seed_gives_the_same_batch_and_captions_are_drawn_from_all() {
    let split = split();
    let batcher = Batcher::new(&split, options()).unwrap();
    let batch = |seed| format!("{:?}", batcher.train(&[2, 1, 0], &mut rng(seed)).unwrap());
    assert_eq!(batch(3), batch(3));
    let mut seen = [0; 3];
    for seed in 0..300 {
        let batch = batcher.train(&[1], &mut rng(seed)).unwrap();
        seen[batch.captions[0]] += 1;
        assert_eq!(batch.text.values[0], (11 + batch.captions[0]) as f32);
    }
    assert!(seen.iter().all(|count| (70..130).contains(count)), "{seen:?}");
}

#[test]
fn masked_captions_are_never_drawn() {
    let mut split = split();
    split.masks = Some(masks(&[&[true, true], &[true, false, true], &[true]]));
    let batcher = Batcher::new(&split, options()).unwrap();
    let drawn: Vec<usize> = (0..50).map(|seed| batcher.train(&[1], &mut rng(seed)).unwrap().captions[0]).collect();
    assert!(drawn.contains(&0) && drawn.contains(&2) && !drawn.contains(&1));
}

#[test]
fn several_captions_and_teachers_go_in_step() {
    let mut split = split();
    split.teachers = vec![teacher(&[2, 3, 1])];
    let batcher = Batcher::new(&split, BatchOptions { captions_per_video: 4, ..options() }).unwrap();
    let batch = batcher.train(&[1, 0], &mut rng(1)).unwrap();
    assert_eq!((batch.text.shape, batch.captions.len()), ([2, 4, 4, 2], 8));
    let teacher = &batch.teachers[0][0];
    assert_eq!(teacher.video.as_slice(), [1.0, 1.0, 0.0, 0.0]);
    for row in 0..8 {
        assert_eq!(teacher.text.row(row)[0], batch.text.values[row * 8], "row {row}");
    }
}

#[test]
fn missing_experts_are_nan_or_zero_and_availability_follows_the_option() {
    let split = split();
    let audio = |options: BatchOptions| Batcher::new(&split, options).unwrap().train(&[0, 1, 2], &mut rng(0)).unwrap();
    let sound = audio(options()).experts.remove(0);
    assert_eq!((&sound.shape[..], &sound.tokens[..]), (&[3, 3, 2][..], &[2, 0, 0][..]));
    assert_eq!(sound.values[..6], [5.0, 5.0, 5.0, 5.0, 0.0, 0.0]);
    assert!(sound.values[6..12].iter().all(|value| value.is_nan()));
    assert_eq!(sound.values[12..], [0.0; 6]);
    assert_eq!(sound.available, [true, false, true]);
    let published = audio(BatchOptions { availability: AvailabilityRule::AssumedUnlessFlaky, ..options() });
    assert_eq!(published.experts[0].available, [true; 3]);
    let zeros = audio(BatchOptions { missing: MissingRows::Zeros, ..options() });
    assert_eq!(zeros.experts[0].values[6..12], [0.0; 6]);
    let mut flaky = split.clone();
    flaky.experts[0].flaky = true;
    let published = BatchOptions { availability: AvailabilityRule::AssumedUnlessFlaky, ..options() };
    let batch = Batcher::new(&flaky, published).unwrap().train(&[0, 1, 2], &mut rng(0)).unwrap();
    assert_eq!(batch.experts[0].available, [true, false, true]);
}

#[test]
fn noise_keeps_what_is_missing_and_ones_keep_the_padding() {
    let split = split();
    let names = || vec!["audio".to_owned()];
    let noisy = Batcher::new(&split, BatchOptions { randomise: names(), ..options() }).unwrap();
    let batch = noisy.train(&[0, 1], &mut rng(0)).unwrap();
    let audio = &batch.experts[0].values;
    assert!(audio[..6].iter().all(|value| *value != 5.0 && *value != 0.0) && audio[6..].iter().all(|v| v.is_nan()));
    assert_eq!(batch.experts[1].values[3..], [1.0; 3]);
    let binary = Batcher::new(&split, BatchOptions { binarise: names(), ..options() }).unwrap();
    let audio = binary.train(&[0, 1], &mut rng(0)).unwrap().experts.remove(0);
    assert_eq!(audio.values[..6], [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
    let unknown = Batcher::new(&split, BatchOptions { binarise: vec!["face".into()], ..options() }).unwrap_err();
    assert_eq!(unknown.to_string(), r#"binarise: one of the experts audio, scene expected, got "face""#);
}

#[test]
fn text_dropout_thins_captions_with_its_probability() {
    let mut split = split();
    split.sentences.clear();
    split.captions = captions(&[1, 1, 1], 40);
    let options = BatchOptions { max_words: 40, text_dropout: 0.3, ..BatchOptions::default() };
    let batcher = Batcher::new(&split, options).unwrap();
    let words: Vec<usize> = (0..1000).map(|seed| batcher.train(&[0], &mut rng(seed)).unwrap().text.words[0]).collect();
    let thinned: Vec<usize> = words.into_iter().filter(|&words| words < 40).collect();
    assert!((250..350).contains(&thinned.len()), "{}", thinned.len());
    let mean = thinned.iter().sum::<usize>() as f64 / thinned.len() as f64;
    assert!((mean - 20.0).abs() < 1.0, "{mean}");
}

#[test]
fn fused_captions_follow_each_other_and_are_not_thinned() {
    let mut split = split();
    split.fuse_captions();
    assert_eq!(split.sentences[1], ["c d e"]);
    let error = Batcher::new(&split, BatchOptions { text_dropout: 0.1, ..options() }).unwrap_err();
    assert_eq!(error.to_string(), "text_dropout: 0, since the captions are fused, expected, got 0.1");
    split.teachers = vec![teacher(&[1, 1, 1])];
    let batcher = Batcher::new(&split, options()).unwrap();
    let batch = batcher.train(&[1], &mut rng(0)).unwrap();
    assert_eq!(batch.text.values, [11.0, 11.0, 11.0, 11.0, 11.0, 11.0, 12.0, 12.0]);
    assert_eq!(batcher.eval_set(1, &mut rng(0)).unwrap().query_masks.as_slice(), [1.0; 3]);
}

#[test]
fn restricted_and_chosen_captions_take_masks_and_teachers_along() {
    let mut restricted = split();
    restricted.masks = Some(masks(&[&[true, false], &[true, false, true], &[true]]));
    restricted.teachers = vec![teacher(&[2, 3, 1])];
    let mut chosen = restricted.clone();
    restricted.restrict_captions(2);
    restricted.check().unwrap();
    assert_eq!((0..3).map(|v| restricted.captions.count(v)).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(restricted.sentences[1], ["c", "d"]);
    assert_eq!(restricted.masks.as_ref().unwrap().videos[1], [true, false]);
    chosen.choose_captions(&[0, 2, 0]).unwrap();
    chosen.check().unwrap();
    assert_eq!(chosen.sentences[1], ["e"]);
    assert_eq!(chosen.captions.get(1, 0).unwrap().as_slice(), [13.0; 6]);
    assert_eq!(chosen.teachers[0].experts[0].text.get(1).unwrap().as_slice(), [13.0, 13.0]);
    let error = chosen.choose_captions(&[0, 1, 0]).unwrap_err();
    assert_eq!(error.to_string(), r#"text.pkl: video "v1": caption 1 wanted, it has 1"#);
    assert!(matches!(chosen.choose_captions(&[0]), Err(ExpertsError::Size { expected: 3, found: 1, .. })));
}

#[test]
fn ragged_captions_are_padded_and_masked_at_evaluation() {
    let split = split();
    let batcher = Batcher::new(&split, options()).unwrap();
    let eval = batcher.eval_set(2, &mut rng(0)).unwrap();
    assert_eq!(eval.text.shape, [3, 2, 4, 2]);
    assert_eq!(eval.text.words, [3, 3, 3, 3, 3, 0]);
    assert_eq!(eval.query_masks.as_slice(), [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    assert_eq!(eval.text.values[40..], [0.0; 8]);
    // In chunks, the same.
    let chunks: Vec<f32> = [0..2, 2..3]
        .into_iter()
        .flat_map(|videos| batcher.eval_text(&videos.collect::<Vec<_>>(), 2).unwrap().values)
        .collect();
    assert_eq!(chunks, eval.text.values);
    assert_eq!(batcher.eval_text(&[3], 2).unwrap_err().to_string(), "video 3 asked for, the split has 3");
    assert!(batcher.eval_set(0, &mut rng(0)).is_err());
}
