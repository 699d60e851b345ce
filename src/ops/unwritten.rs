//! Results that are not filled with zeros before they are written.
//!
//! A block of a new buffer is handed out as [`Unwritten`]. All that can be done with it is to write all of it, which gives the same place as
//! values; whoever handed it out asks for those back, so that no value is read or kept that was not written.

use std::mem::MaybeUninit;

use super::math::{LANES, Lanes, each, halve, pad};

/// Values that were not written yet.
pub(crate) struct Unwritten<'b>(&'b mut [MaybeUninit<f32>]);

/// In one store: computed before, so that the compiler need not know that the place overlaps nothing that is read.
#[inline(always)]
fn write(place: &mut [MaybeUninit<f32>; LANES], values: Lanes) {
    // SAFETY: a place for as many values, which need no drop.
    unsafe { place.as_mut_ptr().cast::<Lanes>().write(values) }
}

impl<'b> Unwritten<'b> {
    fn new(values: &'b mut [MaybeUninit<f32>]) -> Self {
        Self(values)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// # Safety
    /// Every value was written.
    #[inline(always)]
    unsafe fn written(self) -> &'b mut [f32] {
        // SAFETY: f32 and MaybeUninit<f32> have the same layout; the rest is the caller's.
        unsafe { &mut *(std::ptr::from_mut(self.0) as *mut [f32]) }
    }

    /// Whether these values are the place of this, which they can only be if all of it was written.
    #[inline(always)]
    fn check((start, len): (*const MaybeUninit<f32>, usize), values: &[f32]) {
        assert!(values.as_ptr().cast() == start && values.len() == len, "a block of a result was not written");
    }

    /// What `f` writes.
    #[inline(always)]
    pub(crate) fn written_by(values: &'b mut [MaybeUninit<f32>], f: impl FnOnce(Self) -> &'b mut [f32]) {
        let place = (values.as_ptr(), values.len());
        Self::check(place, f(Self::new(values)));
    }

    /// Zeros.
    pub(crate) fn zeros(self) -> &'b mut [f32] {
        self.0.iter_mut().for_each(|place| _ = place.write(0.0));
        // SAFETY: just done.
        unsafe { self.written() }
    }

    /// A copy.
    ///
    /// # Panics
    /// When that has another length.
    #[inline(always)]
    pub(crate) fn copied(self, from: &[f32]) -> &'b mut [f32] {
        assert_eq!(self.0.len(), from.len());
        self.0.iter_mut().zip(from).for_each(|(place, value)| _ = place.write(*value));
        // SAFETY: just done, as both have the same length.
        unsafe { self.written() }
    }

    /// It row by row, `width` values each: a loop, as the compiler need not compile a closure for the vector units of the loop around it.
    #[inline(always)]
    pub(crate) fn rows(self, width: usize) -> UnwrittenRows<'b> {
        UnwrittenRows { all: (self.0.as_mut_ptr(), self.0.len()), rest: self.0, width: width.max(1), written: 0 }
    }

    /// `f(x)` value by value. Unlike a plain loop it leaves no values at the end of a row to scalar code.
    ///
    /// # Panics
    /// When `x` has another length, as the functions below.
    #[inline(always)]
    pub(crate) fn map(self, x: &[f32], f: impl Fn(f32) -> f32) -> &'b mut [f32] {
        self.map3(x, x, x, |x, _, _| f(x))
    }

    /// `f(x, z)` value by value.
    #[inline(always)]
    pub(crate) fn map2(self, x: &[f32], z: &[f32], f: impl Fn(f32, f32) -> f32) -> &'b mut [f32] {
        self.map3(x, z, z, |x, z, _| f(x, z))
    }

    /// `f(a, b, c)` value by value.
    #[inline(always)]
    pub(crate) fn map3(self, a: &[f32], b: &[f32], c: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> &'b mut [f32] {
        assert!([a.len(), b.len(), c.len()] == [self.0.len(); 3]);
        let (places, last) = self.0.as_chunks_mut::<LANES>();
        let ((a, a_tail), (b, b_tail), (c, c_tail)) =
            (a.as_chunks::<LANES>(), b.as_chunks::<LANES>(), c.as_chunks::<LANES>());
        for (((place, a), b), c) in places.iter_mut().zip(a).zip(b).zip(c) {
            write(place, each(|l| f(a[l], b[l], c[l])));
        }
        if !last.is_empty() {
            let (a, b, c) = (pad(a_tail, 0.0), pad(b_tail, 0.0), pad(c_tail, 0.0));
            let values = each(|l| f(a[l], b[l], c[l]));
            last.iter_mut().zip(values).for_each(|(place, value)| _ = place.write(value));
        }
        // SAFETY: whole lanes and the rest, of slices of one length.
        unsafe { self.written() }
    }

    /// `(here, x) = f(x, a, b)` value by value.
    #[inline(always)]
    pub(crate) fn map_and_update(
        self,
        x: &mut [f32],
        a: &[f32],
        b: &[f32],
        f: impl Fn(f32, f32, f32) -> (f32, f32),
    ) -> &'b mut [f32] {
        assert!([x.len(), a.len(), b.len()] == [self.0.len(); 3]);
        for ((place, x), (a, b)) in self.0.iter_mut().zip(x).zip(a.iter().zip(b)) {
            let (here, there) = f(*x, *a, *b);
            place.write(here);
            *x = there;
        }
        // SAFETY: just done, as all have the same length.
        unsafe { self.written() }
    }

    /// [`Unwritten::map`], and the sum of the results.
    #[inline(always)]
    pub(crate) fn map_sum(self, x: &[f32], f: impl Fn(f32) -> f32) -> (&'b mut [f32], f32) {
        assert_eq!(x.len(), self.0.len());
        let ((xs, x_tail), (places, last)) = (x.as_chunks::<LANES>(), self.0.as_chunks_mut::<LANES>());
        let mut total = [0.0; LANES];
        for (x, place) in xs.iter().zip(places) {
            let values = each(|l| f(x[l]));
            write(place, values);
            total = each(|l| total[l] + values[l]);
        }
        if !last.is_empty() {
            let x = pad(x_tail, 0.0);
            let values = each(|l| f(x[l]));
            total = each(|l| total[l] + if l < x_tail.len() { values[l] } else { 0.0 });
            last.iter_mut().zip(values).for_each(|(place, value)| _ = place.write(value));
        }
        // SAFETY: as in `map3`.
        (unsafe { self.written() }, halve(total, |x, y| x + y))
    }
}

/// The rows of [`Unwritten::rows`].
pub(crate) struct UnwrittenRows<'b> {
    all: (*mut MaybeUninit<f32>, usize),
    rest: &'b mut [MaybeUninit<f32>],
    width: usize,
    written: usize,
}

impl<'b> UnwrittenRows<'b> {
    /// The next row, to be given back by [`UnwrittenRows::written`]; empty behind the last.
    #[inline(always)]
    pub(crate) fn row(&mut self) -> Unwritten<'b> {
        let rest = std::mem::take(&mut self.rest);
        let (row, rest) = rest.split_at_mut(self.width.min(rest.len()));
        self.rest = rest;
        Unwritten(row)
    }

    /// Takes the next row back.
    ///
    /// # Panics
    /// When it is not that row.
    #[inline(always)]
    pub(crate) fn written(&mut self, row: &'b mut [f32]) {
        let place = self.all.0.wrapping_add(self.written);
        Unwritten::check((place, self.width.min(self.all.1 - self.written)), row);
        self.written += row.len();
    }

    /// All of them.
    ///
    /// # Panics
    /// When one was not given back.
    #[inline(always)]
    pub(crate) fn all(self) -> &'b mut [f32] {
        let (start, len) = self.all;
        assert_eq!(self.written, len, "a row of a result was not written");
        // SAFETY: the rows are parts of one buffer, borrowed for 'b. Each came back as its values, so that it was written, and the only
        // borrow of it went with it.
        unsafe { std::slice::from_raw_parts_mut(start.cast(), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(len: usize, f: impl for<'b> Fn(Unwritten<'b>) -> &'b mut [f32]) -> Vec<f32> {
        let mut buffer = vec![MaybeUninit::new(f32::NAN); len];
        f(Unwritten::new(&mut buffer)).to_vec()
    }

    fn by_rows<'b>(y: Unwritten<'b>, x: &[f32]) -> &'b mut [f32] {
        let mut rows = y.rows(7);
        for x in x.chunks(7) {
            let row = rows.row().copied(x);
            rows.written(row);
        }
        rows.all()
    }

    #[test]
    fn every_value_is_written() {
        for len in [0, 1, 15, 16, 17, 40] {
            let x: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let twice: Vec<f32> = x.iter().map(|x| 2.0 * x).collect();
            assert_eq!(values(len, |y| y.zeros()), vec![0.0; len]);
            assert_eq!(values(len, |y| y.copied(&x)), x);
            assert_eq!(values(len, |y| y.map(&x, |x| 2.0 * x)), twice);
            assert_eq!(values(len, |y| y.map2(&x, &x, |x, z| x + z)), twice);
            assert_eq!(values(len, |y| y.map_sum(&x, |x| 2.0 * x).0), twice);
            let mut fourfold = twice.clone();
            assert_eq!(values(len, |y| y.map_and_update(&mut twice.clone(), &x, &x, |_, a, b| (a + b, 0.0))), twice);
            let mut buffer = vec![MaybeUninit::new(f32::NAN); len];
            Unwritten::new(&mut buffer).map_and_update(&mut fourfold, &x, &x, |y, a, b| (0.0, y + a + b));
            assert!(fourfold.iter().zip(&x).all(|(y, x)| *y == 4.0 * x));
            assert_eq!(values(len, |y| by_rows(y, &x)), x);
            let mut buffer = vec![MaybeUninit::new(f32::NAN); len];
            assert_eq!(Unwritten::new(&mut buffer).map_sum(&x, |x| 2.0 * x).1, twice.iter().sum::<f32>());
        }
    }

    #[test]
    #[should_panic(expected = "a block of a result was not written")]
    fn another_place_does_not_pass_for_a_row() {
        let mut buffer = [MaybeUninit::new(0.0); 4];
        let mut rows = Unwritten::new(&mut buffer).rows(2);
        let (_first, second) = (rows.row(), rows.row().zeros());
        rows.written(second);
    }

    #[test]
    #[should_panic(expected = "a row of a result was not written")]
    fn a_row_that_is_missing_is_noticed() {
        let mut buffer = [MaybeUninit::new(0.0); 4];
        let mut rows = Unwritten::new(&mut buffer).rows(2);
        let first = rows.row().zeros();
        rows.written(first);
        rows.all();
    }
}
