//! Reading of captions, their text, masks, and teachers.

use std::path::{Path, PathBuf};

use super::error::{ExpertFolderError, Result};
use super::source::Source;
use super::{dataset, locate, values};
use crate::data::experts::{CaptionMasks, Captions, ExpertSplit, ExpertsError, Ragged, Teacher, TeacherExpert};
use crate::data::reader::{FileError, FileProblem, array_problem};
use crate::formats::ndarray::{ArrayData, ArrayError};
use crate::formats::pickle::{AccessError, At, Value};
use crate::matrix::{Matrix, MatrixView};

type Problem<T> = std::result::Result<T, FileProblem>;

impl Source<'_> {
    /// Word vectors and text of the captions of all splits.
    pub fn captions(&mut self, splits: &mut [ExpertSplit]) -> Result<()> {
        let names = self.names()?;
        let what = format!("text features of {:?}", self.options.text_encoder);
        let existing = self.files.text.iter().map(|path| locate::existing(&what, path));
        let paths: Vec<PathBuf> = existing.collect::<std::result::Result<_, _>>()?;
        let file = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" + ");
        let mut trees = Vec::with_capacity(paths.len());
        for path in paths {
            let tree = self.tree(&path)?;
            trees.push((path, tree));
        }
        let known = dataset::text_width(&self.options.text_encoder).filter(|_| self.options.text_files.is_empty());
        let mut width = known;
        for split in &mut *splits {
            let mut captions: Option<Captions> = None;
            for video in &split.videos {
                let (path, at) = find(&trees, video, &names)?;
                let own = caption_list(&at).map_err(|problem| FileError::file(path, problem))?;
                let found = own.iter().map(Matrix::cols).find(|cols| *cols > 0);
                let width = *width.get_or_insert(found.unwrap_or(0));
                // A caption without words need not know its width: `check` refuses it by name.
                let view = |caption| if Matrix::rows(caption) == 0 { empty(width) } else { Some(caption.view()) };
                let captions = captions.get_or_insert_with(|| Captions::new(&file, width));
                captions.push(video, own.iter().filter_map(view))?;
            }
            split.captions = captions.unwrap_or_else(|| Captions::new(&file, 0));
        }
        drop(trees);
        self.sentences(splits, &names)
    }

    /// Masks and teachers; restricted and fused captions.
    pub fn finish_training(&mut self, split: &mut ExpertSplit) -> Result<()> {
        let options = self.options;
        if let Some(masks) = &self.files.caption_masks {
            split.masks = Some(self.masks(masks, &split.videos)?);
        }
        // Teachers of fused captions have one caption per video; of others, all captions.
        if options.fuse_captions {
            self.restrict(split);
            split.fuse_captions();
        }
        for teacher in &self.files.teachers {
            split.teachers.push(self.teacher(teacher, &split.videos)?);
        }
        split.check()?;
        if !options.fuse_captions {
            self.restrict(split);
            split.check()?;
        }
        Ok(())
    }

    /// The caption that is evaluated, or fused captions.
    pub fn finish_evaluation(&mut self, split: &mut ExpertSplit) -> Result<()> {
        if let Some(index) = &self.files.caption_index {
            let path = locate::existing("the captions that are evaluated", index)?;
            let tree = self.tree(&path)?;
            let number = |video: &String| {
                let at = tree.as_dict()?.get(video)?;
                let wrong = |found| AccessError { path: at.path(), expected: "caption index".into(), found };
                usize::try_from(at.as_i64()?).map_err(|_| wrong("negative number".into()))
            };
            let chosen: std::result::Result<Vec<usize>, _> = split.videos.iter().map(number).collect();
            split.choose_captions(&chosen.map_err(|problem| FileError::file(&path, problem))?)?;
        }
        if self.options.fuse_captions {
            split.fuse_captions();
        }
        Ok(split.check()?)
    }

    fn restrict(&self, split: &mut ExpertSplit) {
        let count = self.options.restrict_train_captions.filter(|_| self.restricts_captions());
        count.iter().for_each(|&count| split.restrict_captions(count));
    }

    /// Other names of videos, in both directions.
    fn names(&mut self) -> Result<Names, FileError> {
        // Text features of one's own may have the names in the lists.
        let own = !self.options.text_files.is_empty();
        let Some(path) = self.files.names.as_ref().filter(|path| !own || path.is_file()) else {
            return Ok(Names::default());
        };
        let path = locate::existing("other names of the videos", path)?;
        let tree = self.tree(&path)?;
        Names::new(&tree).map_err(|problem| FileError::file(&path, problem))
    }

    /// The captions as text. Where they are for display only and there are none, or others, they are left out with a warning.
    fn sentences(&mut self, splits: &mut [ExpertSplit], names: &Names) -> Result<()> {
        let (path, needed) = (&self.files.sentences, self.options.needs_sentences);
        if !path.is_file() && !needed {
            self.reader.warnings.push(format!("{}: not there, sentences will not be shown", path.display()));
            return Ok(());
        }
        let trees = [(path.clone(), self.tree(path)?)];
        for split in splits {
            match sentences_of(split, &trees, names) {
                Ok(all) => split.sentences = all,
                Err(error) if needed => return Err(error),
                Err(why) => self.reader.warnings.push(format!("{why}: not used, sentences will not be shown")),
            }
        }
        Ok(())
    }

    fn masks(&mut self, file: &Path, videos: &[String]) -> Result<CaptionMasks> {
        let path = locate::existing("caption masks", file)?;
        let tree = self.tree(&path)?;
        let own = |video: &String| mask(&tree.as_dict()?.get(video)?);
        let masks: Problem<Vec<_>> = videos.iter().map(own).collect();
        let videos = masks.map_err(|problem| FileError::file(&path, problem))?;
        Ok(CaptionMasks { file: path.display().to_string(), videos })
    }

    fn teacher(&mut self, file: &Path, videos: &[String]) -> Result<Teacher> {
        let path = locate::existing("embeddings of a teacher", file)?;
        let tree = self.tree(&path)?;
        let experts = teacher_experts(&tree, videos).map_err(|problem| FileError::file(&path, problem))?;
        Ok(Teacher { file: path.display().to_string(), experts })
    }
}

/// Names of videos in the lists and keys of the text features, in both directions.
#[derive(Default)]
struct Names(std::collections::HashMap<String, String>);

impl Names {
    fn new(tree: &Value) -> Problem<Self> {
        let mut names = std::collections::HashMap::new();
        for (key, value) in tree.as_dict()?.iter() {
            let (key, value) = (key.as_str()?.to_owned(), value.as_str()?.to_owned());
            names.insert(value.clone(), key.clone());
            names.insert(key, value);
        }
        Ok(Self(names))
    }
}

/// The entry of a video, under its own or its other name, in the last file that has one.
fn find<'t>(trees: &'t [(PathBuf, Value)], video: &str, names: &Names) -> Result<(&'t Path, At<'t>)> {
    let other = names.0.get(video).map(String::as_str);
    let mut missing = None;
    for (path, tree) in trees.iter().rev() {
        let failed = |problem: AccessError| FileError::file(path, problem);
        let dict = tree.as_dict().map_err(failed)?;
        if let Some(at) = dict.find(video).or_else(|| dict.find(other?)) {
            return Ok((path, at));
        }
        missing = missing.or_else(|| dict.get(video).err().map(failed));
    }
    let nothing = || ExpertsError::Empty { file: String::new(), what: "text features" }.into();
    Err(missing.map_or_else(nothing, ExpertFolderError::from))
}

fn empty<'m>(width: usize) -> Option<MatrixView<'m, f32>> {
    MatrixView::new(&[], 0, width).ok()
}

/// Captions of a video: a list of arrays, or one array `(captions, tokens, width)`.
fn caption_list(at: &At<'_>) -> Problem<Vec<Matrix<f32>>> {
    if let Value::Array(array) = at.value() {
        let failed = |problem: ArrayError| array_problem(&at.path(), problem);
        if let ArrayData::Object(items) = array.data() {
            return items.iter().map(|item| caption(&item.at())).collect();
        }
        let &[captions, tokens, width] = array.shape() else {
            let (actual, shape) = (array.dtype(), array.shape().to_vec());
            return Err(failed(ArrayError::Dimensions { expected: 3, actual, shape }));
        };
        let values = array.to_f32_vec().map_err(failed)?;
        let one = |caption: usize| values[caption * tokens * width..][..tokens * width].to_vec();
        let matrix = |caption| Matrix::new(one(caption), tokens, width);
        let wrong = |_| failed(ArrayError::Shape(array.shape().to_vec()));
        return (0..captions).map(matrix).collect::<std::result::Result<_, _>>().map_err(wrong);
    }
    at.as_list()?.iter().map(|item| caption(&item)).collect()
}

fn caption(at: &At<'_>) -> Problem<Matrix<f32>> {
    let nothing =
        || AccessError { path: at.path(), expected: "word vectors".into(), found: at.value().type_name().into() };
    Ok(values::rows(at)?.ok_or_else(nothing)?)
}

/// As many sentences for every video as it has captions.
fn sentences_of(split: &ExpertSplit, trees: &[(PathBuf, Value)], names: &Names) -> Result<Vec<Vec<String>>> {
    let own = |(number, video): (usize, &String)| {
        let (path, at) = find(trees, video, names)?;
        let own = sentences(&at).map_err(|problem| FileError::file(path, problem))?;
        let (expected, found) = (split.captions.count(number), own.len());
        if found != expected {
            let (file, part) = (path.display().to_string(), "captions as text".into());
            return Err(ExpertsError::PerCaption { file, video: video.clone(), part, expected, found }.into());
        }
        Ok(own)
    };
    split.videos.iter().enumerate().map(own).collect()
}

/// Sentences as text or as lists of words.
fn sentences(at: &At<'_>) -> Problem<Vec<String>> {
    let sentence = |at: At<'_>| match at.value() {
        Value::Str(text) => Ok(text.to_string()),
        Value::Array(array) => Ok(array.to_strings().map_err(|e| array_problem(&at.path(), e))?.join(" ")),
        _ => {
            let words = at.as_list()?;
            let words: std::result::Result<Vec<&str>, _> = words.iter().map(|word| word.as_str()).collect();
            Ok(words?.join(" "))
        }
    };
    match at.value() {
        Value::Array(array) => array.to_strings().map_err(|problem| array_problem(&at.path(), problem)),
        _ => at.as_list()?.iter().map(sentence).collect(),
    }
}

/// 0 or 1 per caption.
fn mask(at: &At<'_>) -> Problem<Vec<bool>> {
    let values = match at.value() {
        Value::Array(array) => array.to_f64_vec().map_err(|problem| array_problem(&at.path(), problem))?,
        _ => {
            let number = |item: At<'_>| item.as_f64().or_else(|_| item.as_bool().map(|yes| f64::from(u8::from(yes))));
            at.as_list()?.iter().map(number).collect::<std::result::Result<_, _>>()?
        }
    };
    let flag = |value: &f64| match *value {
        0.0 => Ok(false),
        1.0 => Ok(true),
        other => Err(AccessError { path: at.path(), expected: "0 or 1 per caption".into(), found: other.to_string() }),
    };
    Ok(values.iter().map(flag).collect::<std::result::Result<_, _>>()?)
}

/// `{video: {"vid_embds": {expert: (D)}, "text_embds": {expert: (captions, D)}}}`.
fn teacher_experts(tree: &Value, videos: &[String]) -> Problem<Vec<TeacherExpert>> {
    let videos_of = tree.as_dict()?;
    let mut names: Vec<String> = vec![];
    if let Some(first) = videos.first() {
        for (key, _) in videos_of.get(first)?.as_dict()?.get("vid_embds")?.as_dict()?.iter() {
            names.push(key.as_str()?.to_owned());
        }
    }
    for video in videos {
        let entry = videos_of.get(video)?.as_dict()?;
        for part in ["vid_embds", "text_embds"] {
            let at = entry.get(part)?;
            let found = at.as_dict()?;
            if found.len() != names.len() || names.iter().any(|name| found.find(name).is_none()) {
                let keys = found.dict().entries().iter().map(|(key, _)| key.as_str().unwrap_or("?").to_owned());
                let found = keys.collect::<Vec<_>>().join(", ");
                let expected = format!("the experts of the first video, {},", names.join(", "));
                return Err(AccessError { path: at.path(), expected, found }.into());
            }
        }
    }
    names.into_iter().map(|name| teacher_expert(tree, videos, name)).collect()
}

fn teacher_expert(tree: &Value, videos: &[String], name: String) -> Problem<TeacherExpert> {
    let (mut embeddings, mut text, mut width) = (vec![], None, 0);
    for video in videos {
        let entry = tree.as_dict()?.get(video)?.as_dict()?;
        for part in ["vid_embds", "text_embds"] {
            let at = entry.get(part)?.as_dict()?.get(&name)?;
            let matrix = caption(&at)?;
            let text = text.get_or_insert_with(|| {
                width = matrix.cols();
                Ragged::new(width)
            });
            let is_video = part == "vid_embds";
            if matrix.cols() != width || (is_video && matrix.rows() != 1) {
                let rows = if is_video { "1" } else { "captions" };
                let (expected, found) = (format!("{rows} x {width}"), format!("{} x {}", matrix.rows(), matrix.cols()));
                return Err(AccessError { path: at.path(), expected, found }.into());
            }
            if is_video {
                embeddings.extend_from_slice(matrix.as_slice());
            } else if text.push(matrix.view()).is_err() {
                return Err(array_problem(&at.path(), ArrayError::Shape(vec![matrix.rows(), matrix.cols()])));
            }
        }
    }
    let video = Matrix::new(embeddings, videos.len(), width);
    let wrong = |_| array_problem("vid_embds", ArrayError::Shape(vec![videos.len(), width]));
    Ok(TeacherExpert { name, video: video.map_err(wrong)?, text: text.unwrap_or_else(|| Ragged::new(0)) })
}
