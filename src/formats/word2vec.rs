//! Models of word vectors as the word2vec tool writes them: binary (`.bin`) and text (`.txt`).
//!
//! The first line holds two integers, the number of words and the width D of the vectors. Binary: for every word its bytes up to a space, D
//! little-endian f32, and a line end, which some programs leave out. Text: a line for every word, which is the word and D numbers separated by
//! single spaces.
//!
//! As in the Python package `word2vec`, every vector is scaled to unit L2 length when it is read (binary: `v * f32(1 / |v|)` in f32; text: in f64),
//! words are cut to 78 characters, and of a word that occurs twice the last vector counts. That package passes over any byte in the place of
//! the line end, so that words lose their first letter in files that have none; here the byte is passed over if it is a line end. It reads
//! truncated files for ever, passes over what follows the last vector, and makes NaN of zero vectors: all of these are refused.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::limits::{self, Budget, LimitError, Limits};

/// The longest word, in characters.
const LONGEST_WORD: usize = 78;

/// The longest line that is looked for as a header.
const LONGEST_HEADER: usize = 64;

/// Why a model of word vectors was refused.
#[derive(Debug, thiserror::Error)]
pub enum Word2VecError {
    /// An error in a named file.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<Word2VecError>,
    },
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It asks for more than the budgets allow.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The name says nothing about the format.
    #[error("a name that ends in .bin or .txt expected: the ending says what kind of model it is")]
    Kind,
    /// The first line is another.
    #[error("line 1: the number of words and the width of the vectors expected, both positive, found {found:?}")]
    Header {
        /// What is there.
        found: String,
    },
    /// The file ends too early.
    #[error("word {word} of {words} (counted from 1): {wanted} bytes wanted, {left} left")]
    Truncated {
        /// Which word, counted from 1.
        word: usize,
        /// Number of words by the header.
        words: usize,
        /// Bytes that are missing, and those before them.
        wanted: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// There is more than the header says.
    #[error("{count} bytes after the last of {words} vectors")]
    Trailing {
        /// Number of bytes.
        count: usize,
        /// Number of words by the header.
        words: usize,
    },
    /// A text has another number of lines than its header says.
    #[error("{found} lines of words, {words} by the header")]
    Lines {
        /// Number of lines.
        found: usize,
        /// Number of words by the header.
        words: usize,
    },
    /// A line has another number of values than the header says.
    #[error("line {line}, word {word:?}: {found} numbers, {width} by the header")]
    Width {
        /// Counted from 1.
        line: usize,
        /// The word.
        word: String,
        /// Numbers in the line.
        found: usize,
        /// Width by the header.
        width: usize,
    },
    /// A number is none.
    #[error("line {line}, word {word:?}: {text:?} is not a number")]
    Number {
        /// Counted from 1.
        line: usize,
        /// The word.
        word: String,
        /// What stands there.
        text: String,
    },
    /// A word is not UTF-8.
    #[error("word {word} (counted from 1) is not UTF-8: {}", found.escape_ascii())]
    Utf8 {
        /// Which word, counted from 1.
        word: usize,
        /// Its bytes.
        found: Vec<u8>,
    },
    /// A vector has no direction.
    #[error("word {word:?}: its vector {what}, and cannot be scaled to unit length")]
    Length {
        /// The word.
        word: String,
        /// `is zero, or too short`, `is not finite, or too long`: where its sum of squares is 0 or no number.
        what: &'static str,
    },
}

type Result<T> = std::result::Result<T, Word2VecError>;

/// The two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `.bin`.
    Binary,
    /// `.txt`.
    Text,
}

impl Kind {
    /// What the ending of a name says, in lower case as the published program wants it.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "bin" => Some(Self::Binary),
            "txt" => Some(Self::Text),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Vectors {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

/// Words and their vectors, each of unit length.
#[derive(Debug, Clone, PartialEq)]
pub struct WordVectors {
    width: usize,
    rows: HashMap<Box<str>, usize>,
    vectors: Vectors,
}

/// Reads a model; the ending of its name says of which kind it is.
///
/// # Errors
/// [`Word2VecError::File`], which names the file and holds the cause.
pub fn from_path(path: &Path, limits: &Limits) -> Result<WordVectors> {
    let read = || {
        let kind = Kind::of(path).ok_or(Word2VecError::Kind)?;
        from_slice(&limits::read_file(path, limits)??, kind, limits)
    };
    read().map_err(|source| Word2VecError::File { path: path.into(), source: source.into() })
}

/// Reads a model from memory.
///
/// # Errors
/// [`Word2VecError`].
pub fn from_slice(bytes: &[u8], kind: Kind, limits: &Limits) -> Result<WordVectors> {
    limits::check("bytes of input", bytes.len() as u64, limits.input_bytes)?;
    let budget = &mut Budget::new(limits, bytes.len());
    match kind {
        Kind::Binary => binary(bytes, budget),
        Kind::Text => text(bytes, budget),
    }
}

impl WordVectors {
    /// Number of different words.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no words; never of a model that was read.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Width of the vectors.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The vector of a word, as it is written in the model.
    pub fn get(&self, word: &str) -> Option<Vec<f64>> {
        let row = *self.rows.get(word)?;
        let range = row * self.width..(row + 1) * self.width;
        Some(match &self.vectors {
            Vectors::F32(values) => values.get(range)?.iter().map(|&value| value.into()).collect(),
            Vectors::F64(values) => values.get(range)?.to_vec(),
        })
    }
}

/// Number of words and width, and the bytes behind the first line.
fn header(bytes: &[u8]) -> Result<(usize, usize, &[u8])> {
    let start = &bytes[..bytes.len().min(LONGEST_HEADER)];
    let end = start.iter().position(|&byte| byte == b'\n');
    let line = String::from_utf8_lossy(&start[..end.unwrap_or(start.len())]);
    let numbers: Option<Vec<usize>> = line.split_whitespace().map(|part| part.parse().ok()).collect();
    match (numbers.as_deref(), end) {
        (Some(&[words, width]), Some(end)) if words > 0 && width > 0 => Ok((words, width, &bytes[end + 1..])),
        _ => Err(Word2VecError::Header { found: line.trim().into() }),
    }
}

fn binary(bytes: &[u8], budget: &mut Budget) -> Result<WordVectors> {
    let (words, width, mut rest) = header(bytes)?;
    let size = width.saturating_mul(4);
    // The shortest word has no bytes but its space.
    let (wanted, left) = (words.saturating_mul(size.saturating_add(1)), rest.len());
    if left < wanted {
        return Err(Word2VecError::Truncated { word: 1, words, wanted, left });
    }
    budget.bytes((words * size) as u64)?;
    let mut values = Vec::with_capacity(words * width);
    let mut rows = HashMap::new();
    for row in 0..words {
        let left = rest.len();
        let space = rest.iter().position(|&byte| byte == b' ').unwrap_or(left);
        let wanted = space.saturating_add(1 + size);
        if left < wanted {
            return Err(Word2VecError::Truncated { word: row + 1, words, wanted, left });
        }
        let name = &rest[..space];
        let word = std::str::from_utf8(name);
        let word = word.map_err(|_| Word2VecError::Utf8 { word: row + 1, found: name[..space.min(100)].into() })?;
        let vector = rest[space + 1..wanted].as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let square = square(vector.clone());
        check_length(word, square == 0.0, square.is_finite())?;
        let scale = (1.0 / f64::from(square.sqrt())) as f32;
        values.extend(vector.map(|value| value * scale));
        insert(&mut rows, word, row, budget)?;
        rest = &rest[wanted..];
        rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    }
    match rest.len() {
        0 => Ok(WordVectors { width, rows, vectors: Vectors::F32(values) }),
        count => Err(Word2VecError::Trailing { count, words }),
    }
}

/// The sum of squares in f32. Below 32 numbers it is summed in order, as by OpenBLAS behind the published program; from there on its order depends on
/// the processor, and the sum of f64 is within the last digits of any.
fn square(vector: impl ExactSizeIterator<Item = f32>) -> f32 {
    if vector.len() < 32 {
        return vector.fold(0.0, |sum, value| sum + value * value);
    }
    vector.map(|value| f64::from(value * value)).sum::<f64>() as f32
}

fn text(bytes: &[u8], budget: &mut Budget) -> Result<WordVectors> {
    let (words, width, rest) = header(bytes)?;
    let rest = rest.strip_suffix(b"\n").unwrap_or(rest);
    let lines = || rest.split(|&byte| byte == b'\n').take(if rest.is_empty() { 0 } else { usize::MAX });
    let found = lines().count();
    if found != words {
        return Err(Word2VecError::Lines { found, words });
    }
    // A number takes two bytes at least.
    let count = words.saturating_mul(width);
    if count > rest.len() {
        let (word, wanted, left) = (1, count.saturating_mul(2), rest.len());
        return Err(Word2VecError::Truncated { word, words, wanted, left });
    }
    budget.bytes(8 * count as u64)?;
    let mut values: Vec<f64> = Vec::with_capacity(count);
    let mut rows = HashMap::new();
    for (row, bytes) in lines().enumerate() {
        let line = std::str::from_utf8(bytes)
            .map_err(|_| Word2VecError::Utf8 { word: row + 1, found: bytes[..bytes.len().min(100)].into() })?;
        let mut parts = line.trim().split(' ');
        let word = parts.next().unwrap_or_default();
        let shown = || word.chars().take(LONGEST_WORD).collect::<String>();
        let start = values.len();
        let found = parts.clone().count();
        if found != width {
            return Err(Word2VecError::Width { line: row + 2, word: shown(), found, width });
        }
        for text in parts {
            let wrong = |_| Word2VecError::Number {
                line: row + 2,
                word: shown(),
                text: text.chars().take(LONGEST_WORD).collect(),
            };
            values.push(text.parse().map_err(wrong)?);
        }
        let vector = &mut values[start..];
        let square: f64 = vector.iter().map(|value| value * value).sum();
        check_length(word, square == 0.0, square.is_finite())?;
        let scale = 1.0 / square.sqrt();
        vector.iter_mut().for_each(|value| *value *= scale);
        insert(&mut rows, word, row, budget)?;
    }
    Ok(WordVectors { width, rows, vectors: Vectors::F64(values) })
}

fn check_length(word: &str, zero: bool, finite: bool) -> Result<()> {
    let what = match (zero, finite) {
        (_, false) => "is not finite, or too long",
        (true, true) => "is zero, or too short",
        (false, true) => return Ok(()),
    };
    Err(Word2VecError::Length { word: word.chars().take(LONGEST_WORD).collect(), what })
}

fn insert(rows: &mut HashMap<Box<str>, usize>, word: &str, row: usize, budget: &mut Budget) -> Result<()> {
    let end = word.char_indices().nth(LONGEST_WORD).map_or(word.len(), |(end, _)| end);
    budget.nodes(1)?;
    budget.bytes(end as u64)?;
    rows.insert(word[..end].into(), row);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], kind: Kind) -> Result<WordVectors> {
        from_slice(bytes, kind, &Limits::default())
    }

    fn refused(bytes: &[u8], kind: Kind) -> String {
        read(bytes, kind).unwrap_err().to_string()
    }

    /// A binary model: words, vectors, and what stands between them.
    fn model(header: &str, words: &[(&str, &[f32])], between: &str) -> Vec<u8> {
        let mut bytes = format!("{header}\n").into_bytes();
        for (word, vector) in words {
            bytes.extend_from_slice(format!("{word} ").as_bytes());
            vector.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
            bytes.extend_from_slice(between.as_bytes());
        }
        bytes
    }

    #[test]
    fn line_ends_may_be_left_out() {
        let words: [(&str, &[f32]); 3] = [("a", &[3.0, 4.0]), ("bé", &[0.0, -2.0]), ("a", &[8.0, 6.0])];
        let [with, without] = ["\n", ""].map(|between| read(&model("3 2", &words, between), Kind::Binary).unwrap());
        assert_eq!(with, without);
        assert_eq!((with.len(), with.width(), with.is_empty()), (2, 2, false));
        // The last of two vectors counts, scaled in f32.
        assert_eq!(with.get("a").unwrap(), [f64::from(8.0 * 0.1_f32), f64::from(6.0 * 0.1_f32)]);
        assert_eq!(with.get("bé").unwrap(), [0.0, -1.0]);
        assert_eq!(with.get("b"), None);
    }

    #[test]
    fn texts_are_scaled_in_f64_and_words_cut() {
        let long = "é".repeat(100);
        let text = format!("2 2\r\na 3 4 \r\n{long} 1e-3 0\n");
        let model = read(text.as_bytes(), Kind::Text).unwrap();
        assert_eq!(model.get("a").unwrap(), [3.0 * (1.0 / 5.0), 4.0 * (1.0 / 5.0)]);
        assert_eq!(model.get(&"é".repeat(78)).unwrap(), [1.0, 0.0]);
        assert_eq!(model.get(&long), None);
    }

    #[test]
    fn the_ending_says_what_it_is() {
        let kinds = ["a.bin", "a.txt", "a.vec", "a.BIN", "bin"].map(|name| Kind::of(Path::new(name)));
        assert_eq!(kinds, [Some(Kind::Binary), Some(Kind::Text), None, None, None]);
        let error = from_path(Path::new("model.vec"), &Limits::default()).unwrap_err().to_string();
        assert!(error.starts_with("model.vec: a name that ends in .bin or .txt expected"), "{error}");
    }

    #[test]
    fn what_the_published_reader_takes_for_vectors_is_refused() {
        let words: [(&str, &[f32]); 2] = [("a", &[1.0, 0.0]), ("b", &[0.0, 1.0])];
        let whole = model("2 2", &words, "\n");
        for end in 4..whole.len() - 1 {
            let error = refused(&whole[..end], Kind::Binary);
            assert!(error.contains("of 2 (counted from 1)") && error.contains("bytes wanted"), "{end}: {error}");
        }
        let error = refused(&whole[..whole.len() - 2], Kind::Binary);
        assert_eq!(error, "word 2 of 2 (counted from 1): 10 bytes wanted, 9 left");
        assert_eq!(refused(&[&whole[..], b"c"].concat(), Kind::Binary), "1 bytes after the last of 2 vectors");
        for (vector, what) in [([0.0, 0.0], "is zero"), ([f32::NAN, 1.0], "is not finite"), ([3e38, 3e38], "too long")]
        {
            let error = refused(&model("1 2", &[("bad", &vector)], "\n"), Kind::Binary);
            assert!(error.starts_with("word \"bad\": its vector ") && error.contains(what), "{error}");
        }
        let error = refused(b"1 1\n\xff\xfe \0\0\x80\x3f\n", Kind::Binary);
        assert_eq!(error, r"word 1 (counted from 1) is not UTF-8: \xff\xfe");
        let header = "line 1: the number of words and the width of the vectors expected, both positive, found";
        for text in ["", "2", "0 2\n", "2 0\na 1 2\n", "a b\n", "1 2 3\n", "-1 2\n", "1 2"] {
            assert!(refused(text.as_bytes(), Kind::Text).starts_with(header), "{text:?}");
        }
        for (text, error) in [
            ("2 2\na 1 2\n", "1 lines of words, 2 by the header"),
            ("1 2\na 1 2\nb 1 2\n", "2 lines of words, 1 by the header"),
            ("1 2\n", "0 lines of words, 1 by the header"),
            ("1 3\na 1\n", "line 2, word \"a\": 1 numbers, 3 by the header"),
            ("1 2\na 1  2\n", "line 2, word \"a\": 3 numbers, 2 by the header"),
            ("1 2\na 1 x\n", "line 2, word \"a\": \"x\" is not a number"),
            (
                "1 2\na 1 nan\n",
                "word \"a\": its vector is not finite, or too long, and cannot be scaled to unit length",
            ),
            ("1 2\na 0 0\n", "word \"a\": its vector is zero, or too short, and cannot be scaled to unit length"),
        ] {
            assert_eq!(refused(text.as_bytes(), Kind::Text), error);
        }
    }

    #[test]
    fn sizes_are_checked_before_memory_is_reserved() {
        let error = refused(b"4611686018427387904 4611686018427387904\na 1", Kind::Binary);
        assert!(error.contains("bytes wanted"), "{error}");
        assert!(refused(b"1 4611686018427387904\na 1", Kind::Text).contains("bytes wanted"));
        let limits = Limits { bytes: 7, ..Limits::default() };
        let error = from_slice(b"1 1\na 1", Kind::Text, &limits).unwrap_err().to_string();
        assert_eq!(error, "bytes of content: 8 wanted, 7 allowed");
    }
}
