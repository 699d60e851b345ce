use std::path::{Path, PathBuf};

use ron::Options as Ron;
use ron::extensions::Extensions;
use serde::de::DeserializeOwned;

use super::{OptionsError, nearest};
use crate::files::read_text;

/// A configuration file that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not valid.
    #[error("{name}, line {}, column {}: {message}", error.span.start.line, error.span.start.col)]
    Syntax {
        /// The file, or what holds the text.
        name: String,
        /// Its text.
        text: String,
        /// Where.
        error: Box<ron::error::SpannedError>,
        /// Why.
        message: String,
    },
}

/// RON where `Some` may be left out.
pub(super) fn ron() -> Ron {
    Ron::default().with_default_extension(Extensions::IMPLICIT_SOME)
}

/// Reads a file in RON. Absent options have their defaults, unknown ones are refused, `Some` may be left out.
///
/// # Errors
/// [`ConfigError`], naming file, line and column.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = read_text(path).map_err(|source| ConfigError::Io { path: path.into(), source })?;
    parse(&path.display().to_string(), &text)
}

/// The same from text that `name` holds.
///
/// # Errors
/// [`ConfigError::Syntax`].
pub fn parse<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, ConfigError> {
    ron().from_str(text).map_err(|error| {
        let (name, text, message) = (name.into(), text.into(), message(&error.code));
        ConfigError::Syntax { name, text, error: Box::new(error), message }
    })
}

/// What is wrong; the nearest names where a name is.
fn message(error: &ron::Error) -> String {
    let (what, found, expected) = match error {
        ron::Error::NoSuchStructField { expected, found, .. } => ("option", found, expected),
        ron::Error::NoSuchEnumVariant { expected, found, .. } => ("value", found, expected),
        other => return other.to_string(),
    };
    let near = nearest(found, expected.iter().copied());
    let list = if near.is_empty() { expected.join(", ") } else { format!("the nearest are {}", near.join(", ")) };
    format!("there is no {what} `{found}`; {list}")
}

/// The value of an option from a command line: RON, or a bare word, a list without brackets, a value in lower case, its words apart
/// (`symmetric_chamfer`).
///
/// # Errors
/// [`OptionsError`], of this option.
pub fn parse_value<T: DeserializeOwned>(field: &'static str, text: &str) -> Result<T, OptionsError> {
    let ron = ron();
    let quoted = |text: &str| format!("{text:?}");
    let capital = |text: &str| {
        let mut letters = text.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    let list: Vec<String> = text.split(',').map(|item| quoted(item.trim())).collect();
    // The sign of a number is no hyphen between words.
    let words = text.split(['_', '-']).filter(|_| text.starts_with(char::is_alphabetic));
    let readings = [
        text.to_string(),
        text.to_lowercase(),
        capital(text),
        capital(&text.to_lowercase()),
        words.map(|word| capital(&word.to_lowercase())).collect(),
        format!("[{text}]"),
        quoted(text),
        format!("[{}]", list.join(",")),
    ];
    let read = readings.iter().find_map(|reading| ron.from_str(reading).ok());
    read.ok_or_else(|| {
        let why = ron.from_str::<T>(text).err().map_or_else(String::new, |error| message(&error.code));
        OptionsError::new(field, format!("{text:?} is not a value of it: {why}"))
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    enum Kind {
        Fc,
        RgbFlow,
    }

    #[test]
    fn values_are_read_as_people_write_them() {
        assert_eq!(parse_value::<f32>("x", "1e-3").unwrap(), 1e-3);
        assert!(parse_value::<bool>("x", "True").unwrap());
        assert_eq!(parse_value::<Kind>("x", "fc").unwrap(), Kind::Fc);
        for text in ["RgbFlow", "rgb_flow", "rgb-flow"] {
            assert_eq!(parse_value::<Kind>("x", text).unwrap(), Kind::RgbFlow);
        }
        assert_eq!(parse_value::<String>("x", "rgb_flow").unwrap(), "rgb_flow");
        assert_eq!(parse_value::<String>("x", "MSR-VTT 1k").unwrap(), "MSR-VTT 1k");
        assert_eq!(parse_value::<String>("x", "5").unwrap(), "5");
        assert_eq!(parse_value::<Option<usize>>("x", "5").unwrap(), Some(5));
        assert_eq!(parse_value::<Option<usize>>("x", "None").unwrap(), None);
        assert_eq!(parse_value::<Vec<u64>>("x", "0,1,2").unwrap(), [0, 1, 2]);
        assert_eq!(parse_value::<Vec<u64>>("x", "7").unwrap(), [7]);
        assert_eq!(parse_value::<Vec<String>>("x", "audio, i3d.i3d.0").unwrap(), ["audio", "i3d.i3d.0"]);
        let error = parse_value::<usize>("batch_size", "-4").unwrap_err().to_string();
        assert!(error.starts_with("batch_size: \"-4\" is not a value of it: "), "{error}");
        let error = parse_value::<Kind>("comb_func", "f").unwrap_err().to_string();
        assert!(error.contains("Fc"), "{error}");
    }
}
