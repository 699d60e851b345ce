//! JSON as Python's `json` module reads it: with `NaN` and `Infinity`, and integers of any length.

use hifijson::num::LexWrite as _;
use hifijson::str::LexAlloc as _;
use hifijson::token::{Expect, Lex as _};
use hifijson::{Read as _, SliceLexer};

use super::FormatError;
use super::limits::{Budget, LimitError};
use super::pickle::{Dict, Value};

enum Problem {
    Syntax(String),
    Limit(LimitError),
}

impl From<hifijson::Error> for Problem {
    fn from(error: hifijson::Error) -> Self {
        Self::Syntax(error.to_string())
    }
}

impl From<Expect> for Problem {
    fn from(error: Expect) -> Self {
        hifijson::Error::from(error).into()
    }
}

impl From<LimitError> for Problem {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}

type Result<T> = std::result::Result<T, Problem>;

/// Reads one value and nothing behind it.
pub(super) fn parse(bytes: &[u8], budget: &mut Budget) -> std::result::Result<Value, FormatError> {
    // A mark of the byte order, as Windows writes it.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lexer = SliceLexer::new(bytes);
    let read = lexer.exactly_one(SliceLexer::ws_peek, |next, lexer| value(next, lexer, 0, budget));
    read.map_err(|problem| match problem {
        Problem::Limit(limit) => limit.into(),
        Problem::Syntax(what) => {
            let before = &bytes[..bytes.len() - lexer.as_slice().len()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
            FormatError::Json { line, column, what }
        }
    })
}

/// A value within so many containers.
fn value(next: u8, lexer: &mut SliceLexer, level: u32, budget: &mut Budget) -> Result<Value> {
    budget.nodes(1)?;
    let word = |lexer: &mut SliceLexer, word: &[u8], value| {
        if lexer.strip_prefix(word) { Ok(Value::Float(value)) } else { Err(Expect::Value.into()) }
    };
    match next {
        b'N' => word(lexer, b"NaN", f64::NAN),
        b'I' => word(lexer, b"Infinity", f64::INFINITY),
        b'-' if lexer.as_slice().starts_with(b"-I") => word(lexer, b"-Infinity", f64::NEG_INFINITY),
        b'0'..=b'9' | b'-' => {
            let (digits, parts) = lexer.num_string().validated().map_err(hifijson::Error::from)?;
            let float = || digits.parse().map(Value::Float).map_err(|_| Problem::Syntax("not a number".into()));
            match digits.parse() {
                Ok(integer) => Ok(Value::Int(integer)),
                Err(_) if parts.is_int() => {
                    budget.bytes(digits.len() as u64)?;
                    Ok(Value::BigInt(digits.into()))
                }
                Err(_) => float(),
            }
        }
        b'"' => {
            let text = lexer.discarded().str_string().map_err(hifijson::Error::from)?;
            budget.bytes(text.len() as u64)?;
            Ok(Value::Str(text.as_ref().into()))
        }
        b'[' => {
            budget.level(level + 1)?;
            let mut items = vec![];
            lexer.discarded().seq(b']', SliceLexer::ws_peek, |next, lexer| {
                items.push(value(next, lexer, level + 1, budget)?);
                Ok::<_, Problem>(())
            })?;
            Ok(Value::List(items.into()))
        }
        b'{' => {
            budget.level(level + 1)?;
            let mut entries = vec![];
            lexer.discarded().seq(b'}', SliceLexer::ws_peek, |next, lexer| {
                if next != b'"' {
                    return Err(Expect::String.into());
                }
                let key = value(next, lexer, level + 1, budget)?;
                lexer.expect(SliceLexer::ws_peek, b':').ok_or(Expect::Colon)?;
                let next = lexer.ws_peek().ok_or(Expect::Value)?;
                entries.push((key, value(next, lexer, level + 1, budget)?));
                Ok::<_, Problem>(())
            })?;
            Ok(Value::Dict(entries.into_iter().collect::<Dict>().into()))
        }
        _ => match lexer.null_or_bool() {
            Some(Some(value)) => Ok(Value::Bool(value)),
            Some(None) => Ok(Value::None),
            None => Err(Expect::Value.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Limits;

    fn read(text: &str) -> std::result::Result<Value, FormatError> {
        parse(text.as_bytes(), &mut Budget::new(&Limits::default(), text.len()))
    }

    #[test]
    fn what_python_writes_is_read() {
        let value = read(
            "\u{feff} {\"a\": [1, -2.5e3, NaN, -Infinity], \"b\": null, \"c\": 1180591620717411303424, \"a\\u00e9\": true}",
        );
        let value = value.unwrap();
        let dict = value.as_dict().unwrap();
        let list = dict.get("a").unwrap().as_list().unwrap();
        let numbers: Vec<f64> = list.iter().map(|item| item.as_f64().unwrap()).collect();
        assert_eq!((numbers[0], numbers[1], numbers[3]), (1.0, -2500.0, f64::NEG_INFINITY));
        assert!(numbers[2].is_nan());
        assert_eq!(dict.get("b").unwrap().value(), &Value::None);
        assert_eq!(dict.get("c").unwrap().value(), &Value::BigInt("1180591620717411303424".into()));
        assert_eq!(dict.get("aé").unwrap().as_bool(), Ok(true));
    }

    #[test]
    fn errors_name_line_and_column() {
        let message = |text: &str| read(text).unwrap_err().to_string();
        assert!(
            message("{\"a\": 1,\n \"b\": Nan}").starts_with("not JSON: line 2, column 7"),
            "{}",
            message("{\"a\": 1,\n \"b\": Nan}")
        );
        for text in ["", "[1 2]", "{1: 2}", "[1] x", "\"\\ud800\"", "[01]", "tru", "{\"a\" 1}", "[1,]", "'a'"] {
            assert!(message(text).starts_with("not JSON: line 1"), "{text}: {}", message(text));
        }
    }

    #[test]
    fn nesting_and_objects_are_counted() {
        assert!(read(&"[".repeat(1_000_000)).unwrap_err().to_string().contains("levels of nesting"));
        let limits = Limits { nodes: 50, ..Limits::default() };
        let text = format!("[{}1]", "1,".repeat(60));
        let error = parse(text.as_bytes(), &mut Budget::new(&limits, text.len())).unwrap_err();
        assert_eq!(error.to_string(), "objects: 51 wanted, 50 allowed");
    }
}
