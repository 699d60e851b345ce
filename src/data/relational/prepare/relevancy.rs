//! Relevance matrices.

use super::frame::Tags;
use super::{Content, Frame, Output, Parts, Report};
use crate::data::relational::file_name;
use crate::relevance::{Classes, Level, empty_unions};

/// The relevance of every caption of a frame's own list to every segment, `{caption,verb,noun}_prova_relevancy_FRAME`: `create_relevancy_files`,
/// `create_multiVNs_relevancy_files`.
///
/// Verbs: 1 if the verb class is the same, else 0 (multi-VN: IoU of sets); nouns: IoU of sets; captions: the mean of both. Two empty sets count as 0, and
/// are reported; the published script for EPIC makes NaN of them, that for multi-VN 0.
pub fn relevancy(frame: &Frame, parts: Parts) -> Report {
    let classes = |tags: &Tags| Classes {
        verbs: tags.verbs.iter().copied().collect(),
        nouns: tags.nouns.iter().copied().collect(),
    };
    let rows: Vec<_> = frame.segments.iter().map(|segment| classes(&segment.tags)).collect();
    let columns: Vec<_> = frame.captions.iter().map(|caption| classes(&caption.tags)).collect();
    let mut report = Report::default();
    for level in parts.levels() {
        let name = frame.output(&format!("{}_prova_relevancy", file_name(level)));
        let empty = empty_unions(&rows, &columns, level);
        if empty > 0 {
            let what = if level == Level::Action { "sets of verbs or nouns" } else { "sets" };
            report.warnings.push(format!("{name}: {empty} pairs of empty {what} count as 0"));
        }
        let content = Content::Relevance { rows: rows.clone(), columns: columns.clone(), level };
        report.files.push(Output { name, content });
    }
    report
}
