//! Which files a configuration is made of, and how they are put together.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Map, Value};

use super::ImportError;
use crate::files::read_text;

/// The deepest inheritance.
pub(super) const GENERATIONS: usize = 64;

/// A file and all that it inherits from, as one object.
pub(super) fn merged(path: &Path, root: &Path) -> Result<Map<String, Value>, ImportError> {
    let mut files = Files::default();
    let order = lineage(path, root, &mut files)?;
    let mut merged = Map::new();
    order.iter().for_each(|&file| merge(&mut merged, &files.contents[file]));
    Ok(merged)
}

/// The object that a file is.
pub(super) fn object(path: &Path) -> Result<Map<String, Value>, ImportError> {
    let text = read_text(path).map_err(|source| ImportError::Io { path: path.into(), source })?;
    serde_json::from_str(&text).map_err(|source| ImportError::Json { path: path.into(), source })
}

/// The files of a configuration.
#[derive(Default)]
struct Files {
    /// Those that are being read, from the one that was asked for to its innermost ancestor.
    open: Vec<PathBuf>,
    contents: Vec<Map<String, Value>>,
    /// By file, the numbers of all that it inherits and its own, in the order in which they are merged.
    lineages: HashMap<PathBuf, Rc<[usize]>>,
}

/// A file and its ancestors in the order in which they are merged: depth first, parents before the file. What comes twice counts where it
/// comes last, as merging it again overwrites all that it had said.
fn lineage(path: &Path, root: &Path, files: &mut Files) -> Result<Rc<[usize]>, ImportError> {
    let io = |source| ImportError::Io { path: path.into(), source };
    let canonical = path.canonicalize().map_err(io)?;
    if files.open.contains(&canonical) || files.open.len() >= GENERATIONS {
        return Err(ImportError::Cycle { path: path.into() });
    }
    if let Some(lineage) = files.lineages.get(&canonical) {
        return Ok(lineage.clone());
    }
    let mut own = object(path)?;
    let parents = match own.remove("inherit_from") {
        None => String::new(),
        Some(Value::String(parents)) => parents,
        Some(other) => {
            let reason = format!("a string expected, found {other}");
            return Err(ImportError::Entry { path: path.into(), key: "inherit_from".into(), reason });
        }
    };
    files.open.push(canonical.clone());
    let mut order = vec![];
    for parent in last_of_each(parents.split(',').map(str::trim).filter(|parent| !parent.is_empty())) {
        order.extend_from_slice(&lineage(&root.join(parent), root, files)?);
    }
    files.open.pop();
    order.push(files.contents.len());
    files.contents.push(own);
    let lineage: Rc<[usize]> = last_of_each(order).into();
    files.lineages.insert(canonical, lineage.clone());
    Ok(lineage)
}

/// Without all but the last of what comes several times.
fn last_of_each<T: Hash + Eq + Copy>(items: impl IntoIterator<Item = T, IntoIter: DoubleEndedIterator>) -> Vec<T> {
    let mut seen = HashSet::new();
    let mut kept: Vec<T> = items.into_iter().rev().filter(|item| seen.insert(*item)).collect();
    kept.reverse();
    kept
}

fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            (_, value) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}
