//! Writing `.npy` files and `.npz` archives: version 1.0, little-endian, C order, as numpy reads them everywhere.

use std::io::{self, Cursor, Write};

use zip::write::{SimpleFileOptions, ZipWriter};

use super::ndarray::{ArrayError, count};

/// An element type of written arrays.
pub trait Element: Copy {
    /// As numpy names it.
    const CODE: &str;

    /// Appends the bytes of a value.
    fn append(self, to: &mut Vec<u8>);
}

macro_rules! elements {
    ($($element:ty: $code:literal),*) => {
        $(impl Element for $element {
            const CODE: &str = $code;

            fn append(self, to: &mut Vec<u8>) {
                to.extend(self.to_le_bytes());
            }
        })*
    };
}

elements! { f32: "<f4", f64: "<f8", i64: "<i8", u8: "|u1" }

/// The file of an array, its values in C order.
///
/// # Errors
/// [`ArrayError::Length`] when the number of values is not the product of the shape.
pub fn array<E: Element>(shape: &[usize], values: &[E]) -> Result<Vec<u8>, ArrayError> {
    let (wanted, found) = (count(shape)?, values.len());
    if wanted != found {
        let (dtype, shape) = (E::CODE.into(), shape.to_vec());
        return Err(ArrayError::Length { dtype, shape, wanted: wanted as u64, found: found as u64, unit: "values" });
    }
    // A tuple of one has a comma, too.
    let sizes: String = shape.iter().map(|size| format!("{size}, ")).collect();
    let mut header = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", E::CODE, sizes.trim_end());
    // Data begins at a multiple of 64 bytes, behind 10 bytes of preamble and a line's end.
    let padding = (64 - (10 + header.len() + 1) % 64) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.reserve_exact(size_of_val(values));
    values.iter().for_each(|value| value.append(&mut file));
    Ok(file)
}

/// The archive of named arrays, not compressed (`numpy.savez`). The arrays are files that [`array()`] makes.
///
/// # Errors
/// Two arrays of one name.
pub fn archive<'a>(arrays: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> io::Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(vec![]));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, file) in arrays {
        archive.start_file(format!("{name}.npy"), stored)?;
        archive.write_all(&file)?;
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{Limits, npy};

    #[test]
    fn what_was_written_reads_back_equal() {
        let values: Vec<f64> = (0..70).map(|i| f64::from(i) / 3.0).collect();
        let file = array(&[70], &values).unwrap();
        assert_eq!((file.len() - 8 * values.len()) % 64, 0);
        let read = npy::from_slice(&file, &Limits::default()).unwrap();
        assert_eq!((read.shape(), read.to_f64_vec().unwrap()), (&[70][..], values));

        let frames = array(&[1, 2, 3], &[1u8, 2, 3, 4, 5, 6]).unwrap();
        let archived = archive([("a", frames.clone()), ("b", array(&[], &[7i64]).unwrap())]).unwrap();
        let read = npy::npz_from_slice(&archived, &Limits::default()).unwrap();
        assert_eq!((read[0].0.as_str(), read[0].1.shape()), ("a", &[1, 2, 3][..]));
        assert_eq!((read[1].0.as_str(), read[1].1.to_i64_vec().unwrap()), ("b", vec![7]));
        assert!(archive([("a", frames.clone()), ("a", frames)]).is_err());
    }

    #[test]
    fn values_that_are_not_of_the_shape_are_refused() {
        let error = array(&[2, 3], &[0f32; 5]).unwrap_err().to_string();
        assert_eq!(error, "shape [2, 3] of <f4 wants 6 values, found 5");
        assert!(array::<f32>(&[usize::MAX, 2], &[]).is_err());
    }
}
