//! Errors as reports.

use std::fmt::Display;

use coembed::options::{ConfigError, TableError};
use miette::{LabeledSpan, NamedSource, Report, miette};

/// What is wrong is how the program was called: an exit code of its own.
const USAGE: &str = "usage";

/// An error of usage.
pub fn usage(message: impl Display) -> Report {
    miette!(code = USAGE, "{message}")
}

/// Whether it is an error of usage.
pub fn is_usage(error: &Report) -> bool {
    error.code().is_some_and(|code| code.to_string() == USAGE)
}

/// An error and its causes, each said once: many an error says its cause itself.
pub fn once(error: Report) -> Report {
    if error.labels().is_some() || error.chain().len() == 1 {
        return error;
    }
    let said = error.chain().map(ToString::to_string).reduce(|said, cause| match said.contains(&cause) {
        true => said,
        false => format!("{said}: {cause}"),
    });
    miette!("{}", said.unwrap_or_default())
}

/// Shows the line of a configuration.
pub fn config_report(error: ConfigError) -> Report {
    let ConfigError::Syntax { name, text, error: at, .. } = &error else { return miette!("{error}") };
    let offset = |position: ron::error::Position| {
        let before: usize = text.split_inclusive('\n').take(position.line.saturating_sub(1)).map(str::len).sum();
        let line = text.lines().nth(position.line.saturating_sub(1)).unwrap_or_default();
        let column: usize = line.chars().take(position.col.saturating_sub(1)).map(char::len_utf8).sum();
        (before + column).min(text.len())
    };
    let (start, end) = (offset(at.span.start), offset(at.span.end));
    let label = LabeledSpan::at(start..end.max(start), "here");
    miette!(labels = vec![label], "{error}").with_source_code(NamedSource::new(name, text.clone()))
}

/// Shows the line of a table.
pub fn table_report(error: TableError) -> Report {
    match error {
        TableError::Config(error) => config_report(error),
        TableError::NoRow { .. } => usage(error),
        error => miette!("{error}"),
    }
}
