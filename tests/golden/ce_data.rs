//! Collaborative Experts and its relatives: batches.

use coembed::data::experts::{BatchOptions, Batcher, Captions, Expert, ExpertSplit, FeatureKind};
use coembed::matrix::MatrixView;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::support::Case;

pub fn collate_batch() {
    let case = Case::load("ce", "collate_batch");
    let videos = case.shape("output.text")[0];
    let expert = |name: &str| {
        let shape = case.shape(&format!("output.expert.{name}")).to_vec();
        let kind = match shape[..] {
            [_, max_tokens, _] => FeatureKind::Sequence { max_tokens },
            _ => FeatureKind::Fixed,
        };
        let width = *shape.last().unwrap();
        let mut expert = Expert::new(name, "fixture", kind, width);
        for video in 0..videos {
            let tensor = format!("input.video{video}.{name}");
            let values = case.has(&tensor).then(|| case.f32(&tensor));
            // The fixture has no tensor for an expert that found nothing: its metadata names it.
            let empty = case.meta("missing").contains(&format!("{name} of video{video} has 0 rows"));
            let values = values.or_else(|| empty.then(Vec::new));
            let matrix = values.as_ref().map(|values| MatrixView::new(values, values.len() / width, width).unwrap());
            expert.push(&format!("video{video}"), matrix).unwrap();
        }
        expert
    };
    let experts: Vec<Expert> = ["audio", "face", "rgb"].map(expert).into();
    let [_, _, max_words, width] = *case.shape("output.text") else { panic!("text has four axes") };
    let mut captions = Captions::new("fixture", width);
    for video in 0..videos {
        let name = format!("input.video{video}.text");
        let values = case.f32(&name);
        let caption = MatrixView::new(&values, case.shape(&name)[0], width).unwrap();
        captions.push(&format!("video{video}"), [caption]).unwrap();
    }
    let ids = (0..videos).map(|video| format!("video{video}")).collect();
    let split = ExpertSplit {
        file: "fixture".into(),
        videos: ids,
        experts,
        captions,
        sentences: vec![],
        masks: None,
        teachers: vec![],
    };
    let batcher = Batcher::new(&split, BatchOptions { max_words, ..BatchOptions::default() }).unwrap();
    let order: Vec<usize> = (0..videos).collect();
    let batch = batcher.train(&order, &mut ChaCha8Rng::seed_from_u64(0)).unwrap();
    assert_eq!(batch.text.shape, *case.shape("output.text"));
    case.compare_f32("output.text", &batch.text.values);
    case.compare("output.text_token_mask", &batch.text.words.iter().map(|n| *n as f64).collect::<Vec<_>>());
    for (expert, batch) in split.experts.iter().zip(&batch.experts) {
        let name = &expert.name;
        assert_eq!(batch.shape, case.shape(&format!("output.expert.{name}")));
        case.compare_f32(&format!("output.expert.{name}"), &batch.values);
        case.compare_f32(
            &format!("output.ind.{name}"),
            &batch.available.iter().map(|has| f32::from(u8::from(*has))).collect::<Vec<_>>(),
        );
    }
    // One caption per video: the evaluation set is the same.
    let eval = batcher.eval_set(1, &mut ChaCha8Rng::seed_from_u64(0)).unwrap();
    assert_eq!((&eval.text, format!("{:?}", eval.experts)), (&batch.text, format!("{:?}", batch.experts)));
    assert!(eval.query_masks.as_slice().iter().all(|mask| *mask == 1.0));
    case.finish();
}
