//! A small split whose values say where they come from.

use coembed::data::experts::{
    CaptionMasks, Captions, Expert, ExpertSplit, FeatureKind, Ragged, Teacher, TeacherExpert,
};
use coembed::matrix::{Matrix, MatrixView};

/// A matrix of one value.
pub fn constant(value: f32, rows: usize, cols: usize) -> Matrix<f32> {
    Matrix::from_fn(rows, cols, |_, _| value)
}

pub fn captions(counts: &[usize], words: usize) -> Captions {
    let mut captions = Captions::new("text.pkl", 2);
    for (video, &count) in counts.iter().enumerate() {
        let own: Vec<Matrix<f32>> = (0..count).map(|c| constant((10 * video + c + 1) as f32, words, 2)).collect();
        captions.push(&format!("v{video}"), own.iter().map(Matrix::view)).unwrap();
    }
    captions
}

/// Three videos: `audio` is a sequence (2 vectors, missing, empty), `scene` is fixed and always there. 2, 3 and 1 captions of 3 words each,
/// caption `c` of video `v` being all `10 v + c + 1`.
pub fn split() -> ExpertSplit {
    let mut audio = Expert::new("audio", "audio.pkl", FeatureKind::Sequence { max_tokens: 3 }, 2);
    audio.push("v0", Some(constant(5.0, 2, 2).view())).unwrap();
    audio.push("v1", None).unwrap();
    audio.push("v2", Some(MatrixView::new(&[], 0, 2).unwrap())).unwrap();
    let mut scene = Expert::new("scene", "scene.pkl", FeatureKind::Fixed, 3);
    (0..3).for_each(|v| scene.push(&format!("v{v}"), Some(constant(v as f32, 1, 3).view())).unwrap());
    ExpertSplit {
        file: "list.txt".into(),
        videos: ["v0", "v1", "v2"].map(String::from).into(),
        experts: vec![audio, scene],
        captions: captions(&[2, 3, 1], 3),
        sentences: ["a b", "c d e", "f"].map(|words| words.split(' ').map(String::from).collect()).into(),
        masks: None,
        teachers: vec![],
    }
}

/// A teacher whose text embedding of caption `c` of video `v` is `10 v + c + 1`, as the words of [`captions`].
pub fn teacher(counts: &[usize]) -> Teacher {
    let mut text = Ragged::new(2);
    for (video, &count) in counts.iter().enumerate() {
        text.push(Matrix::from_fn(count, 2, |c, _| (10 * video + c + 1) as f32).view()).unwrap();
    }
    let video = Matrix::from_fn(counts.len(), 2, |v, _| v as f32);
    Teacher { file: "teacher.pkl".into(), experts: vec![TeacherExpert { name: "scene".into(), video, text }] }
}

pub fn masks(videos: &[&[bool]]) -> CaptionMasks {
    CaptionMasks { file: "masks.pkl".into(), videos: videos.iter().map(|mask| mask.to_vec()).collect() }
}
