use std::collections::HashMap;

use super::dataset::Dataset;
use super::error::Hdf5Error;
use super::group::{self, Target};
use super::header::Header;
use super::superblock;
use crate::formats::FormatError;
use crate::formats::limits::Limits;
use crate::formats::ndarray::NdArray;

/// The arrays of a file's root group, each read when it is asked for: for files that are larger than memory, and mapped.
///
/// Listed are the members that lie in the file itself; soft links and links to other files are left out. Every array is granted what
/// [`parse`](super::parse) grants a whole file.
#[derive(Debug)]
pub struct Members<B> {
    bytes: B,
    limits: Limits,
    names: Vec<String>,
    addresses: HashMap<String, u64>,
}

impl<B: AsRef<[u8]>> Members<B> {
    /// Lists the members.
    ///
    /// # Errors
    /// [`FormatError::Hdf5`] for what is no HDF5 file, or a damaged one.
    pub fn open(bytes: B, limits: &Limits) -> Result<Self, FormatError> {
        let (mut file, root) = superblock::open(bytes.as_ref(), limits)?;
        let header = Header::read(&mut file, root)?;
        let links = group::links(&mut file, &header)?;
        let (mut names, mut addresses) = (Vec::with_capacity(links.len()), HashMap::with_capacity(links.len()));
        for link in links {
            let Target::Hard(address) = link.target else { continue };
            if addresses.insert(link.name.clone(), address).is_none() {
                names.push(link.name);
            }
        }
        Ok(Self { bytes, limits: limits.clone(), names, addresses })
    }

    /// In the order of their creation where the file knows it, otherwise by name.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether there is such a member.
    pub fn contains(&self, name: &str) -> bool {
        self.addresses.contains_key(name)
    }

    /// One of them; `None` where there is none of that name, or it has no values.
    ///
    /// # Errors
    /// [`FormatError::Hdf5`] for a group, for values that are not read, and for damage.
    pub fn array(&self, name: &str) -> Result<Option<NdArray>, FormatError> {
        let Some(address) = self.addresses.get(name) else { return Ok(None) };
        let (mut file, _) = superblock::open(self.bytes.as_ref(), &self.limits)?;
        let mut read = || {
            let header = Header::read(&mut file, *address)?;
            if header.is_group() {
                return Hdf5Error::not_read("a group");
            }
            Dataset::new(&mut file, &header)?.array(&mut file)
        };
        read().map_err(|error: Hdf5Error| error.within(name).into())
    }
}
