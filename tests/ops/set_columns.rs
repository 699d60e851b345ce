use coembed::ops::{self, composed};

use crate::support::*;

#[test]
fn rows_are_written_over_columns_in_a_ring() {
    let (queue, keys) = (tensor(1, (3usize, 5usize)), tensor(2, (4usize, 3usize)));
    let [mut fused, mut of_dfdx] = [queue.clone(), queue.clone()];
    ops::set_columns(&mut fused, 3, &keys).unwrap();
    composed::set_columns(&mut of_dfdx, 3, &keys).unwrap();
    let mut want = queue.as_vec();
    for (row, key) in keys.as_vec().chunks(3).enumerate() {
        key.iter().enumerate().for_each(|(dimension, value)| want[dimension * 5 + (3 + row) % 5] = *value);
    }
    assert_eq!((fused.as_vec(), of_dfdx.as_vec()), (want.clone(), want));
    assert_ne!(queue.as_vec(), fused.as_vec(), "the original keeps its values");

    let mut error =
        |first, rows: (usize, usize)| ops::set_columns(&mut fused, first, &tensor(3, rows)).unwrap_err().to_string();
    assert_eq!(error(0, (6, 3)), "set columns: number of rows is 6, expected 5");
    assert_eq!(error(0, (1, 2)), "set columns: width of the rows is 2, expected 3");
    assert!(error(5, (1, 3)).starts_with("set columns: "));
}
