//! What a file is, where its first bytes tell, and what is in compressed ones.

use std::borrow::Cow;
use std::io::Read;

use super::archive::{Archive, ArchiveError};
use super::limits::{Budget, LimitError};

/// Why a file is not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum PackedError {
    /// It is compressed, and broken.
    #[error("{kind} data: {source}")]
    Broken {
        /// Of what kind.
        kind: &'static str,
        /// What is wrong.
        source: std::io::Error,
    },
    /// A zip archive that is broken.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A budget is exhausted.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// Memory that the decoder of xz may take, in KiB: twice that of its highest preset.
const XZ_MEMORY: u32 = 128 << 10;

/// The contents of gzip, zlib, bzip2 and xz data, and of a zip archive of one member; other bytes as they are.
pub(crate) fn contents<'b>(bytes: &'b [u8], budget: &mut Budget) -> Result<Cow<'b, [u8]>, PackedError> {
    let unpack = |kind, reader: &mut dyn Read, budget: &mut Budget| {
        let mut unpacked = Vec::new();
        let broken = |source| PackedError::Broken { kind, source };
        loop {
            // Granted bit by bit: nothing says how much there is.
            let before = unpacked.len();
            reader.take(1 << 20).read_to_end(&mut unpacked).map_err(broken)?;
            match unpacked.len() - before {
                0 => return Ok(Cow::Owned(unpacked)),
                more => budget.unpacked(more as u64)?,
            }
        }
    };
    match bytes {
        [0x1f, 0x8b, ..] => unpack("gzip", &mut flate2::read::MultiGzDecoder::new(bytes), budget),
        // Not a beginning of any pickle that Python writes.
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => unpack("zlib", &mut flate2::read::ZlibDecoder::new(bytes), budget),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => unpack("bzip2", &mut bzip2::read::MultiBzDecoder::new(bytes), budget),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            unpack("xz", &mut lzma_rust2::XzReader::new_mem_limit(bytes, true, XZ_MEMORY), budget)
        }
        [b'P', b'K', 3, 4, ..] => {
            let mut archive = Archive::new(bytes, budget)?;
            match archive.names() {
                [only] if !only.ends_with(".npy") => {
                    let only = only.clone();
                    Ok(Cow::Owned(archive.read(&only, budget)?))
                }
                _ => Ok(Cow::Borrowed(bytes)),
            }
        }
        _ => Ok(Cow::Borrowed(bytes)),
    }
}

/// What bytes are, where they begin as nothing does that is read as values of itself.
pub(crate) fn recognise(bytes: &[u8]) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(512)]).trim_start().to_lowercase();
    let kind = match bytes {
        [0x1f, 0x8b, ..] => "gzip data",
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => "bzip2 data",
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => "xz data",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd data",
        [0x04, 0x22, 0x4d, 0x18, ..] => "lz4 data",
        [b'7', b'z', 0xbc, 0xaf, ..] => "a 7z archive",
        [b'R', b'a', b'r', b'!', ..] => "a rar archive",
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => "an .npy file",
        [0x89, b'H', b'D', b'F', ..] => "an HDF5 file",
        [b'P', b'A', b'R', b'1', ..] => "a Parquet file",
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] => "an image",
        [b'%', b'P', b'D', b'F', ..] => "a PDF document",
        [b'M', b'A', b'T', b'L', b'A', b'B', ..] => "a MATLAB file",
        [b'P', b'K', 3, 4, ..] => return Some(zip(bytes)),
        _ if bytes.get(257..262) == Some(b"ustar") => "a tar archive",
        _ if bytes.starts_with(b"version https://git-lfs") => {
            "a pointer of Git LFS, not the file itself (`git lfs pull` fetches it)"
        }
        [b'<' | b' ' | b'\n' | b'\r' | b'\t' | 0xef, ..] => match text(bytes) {
            text if text.contains("<!doctype html") || text.contains("<html") => "an HTML page",
            text if text.trim_start_matches('\u{feff}').starts_with("<?xml") => "an XML document",
            _ => return None,
        },
        _ => return None,
    };
    Some(kind.into())
}

/// The contents tell kinds of zip archives apart.
fn zip(bytes: &[u8]) -> String {
    let Ok(archive) = zip::ZipArchive::new(std::io::Cursor::new(bytes)) else { return "a damaged zip archive".into() };
    let names = || archive.file_names().take(1000).flatten();
    let kind = if names().any(|name| name.ends_with("/constants.pkl") || name.contains("/code/")) {
        "a TorchScript archive (a zip archive; save its `state_dict()` with `torch.save`)"
    } else if names().any(|name| name.ends_with("/data.pkl")) {
        "a PyTorch checkpoint (a zip archive)"
    } else if names().any(|name| name.ends_with(".npy")) {
        "an .npz archive (a zip archive)"
    } else {
        "a zip archive"
    };
    kind.into()
}
