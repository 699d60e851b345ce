//! The options file of a published run.

use serde_json::{Map, Value};

use super::options::{Changes, ModelKind, Options};
use crate::options::{Changes as _, Options as _, OptionsError};

/// What the published programs accept and do nothing with, or what has another place here.
const WITHOUT_EFFECT: [&str; 4] = ["gpu", "num_layers", "optimiser", "out_dir"];

/// A flat Python dictionary literal as JSON: strings in single or double quotes, `True`, `False`, `None`, numbers.
fn dictionary(line: &str) -> Option<Map<String, Value>> {
    let mut json = String::with_capacity(line.len());
    let mut chars = line.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let mut text = String::new();
                loop {
                    match chars.next()? {
                        '\\' => text.push(chars.next()?),
                        end if end == c => break,
                        other => text.push(other),
                    }
                }
                json.push_str(&Value::String(text).to_string());
            }
            c if c.is_ascii_alphabetic() => {
                let mut word = String::from(c);
                while let Some(next) = chars.next_if(|c| c.is_ascii_alphanumeric()) {
                    word.push(next);
                }
                json.push_str(match word.as_str() {
                    "True" => "true",
                    "False" => "false",
                    "None" => "null",
                    _ => return None,
                });
            }
            c => {
                json.push(c);
                // `1e-05` is the one number with a letter.
                if c.is_ascii_digit()
                    && let Some(e) = chars.next_if(|c| matches!(c, 'e' | 'E'))
                {
                    json.push(e);
                }
            }
        }
    }
    serde_json::from_str(&json).ok()
}

/// The value as a command line would give it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // Whole numbers are sometimes written as 10.0.
        Value::Number(number) => match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 1e15 => format!("{whole}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

impl Options {
    /// Reads the `args.txt` of a published run: a Python dictionary of options on the first line. Unknown keys are returned
    /// (older runs carry others), missing ones keep their defaults, those without a counterpart are passed over.
    ///
    /// # Errors
    /// [`OptionsError`] naming the key whose value does not fit, or `args.txt` when the line is no dictionary.
    pub fn from_args_txt(file: &str) -> Result<(Self, Vec<String>), OptionsError> {
        let line = file.lines().next().unwrap_or_default();
        let no_dictionary = || OptionsError::new("args.txt", "the first line is not a Python dictionary");
        let entries = dictionary(line).ok_or_else(no_dictionary)?;
        let mut changes = Changes::default();
        let mut unknown = vec![];
        for (key, value) in &entries {
            let published = Options::FIELDS.iter().find_map(|field| {
                let named = field.published.iter().find(|published| published.name == key)?;
                Some((field.name, named.value?))
            });
            match published {
                Some((field, stands_for)) => {
                    let wrong = || OptionsError::new(key.clone(), format!("{value} is neither True nor False"));
                    // `--rgb` wins, as published.
                    if value.as_bool().ok_or_else(wrong)? && (changes.modalities.is_none() || key == "rgb") {
                        changes.set(field, stands_for)?;
                    }
                }
                None if Options::FIELDS.iter().any(|field| field.name == key) => changes.set(key, &text(value))?,
                None if WITHOUT_EFFECT.contains(&key.as_str()) => {}
                None => unknown.push(key.clone()),
            }
        }
        // MMEN runs have a caption type, JPoSE runs do not.
        let model = if entries.contains_key("caption_type") { ModelKind::Mmen } else { ModelKind::Jpose };
        let mut options = Options { model, ..Options::default() };
        changes.apply(&mut options);
        Ok((options, unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::{CombFunc, Modalities, RelMarginDataset};
    use super::*;

    #[test]
    fn a_published_dictionary_is_read() {
        let line = "{'embedding_size': 10, 'gpu': False, 'learning_rate': 1e-05, 'rgb': True, 'rgb_flow': True, \
                    'dataset': 'youcook2', 'comb_func': 'fc', 'out_dir': './it\\'s', 'online_hard': None}\nmore";
        let (options, unknown) = Options::from_args_txt(line).unwrap();
        assert_eq!(options.embedding_size, 10);
        assert_eq!(options.learning_rate, 1e-5);
        assert_eq!(options.modalities, Modalities::Rgb);
        assert_eq!((options.dataset, options.comb_func), (RelMarginDataset::Youcook2, CombFunc::Fc));
        assert_eq!(options.model, ModelKind::Jpose);
        assert_eq!(unknown, ["online_hard"]);
    }

    #[test]
    fn what_is_no_dictionary_or_does_not_fit_is_refused() {
        for text in ["", "[1]", "{'a': open('x')}", "{'a", "{'margin': }"] {
            assert_eq!(Options::from_args_txt(text).unwrap_err().field, "args.txt", "{text}");
        }
        assert!(
            Options::from_args_txt("{'margin': 'x'}")
                .unwrap_err()
                .to_string()
                .starts_with("margin: \"x\" is not a value of it")
        );
        assert_eq!(Options::from_args_txt("{'batch_size': -1}").unwrap_err().field, "batch_size");
    }
}
