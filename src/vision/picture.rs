/// Values of a pixel: red, green, blue.
pub(super) const CHANNELS: usize = 3;

/// The largest picture that resizing makes, in values.
const MOST_VALUES: usize = 1 << 30;

/// What can be wrong with a picture, or with what is asked of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Bytes that are no picture of that size.
    #[error("{got} bytes are no RGB picture of height {height} and width {width}")]
    Size {
        /// Height asked for.
        height: usize,
        /// Width asked for.
        width: usize,
        /// Bytes given.
        got: usize,
    },
    /// A picture without a pixel is asked for.
    #[error("a picture of height {height} and width {width} has no pixel")]
    Empty {
        /// Height asked for.
        height: usize,
        /// Width asked for.
        width: usize,
    },
    /// A picture for which there is no memory, or which no program reads.
    #[error("a picture of height {height} and width {width} is too large")]
    TooLarge {
        /// Height asked for.
        height: usize,
        /// Width asked for.
        width: usize,
    },
    /// A part of a picture that reaches beyond it.
    #[error("{window:?} reaches beyond a picture of height {height} and width {width}")]
    Outside {
        /// The part.
        window: Window,
        /// Height of the picture.
        height: usize,
        /// Width of the picture.
        width: usize,
    },
}

/// A part of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows above it.
    pub top: usize,
    /// Columns before it.
    pub left: usize,
    /// Its rows.
    pub height: usize,
    /// Its columns.
    pub width: usize,
}

/// An 8-bit RGB picture: rows of pixels, three values each, with at least one pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    values: Vec<u8>,
    height: usize,
    width: usize,
}

impl Picture {
    /// Takes ownership of the values, `height · width · 3`.
    ///
    /// # Errors
    /// [`PictureError::Size`] for another number of values, [`PictureError::Empty`] for none.
    pub fn new(values: Vec<u8>, height: usize, width: usize) -> Result<Self, PictureError> {
        let wanted = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(CHANNELS));
        match wanted {
            Some(0) => Err(PictureError::Empty { height, width }),
            Some(wanted) if wanted == values.len() => Ok(Self { values, height, width }),
            _ => Err(PictureError::Size { height, width, got: values.len() }),
        }
    }

    /// Number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All values, row by row, pixel by pixel.
    pub fn values(&self) -> &[u8] {
        &self.values
    }

    /// Gives the values back.
    pub fn into_values(self) -> Vec<u8> {
        self.values
    }

    /// The values of a row.
    pub(super) fn row(&self, i: usize) -> &[u8] {
        let row = self.width * CHANNELS;
        &self.values[i * row..][..row]
    }

    /// The length of the shorter side.
    pub(super) fn shorter(&self) -> usize {
        self.height.min(self.width)
    }

    /// A part of the picture.
    ///
    /// # Errors
    /// [`PictureError::Outside`], [`PictureError::Empty`].
    pub fn crop(&self, window: Window) -> Result<Self, PictureError> {
        let Window { top, left, height, width } = window;
        let fits = |from: usize, size: usize, whole: usize| from.checked_add(size).is_some_and(|end| end <= whole);
        if !fits(top, height, self.height) || !fits(left, width, self.width) {
            return Err(PictureError::Outside { window, height: self.height, width: self.width });
        }
        let rows = (top..top + height).map(|i| &self.row(i)[left * CHANNELS..][..width * CHANNELS]);
        Self::new(rows.flatten().copied().collect(), height, width)
    }
}

/// Room for the values of a picture.
pub(super) fn room(height: usize, width: usize) -> Result<Vec<u8>, PictureError> {
    if height == 0 || width == 0 {
        return Err(PictureError::Empty { height, width });
    }
    let values = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(CHANNELS));
    let mut room = vec![];
    match values.filter(|values| *values <= MOST_VALUES) {
        Some(values) if room.try_reserve_exact(values).is_ok() => Ok(room),
        _ => Err(PictureError::TooLarge { height, width }),
    }
}
