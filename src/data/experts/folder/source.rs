//! Reading of lists and experts.

use std::path::{Path, PathBuf};

use super::error::Result;
use super::values::{Entry, STORE, Table};
use super::{Dataset, DatasetSplit, ExpertFiles, ExpertFolderOptions, ExpertSource, FeatureFiles, locate};
use crate::data::experts::{Captions, Expert, ExpertSplit, ExpertsError, FeatureKind};
use crate::data::reader::{FileError, FileProblem, Reader};
use crate::formats::pickle::{AccessError, Value};
use crate::matrix::{Matrix, MatrixView};

pub(super) struct Source<'o> {
    pub dataset: &'o Dataset,
    pub options: &'o ExpertFolderOptions,
    pub files: &'o ExpertFiles,
    pub reader: Reader<'o>,
}

impl<'o> Source<'o> {
    pub fn new(dataset: &'o Dataset, options: &'o ExpertFolderOptions, files: &'o ExpertFiles) -> Self {
        Self { dataset, options, files, reader: Reader::new(&options.limits) }
    }

    /// Warns of options that the published loader of this data set accepts and does nothing with.
    pub fn warn_of_what_has_no_effect(&mut self, split: &DatasetSplit) {
        let name = self.dataset.name;
        if self.options.training_file.is_some() && !split.training_file {
            self.reader.warnings.push(format!("training_file: without effect on {name} {}, as published", split.name));
        }
        if self.options.restrict_train_captions.is_some() && !self.restricts_captions() {
            let warning = format!("restrict_train_captions: without effect on {name}, as published");
            self.reader.warnings.push(warning);
        }
    }

    /// Whether captions of training videos are restricted where it is asked for.
    pub fn restricts_captions(&self) -> bool {
        let published = self.dataset.restricts_captions && self.options.challenge.is_none();
        published || self.options.restrict_every_dataset
    }

    /// A split with nothing but its videos. Warns when there are not as many as published.
    pub fn list(&mut self, path: &Path, published: usize) -> Result<ExpertSplit> {
        if !path.is_file() {
            return Err(FileError::Missing { what: "the list of videos".into(), looked_for: vec![path.into()] }.into());
        }
        let bytes = self.reader.bytes(path)?;
        let not_text = |_| FileError::file(path, FileProblem::Content("the list is not UTF-8".into()));
        let text = String::from_utf8(bytes).map_err(not_text)?;
        let videos = video_ids(&text, self.dataset.cut_at_dot);
        let file = path.display().to_string();
        if videos.is_empty() {
            return Err(ExpertsError::Empty { file, what: "videos" }.into());
        }
        if published > 0 && videos.len() != published {
            self.reader.warnings.push(format!("{file}: {} videos, the published list has {published}", videos.len()));
        }
        let captions = Captions::new("", 0);
        Ok(ExpertSplit { file, videos, experts: vec![], captions, sentences: vec![], masks: None, teachers: vec![] })
    }

    /// A file as a tree.
    pub fn tree(&mut self, path: &Path) -> Result<Value, FileError> {
        self.reader.tree(path, &[STORE])
    }

    /// Reads all experts, one after the other, for all splits.
    pub fn experts(&mut self, splits: &mut [ExpertSplit]) -> Result<()> {
        for (source, files) in self.options.sorted_experts().into_iter().zip(&self.files.experts) {
            let what = format!("features of expert {:?}", source.name);
            let mut tables = Vec::with_capacity(files.len());
            for path in files {
                let path = locate::existing(&what, path)?;
                let table = Table::new(self.tree(&path)?).map_err(|problem| FileError::file(&path, problem))?;
                tables.push((path, table));
            }
            let mut merged = Merged { source, tables, axis: axis(source), unnamed: 0 };
            let width = merged.width(splits)?;
            for split in &mut *splits {
                split.experts.push(merged.expert(split, width)?);
            }
            if merged.unnamed > 0 {
                let (file, name, count) = (merged.file(), &source.name, merged.unnamed);
                let warning = format!("{file}: {count} videos are not named, expert {name:?} is missing there");
                self.reader.warnings.push(warning);
            }
        }
        Ok(())
    }
}

/// One id per line; the last line may lack its end, lines may end as on Windows, and empty ones are left out.
fn video_ids(text: &str, cut_at_dot: bool) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let cut = |line: &str| line.split_once('.').map_or(line, |(id, _)| id).to_owned();
    lines.map(|line| if cut_at_dot { cut(line) } else { line.to_owned() }).collect()
}

fn axis(source: &ExpertSource) -> u8 {
    match &source.files {
        FeatureFiles::Published(Some(aggregation)) => aggregation.aggregate_axis,
        _ => 1,
    }
}

/// The files of one expert, joined.
struct Merged<'a> {
    source: &'a ExpertSource,
    tables: Vec<(PathBuf, Table)>,
    /// 1: columns, 0: rows.
    axis: u8,
    /// Videos that no file names.
    unnamed: usize,
}

impl Merged<'_> {
    /// The files, for messages.
    fn file(&self) -> String {
        self.tables.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>().join(" + ")
    }

    /// The width asked for, or that of the first features there are.
    fn width(&self, splits: &[ExpertSplit]) -> Result<usize> {
        if let Some(width) = self.source.width {
            return Ok(width);
        }
        for video in splits.iter().flat_map(|split| &split.videos) {
            if let Some(matrix) = self.get(video)?
                && matrix.cols() > 0
            {
                return Ok(matrix.cols());
            }
        }
        let what = "features of any video of the lists";
        Err(ExpertsError::Empty { file: self.file(), what }.into())
    }

    fn expert(&mut self, split: &ExpertSplit, width: usize) -> Result<Expert> {
        let mut expert = Expert::new(&self.source.name, self.file(), self.source.kind, width);
        expert.flaky = self.source.flaky;
        for video in &split.videos {
            let features = self.get(video)?;
            self.unnamed += usize::from(self.tables.iter().any(|(_, table)| !table.names(video)));
            // An array without rows need not know its width, and a fixed expert without a vector is none.
            let none = || MatrixView::new(&[], 0, width).ok();
            let view = match &features {
                Some(matrix) if matrix.rows() == 0 && self.source.kind != FeatureKind::Fixed => none(),
                other => other.as_ref().map(Matrix::view),
            };
            expert.push(video, view)?;
        }
        Ok(expert)
    }

    /// Features of a video, joined; `None` where it has none.
    fn get(&self, video: &str) -> Result<Option<Matrix<f32>>, FileError> {
        let mut parts: Vec<Option<Matrix<f32>>> = vec![];
        for (path, table) in &self.tables {
            parts.push(match table.get(video).map_err(|problem| FileError::file(path, problem))? {
                Entry::Rows(matrix) => Some(matrix),
                Entry::Missing => None,
                Entry::Absent if self.source.flaky => None,
                Entry::Absent => {
                    let found = format!("none, and the expert {:?} is not flaky", self.source.name);
                    let problem = AccessError { path: String::new(), expected: format!("key {video:?}"), found };
                    return Err(FileError::file(path, problem));
                }
            });
        }
        self.join(video, parts)
    }

    fn join(&self, video: &str, mut parts: Vec<Option<Matrix<f32>>>) -> Result<Option<Matrix<f32>>, FileError> {
        if let [only] = parts.as_mut_slice() {
            return Ok(only.take());
        }
        if parts.iter().all(Option::is_none) {
            return Ok(None);
        }
        let shapes: Vec<String> = parts.iter().map(describe).collect();
        let wrong = || {
            let problem = format!("video {video:?}: the files do not fit together: {}", shapes.join(" and "));
            let first = self.tables.first().map_or(PathBuf::new(), |(path, _)| path.clone());
            FileError::file(&first, FileProblem::Content(problem.into()))
        };
        let parts: Vec<Matrix<f32>> = parts.into_iter().collect::<Option<_>>().ok_or_else(wrong)?;
        let (rows, cols) = (parts[0].rows(), parts[0].cols());
        let joined = if self.axis == 0 {
            let values = parts.iter().flat_map(|part| part.as_slice()).copied().collect();
            Matrix::new(values, parts.iter().map(Matrix::rows).sum(), cols)
        } else {
            if parts.iter().any(|part| part.rows() != rows) {
                return Err(wrong());
            }
            let row = |row: usize| parts.iter().flat_map(move |part| part.row(row)).copied();
            Matrix::new((0..rows).flat_map(row).collect(), rows, parts.iter().map(Matrix::cols).sum())
        };
        joined.map(Some).map_err(|_| wrong())
    }
}

fn describe(part: &Option<Matrix<f32>>) -> String {
    part.as_ref().map_or("missing".into(), |part| format!("{} x {}", part.rows(), part.cols()))
}

#[cfg(test)]
mod tests {
    use super::video_ids;

    #[test]
    fn lists_may_end_anyhow() {
        assert_eq!(video_ids("a.b\nc", false), ["a.b", "c"]);
        assert_eq!(video_ids("\u{feff}a.avi\r\n\r\nc.mp4\r\n", true), ["a", "c"]);
        assert_eq!(video_ids("", false), Vec::<String>::new());
    }
}
