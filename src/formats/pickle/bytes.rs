//! A cursor over the input: every read is checked against what is left.

use super::PickleError;

pub(super) struct Bytes<'a> {
    pub input: &'a [u8],
    pub at: usize,
}

impl<'a> Bytes<'a> {
    pub fn take(&mut self, count: u64) -> Result<&'a [u8], PickleError> {
        let left = self.input.len() - self.at;
        match usize::try_from(count) {
            Ok(count) if count <= left => {
                let taken = &self.input[self.at..][..count];
                self.at += count;
                Ok(taken)
            }
            _ => Err(PickleError::Truncated { offset: self.at, wanted: count, left }),
        }
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    pub fn u8(&mut self) -> Result<u8, PickleError> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16, PickleError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32, PickleError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn i32(&mut self) -> Result<i32, PickleError> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, PickleError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A line of a text opcode, without its newline.
    pub fn line(&mut self) -> Result<&'a [u8], PickleError> {
        let rest = &self.input[self.at..];
        match rest.iter().position(|&b| b == b'\n') {
            Some(end) => {
                self.at += end + 1;
                Ok(&rest[..end])
            }
            None => {
                let left = rest.len();
                Err(PickleError::Truncated { offset: self.at, wanted: left as u64 + 1, left })
            }
        }
    }
}
