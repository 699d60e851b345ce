//! The matrix product behind all similarities.

/// `out[i * stride + j] = a_i · b_j` for the `rows` rows of `a` and the `columns` rows of `b`, both `width` wide and contiguous.
///
/// Single-threaded; callers run tiles in parallel.
///
/// # Panics
/// When a slice is shorter than the shape says.
pub(super) fn rows_by_rows(
    a: &[f32],
    b: &[f32],
    (rows, columns, width): (usize, usize, usize),
    out: &mut [f32],
    stride: usize,
) {
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(a.len() >= rows * width && b.len() >= columns * width, "operands shorter than their shape");
    assert!(stride >= columns && out.len() >= (rows - 1) * stride + columns, "result shorter than its shape");
    // SAFETY: `gemm` reads rows x width values of `a` and width x columns values of `b` and writes rows x columns values of `out` at the
    // strides given; the assertions bound the last element of each. `out` is borrowed mutably, so it overlaps neither operand; strides
    // come from slice lengths and therefore fit an isize. With `read_dst` false the old contents of `out` are not used.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            width,
            out.as_mut_ptr(),
            1,
            stride as isize,
            false,
            a.as_ptr(),
            1,
            width as isize,
            b.as_ptr(),
            width as isize,
            1,
            0.0_f32,
            1.0_f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tile_is_written() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        let mut out = [9.0; 9];
        rows_by_rows(&a, &b, (2, 3, 2), &mut out, 4);
        assert_eq!(out, [1.0, 2.0, 3.0, 9.0, 3.0, 4.0, 7.0, 9.0, 9.0]);
        rows_by_rows(&[], &[], (2, 2, 0), &mut out, 4);
        assert_eq!(out, [0.0, 0.0, 3.0, 9.0, 0.0, 0.0, 7.0, 9.0, 9.0]);
    }
}
