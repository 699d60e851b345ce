use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// An entry and what is wrong with it.
#[derive(Debug)]
pub(super) struct EntryError {
    /// Its path, `arch.args.use_ce`.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

/// An object of a JSON configuration, whose entries are taken one by one; what is left at the end is not known.
#[derive(Debug, Default)]
pub(super) struct Section {
    path: String,
    entries: Map<String, Value>,
}

impl Section {
    /// The whole file.
    pub fn new(entries: Map<String, Value>) -> Self {
        Self { path: String::new(), entries }
    }

    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.into() } else { format!("{}.{key}", self.path) }
    }

    /// Something wrong with an entry.
    pub fn error(&self, key: &str, reason: impl Into<String>) -> EntryError {
        EntryError { key: self.key(key), reason: reason.into() }
    }

    fn unexpected(&self, key: &str, expected: &str, found: &Value) -> EntryError {
        let mut found = found.to_string();
        if let Some((end, _)) = found.char_indices().nth(60) {
            found.truncate(end);
            found += "...";
        }
        self.error(key, format!("{expected} expected, found {found}"))
    }

    /// Whether there is an entry, `null` included.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// An object inside; empty where it is absent or `null`.
    pub fn section(&mut self, key: &str) -> Result<Section, EntryError> {
        match self.entries.remove(key) {
            None | Some(Value::Null) => Ok(Section { path: self.key(key), entries: Map::new() }),
            Some(Value::Object(entries)) => Ok(Section { path: self.key(key), entries }),
            Some(other) => Err(self.unexpected(key, "an object", &other)),
        }
    }

    /// The same, where `false` stands for nothing.
    pub fn section_or_false(&mut self, key: &str) -> Result<Section, EntryError> {
        if self.entries.get(key) == Some(&Value::Bool(false)) {
            self.entries.remove(key);
        }
        self.section(key)
    }

    pub fn string(&mut self, key: &str, default: &str) -> Result<String, EntryError> {
        Ok(self.optional_string(key)?.unwrap_or_else(|| default.into()))
    }

    /// `null`, `false` and the empty string count as absent, as they do in the published program.
    pub fn optional_string(&mut self, key: &str) -> Result<Option<String>, EntryError> {
        match self.entries.remove(key) {
            None | Some(Value::Null | Value::Bool(false)) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.unexpected(key, "a string", &other)),
        }
    }

    pub fn flag(&mut self, key: &str) -> Result<bool, EntryError> {
        self.flag_or(key, false)
    }

    /// `true`, `false`, 1, 0, or the empty string for false.
    pub fn flag_or(&mut self, key: &str, default: bool) -> Result<bool, EntryError> {
        match self.entries.remove(key) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(Value::Number(number)) if number.as_f64() == Some(0.0) => Ok(false),
            Some(Value::Number(number)) if number.as_f64() == Some(1.0) => Ok(true),
            Some(Value::String(text)) if text.is_empty() => Ok(false),
            Some(other) => Err(self.unexpected(key, "true or false", &other)),
        }
    }

    pub fn float(&mut self, key: &str, default: f64) -> Result<f64, EntryError> {
        match self.entries.remove(key) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value.as_f64().ok_or_else(|| self.unexpected(key, "a number", &value)),
        }
    }

    /// Two numbers.
    pub fn pair(&mut self, key: &str, default: (f64, f64)) -> Result<(f64, f64), EntryError> {
        match self.entries.remove(key) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => {
                let of = |numbers: &Vec<Value>| match numbers.as_slice() {
                    [first, second] => Some((first.as_f64()?, second.as_f64()?)),
                    _ => None,
                };
                value.as_array().and_then(of).ok_or_else(|| self.unexpected(key, "two numbers", &value))
            }
        }
    }

    pub fn number(&mut self, key: &str, default: usize) -> Result<usize, EntryError> {
        Ok(self.whole(key)?.unwrap_or(default))
    }

    pub fn optional(&mut self, key: &str) -> Result<Option<u32>, EntryError> {
        let Some(number) = self.whole(key)? else { return Ok(None) };
        u32::try_from(number).map(Some).map_err(|_| self.error(key, format!("{number} is too large")))
    }

    /// A whole number that is not negative; `false` counts as absent.
    fn whole(&mut self, key: &str) -> Result<Option<usize>, EntryError> {
        match self.entries.remove(key) {
            None | Some(Value::Null | Value::Bool(false)) => Ok(None),
            Some(value) => {
                let whole = value.as_u64().and_then(|number| usize::try_from(number).ok());
                whole.map(Some).ok_or_else(|| self.unexpected(key, "a whole number", &value))
            }
        }
    }

    /// A list of strings, or strings separated by commas.
    pub fn names(&mut self, key: &str) -> Result<Vec<String>, EntryError> {
        match self.entries.remove(key) {
            None | Some(Value::Null | Value::Bool(false)) => Ok(vec![]),
            Some(Value::String(text)) => {
                Ok(text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(String::from).collect())
            }
            Some(Value::Array(items)) => {
                let name = |item: &Value| {
                    let name = item.as_str().map(String::from);
                    name.ok_or_else(|| self.unexpected(key, "a list of strings", item))
                };
                items.iter().map(name).collect()
            }
            Some(other) => Err(self.unexpected(key, "a list of strings", &other)),
        }
    }

    /// Takes what is left for entries without effect.
    pub fn ignore_all(&mut self, ignored: &mut Vec<String>) {
        let entries = std::mem::take(&mut self.entries);
        ignored.extend(entries.keys().map(|key| self.key(key)));
    }

    /// All entries as whole numbers.
    pub fn numbers(mut self) -> Result<BTreeMap<String, usize>, EntryError> {
        let keys: Vec<String> = self.entries.keys().cloned().collect();
        keys.into_iter().map(|key| Ok((key.clone(), self.number(&key, 0)?))).collect()
    }

    /// Entries that are left must be known to be without effect.
    pub fn finish(self, without_effect: &[&str], ignored: &mut Vec<String>) -> Result<(), EntryError> {
        for key in self.entries.keys() {
            if !without_effect.contains(&key.as_str()) {
                return Err(self.error(key, "unknown to this family of programs"));
            }
            ignored.push(self.key(key));
        }
        Ok(())
    }
}
