use crate::matrix::Matrix;

/// Predictions as the challenges of video retrieval ask for them: a line for every query, the indices of its best items separated by commas, no
/// header.
///
/// # Shapes
/// `best`: queries x k, as [`captions::top_k`](crate::metrics::captions::top_k) gives it.
pub fn predictions(best: &Matrix<usize>) -> String {
    let line = |row| best.row(row).iter().map(usize::to_string).collect::<Vec<_>>().join(",") + "\n";
    (0..best.rows()).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_every_query() {
        assert_eq!(predictions(&Matrix::new(vec![3, 10, 0, 7], 2, 2).unwrap()), "3,10\n0,7\n");
    }
}
