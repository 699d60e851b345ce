//! Data folders to read and to break.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use coembed::data::Loaded;
use coembed::data::epic100::{Epic100Error, EvalSplitName, load_eval, load_train};
use coembed::data::relational::{EvalSplit, FolderOptions, TrainSplit};
use coembed::formats::pickle_writer::{Element, Writer};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(0)
}

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of its own, which may be changed; removed at the end.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The complete tiny folder in the authors' layout.
    pub fn mini() -> Self {
        let folder = Self::empty();
        let source = repository().join("tests/golden/relmargin/mini/data");
        for kind in fs::read_dir(source).unwrap().map(Result::unwrap) {
            for file in fs::read_dir(kind.path()).unwrap().map(Result::unwrap) {
                let (kind, name) = (kind.file_name(), file.file_name());
                let path = Path::new("data").join(kind).join(name);
                folder.write(path.to_str().unwrap(), &fs::read(file.path()).unwrap());
            }
        }
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    pub fn write(&self, path: &str, contents: &[u8]) {
        let path = self.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    pub fn remove(&self, path: &str) {
        fs::remove_file(self.join(path)).unwrap();
    }

    /// A pickle, its object written by `write`.
    pub fn pickle(&self, path: &str, write: impl FnOnce(&mut Writer)) {
        let mut writer = Writer::new();
        write(&mut writer);
        self.write(path, &writer.finish());
    }

    pub fn array<T: Element>(&self, path: &str, shape: [usize; 2], values: &[T]) {
        self.pickle(path, |root| root.array(&shape, values));
    }

    pub fn video<T: Element>(&self, path: &str, shape: [usize; 2], values: &[T]) {
        self.pickle(path, |root| {
            root.dict(|entries| {
                entries.str("features");
                entries.array(&shape, values);
            });
        });
    }

    pub fn train(&self, options: &FolderOptions) -> Result<Loaded<TrainSplit>, Epic100Error> {
        load_train(self.path(), options, &mut rng())
    }

    pub fn eval(&self, split: EvalSplitName) -> Result<Loaded<EvalSplit>, Epic100Error> {
        load_eval(self.path(), split, &FolderOptions::default())
    }

    /// The message for the training split, which must name the file.
    pub fn train_error(&self, file: &str) -> String {
        message(self.train(&FolderOptions::default()).unwrap_err(), file)
    }

    /// The message for the test split, which must name the file.
    pub fn test_error(&self, file: &str) -> String {
        message(self.eval(EvalSplitName::Test).unwrap_err(), file)
    }
}

fn message(error: Epic100Error, file: &str) -> String {
    let message = error.to_string();
    assert!(message.contains(file), "{message} does not name {file}");
    message
}

/// A value of a relational dictionary.
#[derive(Clone, Copy)]
pub enum Class<'a> {
    Id(i64),
    Ids(&'a [i64]),
    Text(&'a str),
    Texts(&'a [&'a str]),
    Pair(&'a [i64], &'a [i64]),
}

pub fn class(writer: &mut Writer, class: Class) {
    let ids = |writer: &mut Writer, ids: &[i64]| writer.list(|items| ids.iter().for_each(|id| items.int(*id)));
    match class {
        Class::Id(id) => writer.int(id),
        Class::Text(text) => writer.str(text),
        Class::Ids(list) => ids(writer, list),
        Class::Texts(texts) => writer.list(|items| texts.iter().for_each(|text| items.str(text))),
        Class::Pair(verbs, nouns) => writer.list(|items| {
            ids(items, verbs);
            ids(items, nouns);
        }),
    }
}

/// Keys and values of one dictionary.
pub type Entries<'a> = &'a [(Class<'a>, Class<'a>)];

pub fn relational(writer: &mut Writer, dictionaries: &[(&str, Entries)]) {
    writer.dict(|root| {
        for (name, entries) in dictionaries {
            root.str(name);
            root.dict(|items| {
                for (key, value) in *entries {
                    class(items, *key);
                    class(items, *value);
                }
            });
        }
    });
}

/// The contents of an `.npy` file.
pub fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    header.push_str(&" ".repeat(63 - (10 + header.len()) % 64));
    header.push('\n');
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// An `.npz` archive of one array of f32.
pub fn npz(name: &str, shape: &str, values: &[f32]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file(format!("{name}.npy"), options).unwrap();
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    writer.write_all(&npy("<f4", shape, &data)).unwrap();
    writer.finish().unwrap().into_inner()
}

/// An `.npy` file of texts.
pub fn npy_texts(texts: &[&str]) -> Vec<u8> {
    let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(1);
    let characters =
        |text: &str| text.chars().map(u32::from).chain(std::iter::repeat(0)).take(width).collect::<Vec<_>>();
    let data: Vec<u8> = texts.iter().flat_map(|text| characters(text)).flat_map(u32::to_le_bytes).collect();
    npy(&format!("<U{width}"), &format!("({},)", texts.len()), &data)
}
