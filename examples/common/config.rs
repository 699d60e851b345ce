//! Configuration files whose errors show the line.

use std::path::Path;

use miette::{IntoDiagnostic, LabeledSpan, NamedSource, Result, WrapErr, miette};
use serde::de::DeserializeOwned;

/// Reads options in RON. Absent fields have their published defaults, unknown ones are refused.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).into_diagnostic().wrap_err_with(|| path.display().to_string())?;
    parse(&path.display().to_string(), &text)
}

/// The same from text that a file called `name` holds.
pub fn parse<T: DeserializeOwned>(name: &str, text: &str) -> Result<T> {
    ron::from_str(text).map_err(|error| {
        let offset = |position: ron::error::Position| {
            let before: usize = text.split_inclusive('\n').take(position.line.saturating_sub(1)).map(str::len).sum();
            let line = text.lines().nth(position.line.saturating_sub(1)).unwrap_or_default();
            let column: usize = line.chars().take(position.col.saturating_sub(1)).map(char::len_utf8).sum();
            (before + column).min(text.len())
        };
        let (start, end) = (offset(error.span.start), offset(error.span.end));
        let label = LabeledSpan::at(start..end.max(start), "here");
        let position = error.span.start;
        miette!(labels = vec![label], "{name}, line {}, column {}: {}", position.line, position.col, error.code)
            .with_source_code(NamedSource::new(name, text.to_string()))
    })
}
