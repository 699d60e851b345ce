//! Where a file begins, and where its root group lies.

use super::error::{Hdf5Error, Result};
use super::file::{Cursor, File, Widths};
use super::work::Work;
use crate::formats::limits::Limits;

const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";
const WHAT: &str = "superblock";

/// Finds the superblock; gives the file from there on and the address of the root group. In front of it there may be a block of the user's
/// own: the signature is at 0, 512, 1024, and so on.
pub(super) fn open<'a>(bytes: &'a [u8], limits: &'a Limits) -> Result<(File<'a>, u64)> {
    let places = std::iter::once(0).chain(std::iter::successors(Some(512_usize), |place| place.checked_mul(2)));
    let mut rests = places.map_while(|place| bytes.get(place..));
    let bytes = rests.find(|rest| rest.starts_with(SIGNATURE)).ok_or(Hdf5Error::Signature)?;
    let widths = Widths { offset: 8, length: 8 };
    let mut file = File { bytes, widths, work: Work::new(limits, bytes.len()) };
    let mut fields = file.at(SIGNATURE.len() as u64, WHAT)?;
    let version = fields.version(&[0, 1, 2, 3])?;
    if version < 2 {
        fields.take(4)?;
    }
    let widths = Widths { offset: fields.u8()?.into(), length: fields.u8()?.into() };
    if [widths.offset, widths.length].iter().any(|width| ![2, 4, 8].contains(width)) {
        return Err(Hdf5Error::Damaged("width of an address"));
    }
    let skipped = match version {
        0 => 9,
        1 => 13,
        _ => 1,
    };
    fields.take(skipped)?;
    file.widths = widths;
    let rest = fields.take(fields.left())?;
    let fields = file.fields(rest, WHAT);
    let root = addresses(&mut file, fields, version)?;
    Ok((file, root))
}

fn addresses<'a>(file: &mut File<'a>, mut fields: Cursor<'a>, version: u8) -> Result<u64> {
    let base = fields.maybe_address()?;
    fields.maybe_address()?;
    let end = fields.address()?;
    let found = file.bytes.len() as u64;
    // The end counts from the beginning of the file.
    let wanted = end.saturating_sub(base.unwrap_or(0));
    if wanted > found {
        return Err(Hdf5Error::CutOff { wanted, found });
    }
    if version >= 2 {
        let root = fields.address()?;
        file.verify(0, fields)?;
        return Ok(root);
    }
    // The block of a driver, and the offset of the name of the root group.
    fields.maybe_address()?;
    fields.maybe_address()?;
    fields.address()
}
