//! Submissions to the EPIC-Kitchens-100 multi-instance retrieval challenge.

use crate::formats::pickle_writer::Writer;
use crate::matrix::MatrixView;

/// Similarities that cannot be submitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SubmissionError {
    /// There are not as many names as rows or columns.
    #[error("{field}: {ids} ids, but the similarities are {rows} x {cols}")]
    Ids {
        /// `vis_ids` or `txt_ids`.
        field: &'static str,
        /// Number of names.
        ids: usize,
        /// Videos in the similarities.
        rows: usize,
        /// Captions in the similarities.
        cols: usize,
    },
    /// A similarity is NaN or infinite.
    #[error("sim_mat: row {row}, column {column} is {value}")]
    NotFinite {
        /// Video.
        row: usize,
        /// Caption.
        column: usize,
        /// The similarity.
        value: f32,
    },
}

/// The contents of a submission file: a pickle (protocol 4) of a dict with `version` 0.1, `challenge`
/// `multi_instance_retrieval`, `sim_mat` (a numpy array of f32), the lists `vis_ids` and `txt_ids`, and the supervision
/// levels `sls_pt` 2 (pre-training), `sls_tl` 3 (training labels) and `sls_td` 3 (training data), as published.
///
/// # Shapes
/// `similarity`: `(X, Y)`, one row per id of a video, one column per id of a caption.
///
/// # Errors
/// [`SubmissionError`], naming the field.
pub fn submission(
    similarity: MatrixView<'_, f32>,
    video_ids: &[String],
    caption_ids: &[String],
) -> Result<Vec<u8>, SubmissionError> {
    let (rows, cols) = (similarity.rows(), similarity.cols());
    for (field, ids, wanted) in [("vis_ids", video_ids.len(), rows), ("txt_ids", caption_ids.len(), cols)] {
        if ids != wanted {
            return Err(SubmissionError::Ids { field, ids, rows, cols });
        }
    }
    if let Some(at) = similarity.as_slice().iter().position(|value| !value.is_finite()) {
        let (row, column) = (at / cols, at % cols);
        return Err(SubmissionError::NotFinite { row, column, value: similarity.as_slice()[at] });
    }
    let mut writer = Writer::new();
    writer.dict(|entries| {
        entries.str("version");
        entries.float(0.1);
        entries.str("challenge");
        entries.str("multi_instance_retrieval");
        entries.str("sim_mat");
        entries.array(&[rows, cols], similarity.as_slice());
        for (field, ids) in [("vis_ids", video_ids), ("txt_ids", caption_ids)] {
            entries.str(field);
            entries.list(|items| ids.iter().for_each(|id| items.str(id)));
        }
        for (field, level) in [("sls_pt", 2), ("sls_tl", 3), ("sls_td", 3)] {
            entries.str(field);
            entries.int(level);
        }
    });
    Ok(writer.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::ndarray::DType;
    use crate::formats::{Limits, pickle};
    use crate::matrix::Matrix;

    #[test]
    fn a_submission_reads_back() {
        let ids = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let similarity = Matrix::new(vec![0.5, -1.0, 0.25, 1.0, 0.0, 0.125], 3, 2).unwrap();
        let (videos, captions) = (ids(&["P01_11_0", "P01_11_1", "P01_11_2"]), ids(&["P01_11_0", "P01_11_2"]));
        let bytes = submission(similarity.view(), &videos, &captions).unwrap();
        // For a look at it with Python.
        if let Some(path) = std::env::var_os("COEMBED_WRITE_SUBMISSION") {
            std::fs::write(path, &bytes).unwrap();
        }
        let value = pickle::from_slice(&bytes, &Limits::default()).unwrap();
        let root = value.as_dict().unwrap();
        assert_eq!(root.get("version").unwrap().as_f64().unwrap(), 0.1);
        assert_eq!(root.get("challenge").unwrap().as_str().unwrap(), "multi_instance_retrieval");
        let array = root.get("sim_mat").unwrap().as_array().unwrap();
        assert_eq!((array.dtype(), array.to_f32_matrix().unwrap()), (DType::F32, similarity.clone()));
        for (field, ids) in [("vis_ids", &videos), ("txt_ids", &captions)] {
            let list = root.get(field).unwrap().as_list().unwrap();
            assert_eq!(list.iter().map(|id| id.as_str().unwrap()).collect::<Vec<_>>(), *ids);
        }
        let levels = ["sls_pt", "sls_tl", "sls_td"].map(|field| root.get(field).unwrap().as_i64().unwrap());
        assert_eq!((levels, root.len()), ([2, 3, 3], 8));

        let error = submission(similarity.view(), &videos, &videos).unwrap_err();
        assert_eq!(error.to_string(), "txt_ids: 3 ids, but the similarities are 3 x 2");
        let nan = Matrix::new(vec![0.0, f32::NAN], 1, 2).unwrap();
        let error = submission(nan.view(), &videos[..1], &captions).unwrap_err();
        assert_eq!(error.to_string(), "sim_mat: row 0, column 1 is NaN");
    }
}
