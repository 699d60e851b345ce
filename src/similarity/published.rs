//! Similarities as the published programs of near-duplicate retrieval (Temporal Context Aggregation) have them, where these are not the plain
//! ones of [`similarity`](super::similarity()).

use rayon::prelude::*;

use super::{Measure, SimilarityError, similarity};
use crate::matrix::{Matrix, MatrixView};

/// Cosine similarities, 1 minus a distance that is 0 where it is not defined: a row of zeros is **fully** similar to every other (similarity 1, where
/// [`Measure::Cosine`] has 0).
///
/// # Shapes
/// `queries`: N x D, `items`: M x D; result: N x M.
///
/// # Errors
/// As [`similarity`](super::similarity()).
pub fn cosine_as_published(
    queries: MatrixView<'_, f32>,
    items: MatrixView<'_, f32>,
) -> Result<Matrix<f32>, SimilarityError> {
    let mut cosine = similarity(queries, items, Measure::Cosine)?;
    let zeros = |rows: MatrixView<'_, f32>| -> Vec<bool> {
        (0..rows.rows()).map(|row| rows.row(row).iter().all(|value| *value == 0.0)).collect()
    };
    let (of_queries, of_items) = (zeros(queries), zeros(items));
    for (query, is_zero) in of_queries.into_iter().enumerate() {
        let row = cosine.row_mut(query).iter_mut().zip(&of_items);
        row.filter(|(_, item)| is_zero || **item).for_each(|(value, _)| *value = 1.0);
    }
    Ok(cosine)
}

/// Similarities `1 − d / max over the queries of d` with the euclidean distances `d` of ONE item, rounded to 6 decimals (half to even). So those of
/// different items are on different scales, the query that is farthest from an item has 0, and adding a query changes the others' results. An item
/// that is equal to all queries has NaN.
///
/// # Shapes
/// `queries`: N x D, `items`: M x D; result: N x M.
///
/// # Errors
/// [`SimilarityError::Dimensions`] when widths differ.
pub fn euclidean_per_item(
    queries: MatrixView<'_, f32>,
    items: MatrixView<'_, f32>,
) -> Result<Matrix<f64>, SimilarityError> {
    if queries.cols() != items.cols() {
        return Err(SimilarityError::Dimensions { queries: queries.cols(), items: items.cols() });
    }
    let columns: Vec<Vec<f64>> =
        (0..items.rows()).into_par_iter().map(|item| of_item(queries, items.row(item))).collect();
    Ok(Matrix::from_fn(queries.rows(), items.rows(), |query, item| columns[item][query]))
}

fn of_item(queries: MatrixView<'_, f32>, item: &[f32]) -> Vec<f64> {
    let distance = |query: usize| {
        let differences = queries.row(query).iter().zip(item).map(|(x, y)| f64::from(*x) - f64::from(*y));
        differences.map(|difference| difference * difference).sum::<f64>().sqrt()
    };
    let distances: Vec<f64> = (0..queries.rows()).map(distance).collect();
    let farthest = distances.iter().copied().fold(0.0, f64::max);
    distances.into_iter().map(|distance| ((1.0 - distance / farthest) * 1e6).round_ties_even() / 1e6).collect()
}
