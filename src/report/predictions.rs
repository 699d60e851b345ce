use std::io;
use std::path::Path;

use crate::files::write_atomically;
use crate::matrix::Matrix;

/// Writes predictions as the challenges of video retrieval ask for them: a line for every query, the indices of its best items separated by
/// commas, no header. The file is written whole or not at all.
///
/// # Shapes
/// `best`: queries x k, as [`captions::top_k`](crate::metrics::captions::top_k) gives it.
///
/// # Errors
/// Any error of the file system; the file of that name is then unchanged.
pub fn write_predictions(path: &Path, best: &Matrix<usize>) -> io::Result<()> {
    let line = |row| best.row(row).iter().map(usize::to_string).collect::<Vec<_>>().join(",") + "\n";
    write_atomically(path, (0..best.rows()).map(line).collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_every_query() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.csv");
        write_predictions(&path, &Matrix::new(vec![3, 10, 0, 7], 2, 2).unwrap()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "3,10\n0,7\n");
        assert!(write_predictions(folder.path(), &Matrix::default()).is_err());
    }
}
