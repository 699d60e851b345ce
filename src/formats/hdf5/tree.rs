//! From the objects of a file to one tree of values.

use std::collections::HashMap;
use std::sync::Arc;

use super::attribute::Attributes;
use super::dataset::Dataset;
use super::error::{Hdf5Error, Result};
use super::file::File;
use super::group::{self, Link, Target};
use super::header::Header;
use super::heap::Heaps;
use super::hickle::{self, Types};
use crate::formats::limits::{self, Limits};
use crate::formats::ndarray::NdArray;
use crate::formats::pickle::{Dict, Value};

/// A file that is being read.
pub(super) struct Tree<'a> {
    pub file: File<'a>,
    pub heaps: Heaps<'a>,
    root: u64,
    limits: &'a Limits,
    /// Objects by their address. A group that is being read has no value yet.
    known: HashMap<u64, Option<Known>>,
    /// Links by name of the groups that soft links lead through.
    paths: HashMap<u64, HashMap<String, Target>>,
    /// What the types of `hickle` are called, in a file that it wrote.
    pub hickle: Option<Types>,
}

/// A value that has been made.
#[derive(Clone)]
pub(super) struct Known {
    pub value: Value,
    /// Values in it; shared ones count each time.
    pub count: u64,
}

impl Known {
    pub fn one(value: Value) -> Self {
        Self { value, count: 1 }
    }

    fn unread(what: impl Into<Arc<str>>) -> Self {
        Self::one(Value::Unread(what.into()))
    }
}

/// What `hickle` wraps its content in, up to version 3 and since.
const WRAPPERS: [&str; 2] = ["data_0", "data"];
/// Soft links that lead to soft links.
const HOPS: u32 = 16;
/// Nesting of groups, whatever the caller allows: reading them recurses.
const DEPTH: u32 = 200;

impl<'a> Tree<'a> {
    pub fn new(file: File<'a>, root: u64, limits: &'a Limits) -> Self {
        let (known, paths) = (HashMap::new(), HashMap::new());
        Self { file, heaps: Heaps::default(), root, limits, known, paths, hickle: None }
    }

    /// The content of the file.
    pub fn content(mut self) -> Result<Value> {
        let header = Header::read(&mut self.file, self.root)?;
        let links = group::links(&mut self.file, &header)?;
        if let Some(wrapped) = self.wrapped(&header, &links)? {
            return Ok(wrapped);
        }
        self.known.insert(self.root, None);
        Ok(self.dict(self.root, links, 0)?.value)
    }

    /// The content of a file of `hickle`, or of one that looks like it.
    fn wrapped(&mut self, header: &Header<'a>, links: &[Link]) -> Result<Option<Value>> {
        let find = |name: &&str| links.iter().find(|link| link.name == *name);
        let Some(Link { name, target: Target::Hard(address), .. }) = WRAPPERS.iter().find_map(find) else {
            return Ok(None);
        };
        let attributes = Attributes::read(&mut self.file, header, &mut self.heaps)?;
        let written = attributes.text("CLASS") == Some("hickle") || attributes.get("HICKLE_VERSION").is_some();
        let inner = Header::read(&mut self.file, *address).map_err(|error| error.within(name))?;
        if !written && !inner.is_group() {
            return Ok(None);
        }
        self.hickle = Some(Types::read(&mut self.file, links, &mut self.heaps)?);
        Ok(Some(self.object(*address, name, 0)?.value))
    }

    /// The object at an address. A name is for errors.
    pub fn object(&mut self, address: u64, name: &str, depth: u32) -> Result<Known> {
        match self.known.get(&address) {
            Some(Some(known)) => return Ok(known.clone()),
            Some(None) => return Err(Hdf5Error::Damaged("a group that contains itself").within(name)),
            None => {}
        }
        self.known.insert(address, None);
        let known = match self.make(address, depth) {
            Ok(known) => known,
            Err(Hdf5Error::NotRead(what)) => Known::unread(what),
            Err(error) => return Err(error.within(name)),
        };
        self.known.insert(address, Some(known.clone()));
        Ok(known)
    }

    fn make(&mut self, address: u64, depth: u32) -> Result<Known> {
        limits::check("nested groups", depth.into(), self.limits.depth.min(DEPTH).into())?;
        let header = Header::read(&mut self.file, address)?;
        if self.hickle.is_some() {
            hickle::make(self, address, &header, depth)
        } else if header.is_group() {
            let links = group::links(&mut self.file, &header)?;
            self.dict(address, links, depth)
        } else if header.dataspace.is_some() || header.layout.is_some() {
            Ok(Known::one(array(Dataset::new(&mut self.file, &header)?.array(&mut self.file)?)))
        } else {
            Hdf5Error::not_read("a data type")
        }
    }

    fn dict(&mut self, group: u64, links: Vec<Link>, depth: u32) -> Result<Known> {
        let (mut entries, mut count) = (Vec::with_capacity(links.len()), 1);
        for link in links {
            let known = self.follow(group, &link, depth)?;
            count += known.count;
            self.expanded(count)?;
            entries.push((link.name.as_str().into(), known.value));
        }
        Ok(Known { value: Value::Dict(entries.into_iter().collect::<Dict>().into()), count })
    }

    /// Whether a value may hold so many, shared ones counted each time: a file that shares its groups must not become a tree without bounds.
    pub fn expanded(&self, count: u64) -> Result<()> {
        let own = 200_000 + self.file.bytes.len() as u64;
        Ok(limits::check("expanded tree", count, self.limits.expanded_nodes.min(own))?)
    }

    /// What a link of a group leads to.
    pub fn follow(&mut self, group: u64, link: &Link, depth: u32) -> Result<Known> {
        let address = match &link.target {
            Target::Hard(address) => Some(*address),
            Target::Soft(path) => self.resolve(group, path, HOPS).map_err(|error| error.within(&link.name))?,
            Target::External => return Ok(Known::unread("a link to another file")),
        };
        match address {
            None => Ok(Known::unread("a link to nothing in the file")),
            // A soft link to a group around it is harmless; a hard one is not written by any program.
            Some(address)
                if matches!(link.target, Target::Soft(_)) && matches!(self.known.get(&address), Some(None)) =>
            {
                Ok(Known::unread("a link to a group around it"))
            }
            Some(address) => self.object(address, &link.name, depth + 1),
        }
    }

    /// The address that a path leads to, if it leads to anything in this file.
    fn resolve(&mut self, group: u64, path: &str, hops: u32) -> Result<Option<u64>> {
        let mut at = if path.starts_with('/') { self.root } else { group };
        for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
            self.file.work.visit(1)?;
            self.index(at)?;
            let next = match (self.paths.get(&at).and_then(|links| links.get(part)), hops.checked_sub(1)) {
                (Some(Target::Hard(address)), _) => Some(*address),
                (Some(Target::Soft(path)), Some(hops)) => {
                    let path = path.clone();
                    self.resolve(at, &path, hops)?
                }
                _ => None,
            };
            let Some(next) = next else { return Ok(None) };
            at = next;
        }
        Ok(Some(at))
    }

    /// Keeps the links of a group by name.
    fn index(&mut self, group: u64) -> Result<()> {
        if !self.paths.contains_key(&group) {
            let header = Header::read(&mut self.file, group)?;
            let links = group::links(&mut self.file, &header)?;
            self.paths.insert(group, links.into_iter().map(|link| (link.name, link.target)).collect());
        }
        Ok(())
    }
}

/// An array, or `None` for a dataset without any value.
pub(super) fn array(array: Option<NdArray>) -> Value {
    array.map_or(Value::None, |array| Value::Array(array.into()))
}
