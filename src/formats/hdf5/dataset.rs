//! The values of a dataset.

use std::borrow::Cow;

use super::chunks;
use super::dataspace::{self, Shape};
use super::datatype::Datatype;
use super::error::{Hdf5Error, Result};
use super::file::{Cursor, File};
use super::filters::Pipeline;
use super::grid::Grid;
use super::header::Header;
use super::layout::{self, Chunked, Layout};
use crate::formats::ndarray::decode::Encoding;
use crate::formats::ndarray::{self, DType, NdArray};

/// What a dataset says of itself.
#[derive(Debug)]
pub(super) struct Dataset<'h, 'a> {
    header: &'h Header<'a>,
    pub datatype: Datatype,
    /// `None` if it has no values.
    pub shape: Option<Vec<usize>>,
    greatest: Vec<Option<u64>>,
}

const MISSING: Hdf5Error = Hdf5Error::Damaged("dataset without a datatype, a shape or a layout");

impl<'h, 'a> Dataset<'h, 'a> {
    pub fn new(file: &mut File<'a>, header: &'h Header<'a>) -> Result<Self> {
        let datatype = Datatype::read(file, header.datatype.ok_or(MISSING)?)?;
        let space = header.dataspace.ok_or(MISSING)?.own()?;
        let space = dataspace::parse(file.fields(space, "dataspace"))?;
        let Some(Shape { sizes, greatest }) = space else {
            return Ok(Self { header, datatype, shape: None, greatest: vec![] });
        };
        let shape = sizes.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>();
        let shape = shape.map_err(|_| Hdf5Error::Damaged("shape"))?;
        // The number of values must be a number.
        ndarray::count(&shape)?;
        Ok(Self { header, datatype, shape: Some(shape), greatest })
    }

    /// The values as an array; `None` if there are none, not even one of no elements.
    pub fn array(&self, file: &mut File<'a>) -> Result<Option<NdArray>> {
        let encoding = match self.datatype {
            Datatype::Plain(encoding) => encoding,
            Datatype::Text => return Hdf5Error::not_read("text of variable length"),
            Datatype::Reference => return Hdf5Error::not_read("references"),
            Datatype::Other(what) => return Hdf5Error::not_read(what),
        };
        let Some(shape) = &self.shape else { return Ok(None) };
        let values = self.bytes(file, shape, encoding.size)?;
        let array = room(file, memory(encoding, values.len()))
            .and_then(|()| Ok(encoding.decode(shape.clone(), false, &values, &mut file.work.budget)?));
        if let Cow::Owned(values) = values {
            file.work.give(values.len() as u64);
        }
        array.map(Some)
    }

    /// The values as bytes, `element` of them each.
    pub fn bytes(&self, file: &mut File<'a>, shape: &[usize], element: usize) -> Result<Cow<'a, [u8]>> {
        if self.header.external {
            return Hdf5Error::not_read("values in other files");
        }
        let layout = self.header.layout.ok_or(MISSING)?.own()?;
        let layout = layout::parse(file.fields(layout, "layout"))?;
        let size = ndarray::count(shape)?.checked_mul(element).ok_or(Hdf5Error::Damaged("shape"))?;
        if size == 0 {
            return Ok(Cow::Borrowed(&[]));
        }
        match layout {
            Layout::Compact(bytes) => {
                Ok(Cow::Borrowed(bytes.get(..size).ok_or(Hdf5Error::Truncated("compact dataset"))?))
            }
            Layout::Contiguous(Some(address)) => {
                file.work.stored(size as u64)?;
                Ok(Cow::Borrowed(file.block(address, size as u64, "dataset")?))
            }
            Layout::Contiguous(None) => Ok(Cow::Owned(self.fill(file, size, element)?)),
            Layout::Chunked(chunked) => {
                let grid = Grid::new(shape, &chunked.sizes, element)?;
                Ok(Cow::Owned(self.chunks(file, &chunked, &grid, size, element)?))
            }
        }
    }

    fn chunks(
        &self,
        file: &mut File<'a>,
        layout: &Chunked,
        grid: &Grid,
        size: usize,
        element: usize,
    ) -> Result<Vec<u8>> {
        let pipeline = match self.header.filters {
            Some(message) => Pipeline::parse(file.fields(message.own()?, "filters"))?,
            None => Pipeline::default(),
        };
        let list = chunks::list(file, layout, grid, &self.greatest, !pipeline.is_empty())?;
        // First the chunks that are there, then room for all of them: a size that is only declared costs nothing.
        let mut parts = Vec::with_capacity(list.len());
        for chunk in list {
            file.work.stored(chunk.stored)?;
            let stored = file.block(chunk.address, chunk.stored, "chunk")?;
            let plain = layout.plain_edges && grid.is_edge(chunk.number);
            let mask = if plain { u32::MAX } else { chunk.mask };
            parts.push((chunk.number, pipeline.undo(stored, mask, grid.bytes, &mut file.work)?));
        }
        let mut values = self.fill(file, size, element);
        for (number, part) in parts {
            if let Ok(values) = &mut values {
                grid.copy(number, &part, values).ok_or(Hdf5Error::Damaged("shape of the chunks"))?;
            }
            if let Cow::Owned(part) = part {
                file.work.give(part.len() as u64);
            }
        }
        values
    }

    /// So many bytes of the value of elements that were never written.
    fn fill(&self, file: &mut File<'a>, size: usize, element: usize) -> Result<Vec<u8>> {
        room(file, size as u64)?;
        let mut values = Vec::new();
        values.try_reserve_exact(size).map_err(|_| Hdf5Error::Disproportion("memory"))?;
        values.resize(size, 0);
        let value = self.fill_value(file)?.unwrap_or(&[]);
        if !value.is_empty() && value.len() != element {
            return Err(Hdf5Error::Damaged("fill value"));
        }
        if value.iter().any(|&byte| byte != 0) {
            values.chunks_exact_mut(element).for_each(|place| place.copy_from_slice(value));
        }
        Ok(values)
    }

    fn fill_value(&self, file: &mut File<'a>) -> Result<Option<&'a [u8]>> {
        if let Some(message) = self.header.fill {
            let mut fields = file.fields(message.own()?, "fill value");
            let version = fields.version(&[1, 2, 3])?;
            let defined = if version < 3 {
                fields.take(2)?;
                fields.u8()? != 0 || version == 1
            } else {
                fields.u8()? & 0x20 != 0
            };
            return if defined { value(&mut fields).map(Some) } else { Ok(None) };
        }
        match self.header.old_fill {
            Some(message) => value(&mut file.fields(message.own()?, "fill value")).map(Some),
            None => Ok(None),
        }
    }
}

/// Grants memory for the values of one dataset. A file may hold a large one of which little was ever written, beside others that are asked for.
fn room(file: &mut File, bytes: u64) -> Result<()> {
    file.work.take(bytes).or_else(|_| Hdf5Error::not_read("more values than a file of its size can hold"))
}

/// A value with its size before it.
fn value<'a>(fields: &mut Cursor<'a>) -> Result<&'a [u8]> {
    let size = fields.u32()? as usize;
    fields.take(size)
}

/// What an array takes in memory.
fn memory(encoding: Encoding, bytes: usize) -> u64 {
    let texts = if encoding.dtype == DType::Bytes { bytes / encoding.size.max(1) } else { 0 };
    (bytes + texts.saturating_mul(size_of::<Vec<u8>>() + 8)) as u64
}
