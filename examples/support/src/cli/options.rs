//! Options from a command line: those of a file or a published row, changed by `--set` and by options of their own.

use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;
use coembed::options::{Changes, Options, Table};
use coembed::run::Recipe;
use miette::Result;

use super::error::{config_report, table_report, usage};

/// Whether the command line has an argument.
pub fn is_given(given: &ArgMatches, name: &str) -> bool {
    given.try_contains_id(name).unwrap_or(false) && given.value_source(name) == Some(ValueSource::CommandLine)
}

/// Whether a file or a row says where the options begin.
pub fn has_base(given: &ArgMatches) -> bool {
    is_given(given, "config") || is_given(given, "row")
}

/// Whether anything says what the options are, or what the run is called.
pub fn any_given<O: Options>(given: &ArgMatches) -> bool {
    let published = O::FIELDS.iter().flat_map(|field| field.published.iter().map(|published| published.name));
    let mut names = O::FIELDS.iter().map(|field| field.name).chain(published);
    has_base(given)
        || ["set", "name", "out-dir"].iter().any(|name| is_given(given, name))
        || names.any(|name| is_given(given, name))
}

/// The table of `--config`, or that of the paper.
pub fn table<R: Recipe>(recipe: &R, given: &ArgMatches) -> Result<Table<R::Options>> {
    match given.get_one::<PathBuf>("config") {
        Some(path) => Table::read(path).map_err(table_report),
        None => recipe.rows().map_err(table_report),
    }
}

/// The options: of a row, of a file, or those given, then what else the command line says.
pub fn of<R: Recipe>(recipe: &R, given: &ArgMatches, own: R::Options) -> Result<R::Options> {
    let mut options = match (given.get_one::<String>("row"), given.get_one::<PathBuf>("config")) {
        (Some(row), _) => table(recipe, given)?.options(row).map_err(table_report)?,
        (None, Some(path)) => coembed::options::read(path).map_err(|error| {
            let rows = Table::<R::Options>::read(path).ok();
            rows.map_or_else(
                || config_report(error),
                |table| {
                    let names: Vec<&str> = table.rows.iter().map(|row| row.name.as_str()).collect();
                    usage(format!("{} is a table: choose a --row of {}", path.display(), names.join(", ")))
                },
            )
        })?,
        (None, None) => own,
    };
    let mut changes = <R::Options as Options>::Changes::default();
    for set in given.get_many::<String>("set").into_iter().flatten() {
        let (field, value) = set.split_once('=').ok_or_else(|| usage(format!("--set {set}: FIELD=VALUE expected")))?;
        changes.set(field.trim(), value.trim()).map_err(usage)?;
    }
    for field in <R::Options as Options>::FIELDS {
        // Of several published names for values of one option the first wins.
        for published in field.published.iter().rev() {
            if let Some(value) = published.value.filter(|_| given.get_flag(published.name)) {
                changes.set(field.name, value).map_err(usage)?;
            }
        }
        if let Some(value) = given.get_one::<String>(field.name) {
            changes.set(field.name, value).map_err(usage)?;
        }
    }
    changes.apply(&mut options);
    Ok(options)
}
