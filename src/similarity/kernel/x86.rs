//! Tiles for x86-64 with fused multiply-add.
//!
//! The sizes fill the register file: 14 x 2 of 32 wide registers, 6 x 2 of 16 narrow ones, the rest for one line of the items and a
//! broadcast of a query.

use std::arch::x86_64::{
    _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_storeu_ps, _mm512_fmadd_ps,
    _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::{Tile, portable};

pub(super) const AVX512_COLUMNS: usize = 32;
pub(super) const AVX2_COLUMNS: usize = 16;

pub(super) static AVX512: [Tile; 14] = [
    avx512::<1>,
    avx512::<2>,
    avx512::<3>,
    avx512::<4>,
    avx512::<5>,
    avx512::<6>,
    avx512::<7>,
    avx512::<8>,
    avx512::<9>,
    avx512::<10>,
    avx512::<11>,
    avx512::<12>,
    avx512::<13>,
    avx512::<14>,
];

pub(super) static AVX2: [Tile; 6] = [avx2::<1>, avx2::<2>, avx2::<3>, avx2::<4>, avx2::<5>, avx2::<6>];

#[target_feature(enable = "avx512f")]
fn avx512<const R: usize>(a: &[f32], b: &[f32], out: &mut [f32], stride: usize) {
    let mut sums = [[_mm512_setzero_ps(); 2]; R];
    for (a, b) in a.as_chunks::<R>().0.iter().zip(b.as_chunks::<AVX512_COLUMNS>().0) {
        // SAFETY: `b` is an array of 32 values.
        let (left, right) = unsafe { (_mm512_loadu_ps(b.as_ptr()), _mm512_loadu_ps(b.as_ptr().add(16))) };
        for (sums, &x) in sums.iter_mut().zip(a) {
            let x = _mm512_set1_ps(x);
            sums[0] = _mm512_fmadd_ps(x, left, sums[0]);
            sums[1] = _mm512_fmadd_ps(x, right, sums[1]);
        }
    }
    for (row, sums) in out.chunks_mut(stride).zip(&sums) {
        let row = &mut row[..AVX512_COLUMNS];
        // SAFETY: `row` holds 32 values.
        unsafe {
            _mm512_storeu_ps(row.as_mut_ptr(), sums[0]);
            _mm512_storeu_ps(row.as_mut_ptr().add(16), sums[1]);
        }
    }
}

#[target_feature(enable = "avx2,fma")]
fn avx2<const R: usize>(a: &[f32], b: &[f32], out: &mut [f32], stride: usize) {
    let mut sums = [[_mm256_setzero_ps(); 2]; R];
    for (a, b) in a.as_chunks::<R>().0.iter().zip(b.as_chunks::<AVX2_COLUMNS>().0) {
        // SAFETY: `b` is an array of 16 values.
        let (left, right) = unsafe { (_mm256_loadu_ps(b.as_ptr()), _mm256_loadu_ps(b.as_ptr().add(8))) };
        for (sums, x) in sums.iter_mut().zip(a) {
            let x = _mm256_broadcast_ss(x);
            sums[0] = _mm256_fmadd_ps(x, left, sums[0]);
            sums[1] = _mm256_fmadd_ps(x, right, sums[1]);
        }
    }
    for (row, sums) in out.chunks_mut(stride).zip(&sums) {
        let row = &mut row[..AVX2_COLUMNS];
        // SAFETY: `row` holds 16 values.
        unsafe {
            _mm256_storeu_ps(row.as_mut_ptr(), sums[0]);
            _mm256_storeu_ps(row.as_mut_ptr().add(8), sums[1]);
        }
    }
}

#[target_feature(enable = "avx512f")]
pub(super) fn squares_avx512(row: &[f32]) -> f64 {
    portable::squares(row)
}

#[target_feature(enable = "avx2")]
pub(super) fn squares_avx2(row: &[f32]) -> f64 {
    portable::squares(row)
}
