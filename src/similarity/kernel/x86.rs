//! Tiles for x86-64 with fused multiply-add.
//!
//! The sizes fill the register file: 14 x 2 of 32 wide registers, 6 x 2 of 16 narrow ones, the rest for one line of the items and a
//! broadcast of a query.

use std::arch::x86_64::{
    _mm256_broadcast_ss, _mm256_cvtepi32_ps, _mm256_dpbusd_avx_epi32, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_mul_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
    _mm256_sub_ps, _mm512_cvtepi32_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps, _mm512_sub_ps,
};

use super::{Bounds, INTEGER_COLUMNS, Kernel, PARAMETERS, Query, ROUNDING, Tile, portable};

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

pub(super) static VNNI: [Bounds; 14] = [
    vnni::<1>, vnni::<2>, vnni::<3>, vnni::<4>, vnni::<5>, vnni::<6>, vnni::<7>, vnni::<8>, vnni::<9>, vnni::<10>,
    vnni::<11>, vnni::<12>, vnni::<13>, vnni::<14>,
];

pub(super) static NARROW_VNNI: [Bounds; 6] =
    [narrow_vnni::<1>, narrow_vnni::<2>, narrow_vnni::<3>, narrow_vnni::<4>, narrow_vnni::<5>, narrow_vnni::<6>];

#[target_feature(enable = "avx512f,avx512vnni")]
fn vnni<const R: usize>(queries: &[Query], a: &[u32], b: &[u32], out: &mut [f32], stride: usize) {
    let (words, parameters) = b.split_at(b.len() - PARAMETERS * INTEGER_COLUMNS);
    let mut sums = [[_mm512_set1_epi32(0); 2]; R];
    for (sums, query) in sums.iter_mut().zip(queries) {
        *sums = [_mm512_set1_epi32(query.offset); 2];
    }
    for (a, b) in a.as_chunks::<R>().0.iter().zip(words.as_chunks::<INTEGER_COLUMNS>().0) {
        // SAFETY: `b` is an array of 32 words.
        let (left, right) =
            unsafe { (_mm512_loadu_si512(b.as_ptr().cast()), _mm512_loadu_si512(b.as_ptr().add(16).cast())) };
        for (sums, &x) in sums.iter_mut().zip(a) {
            let x = _mm512_set1_epi32(x as i32);
            sums[0] = _mm512_dpbusd_epi32(sums[0], left, x);
            sums[1] = _mm512_dpbusd_epi32(sums[1], right, x);
        }
    }
    let parameters = portable::columns(parameters);
    for half in 0..2 {
        // SAFETY: 16 of 32 values.
        let [scale, residual, norm, product, square] =
            [0, 1, 2, 3, 4].map(|i: usize| unsafe { _mm512_loadu_ps(parameters[i].as_ptr().add(16 * half)) });
        let square = _mm512_mul_ps(square, _mm512_set1_ps(1.0 - ROUNDING));
        for ((row, sums), query) in out.chunks_mut(stride).zip(&sums).zip(queries) {
            let sum = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[half]), scale);
            let all = _mm512_fmadd_ps(sum, _mm512_set1_ps(query.scale), _mm512_set1_ps(query.constant));
            let all = _mm512_fmadd_ps(product, _mm512_set1_ps(query.along), all);
            let all = _mm512_fmadd_ps(residual, _mm512_set1_ps(query.per_residual), all);
            let all = _mm512_fmadd_ps(norm, _mm512_set1_ps(query.per_norm), all);
            let row = &mut row[16 * half..16 * half + 16];
            // SAFETY: `row` holds 16 values.
            unsafe { _mm512_storeu_ps(row.as_mut_ptr(), _mm512_sub_ps(all, square)) };
        }
    }
}

#[target_feature(enable = "avx2,fma,avxvnni")]
fn narrow_vnni<const R: usize>(queries: &[Query], a: &[u32], b: &[u32], out: &mut [f32], stride: usize) {
    let (words, parameters) = b.split_at(b.len() - PARAMETERS * INTEGER_COLUMNS);
    let parameters = portable::columns(parameters);
    for half in 0..2 {
        let mut sums = [[_mm256_set1_epi32(0); 2]; R];
        for (sums, query) in sums.iter_mut().zip(queries) {
            *sums = [_mm256_set1_epi32(query.offset); 2];
        }
        for (a, b) in a.as_chunks::<R>().0.iter().zip(words.as_chunks::<INTEGER_COLUMNS>().0) {
            let b = &b[16 * half..16 * half + 16];
            // SAFETY: `b` holds 16 words.
            let (left, right) =
                unsafe { (_mm256_loadu_si256(b.as_ptr().cast()), _mm256_loadu_si256(b.as_ptr().add(8).cast())) };
            for (sums, &x) in sums.iter_mut().zip(a) {
                let x = _mm256_set1_epi32(x as i32);
                sums[0] = _mm256_dpbusd_avx_epi32(sums[0], left, x);
                sums[1] = _mm256_dpbusd_avx_epi32(sums[1], right, x);
            }
        }
        for quarter in 0..2 {
            let start = 16 * half + 8 * quarter;
            // SAFETY: 8 of 32 values.
            let [scale, residual, norm, product, square] =
                [0, 1, 2, 3, 4].map(|i: usize| unsafe { _mm256_loadu_ps(parameters[i].as_ptr().add(start)) });
            let square = _mm256_mul_ps(square, _mm256_set1_ps(1.0 - ROUNDING));
            for ((row, sums), query) in out.chunks_mut(stride).zip(&sums).zip(queries) {
                let sum = _mm256_mul_ps(_mm256_cvtepi32_ps(sums[quarter]), scale);
                let all = _mm256_fmadd_ps(sum, _mm256_set1_ps(query.scale), _mm256_set1_ps(query.constant));
                let all = _mm256_fmadd_ps(product, _mm256_set1_ps(query.along), all);
                let all = _mm256_fmadd_ps(residual, _mm256_set1_ps(query.per_residual), all);
                let all = _mm256_fmadd_ps(norm, _mm256_set1_ps(query.per_norm), all);
                let row = &mut row[start..start + 8];
                // SAFETY: `row` holds 8 values.
                unsafe { _mm256_storeu_ps(row.as_mut_ptr(), _mm256_sub_ps(all, square)) };
            }
        }
    }
}

#[target_feature(enable = "avx,fma")]
pub(super) fn products(pairs: [(&[f32], &[f32]); Kernel::PAIRS]) -> [f32; Kernel::PAIRS] {
    portable::side_by_side(pairs, |sum, x, y| x.mul_add(y, sum))
}
