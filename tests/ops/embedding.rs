use coembed::ops::{self, composed};

use crate::support::*;

#[test]
fn embedding_looks_up_rows_and_adds_their_gradients() {
    let table = tensor(1, (6usize, Const::<4>));
    let indices = [5, 0, 2, 5, 5, 1];
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &table)]);
    let lookup = |v: &[Vec<f64>]| indices.iter().flat_map(|row| v[0][row * 4..][..4].to_vec()).collect::<Vec<_>>();
    let flat = ops::embedding(table.leaky_trace(), &indices, (6usize, Const::<4>), None).unwrap();
    let composed = composed::select_rows(table.leaky_trace(), &indices, None).unwrap();
    check(&[table.as_vec()], lookup, [("fused", run(flat)), ("composed", run(composed))]);
    let cube = ops::embedding(table.leaky_trace(), &indices, (2usize, Const::<3>, Const::<4>), None).unwrap();
    assert_close("cube", &cube.as_vec(), &lookup(&[wide(&table.as_vec())]), 0.0);
}

#[test]
fn the_padding_row_receives_no_gradient() {
    let table = tensor(1, (4usize, 3usize));
    let indices = [1, 0, 3, 0];
    let fused = ops::embedding(table.leaky_trace(), &indices, (4usize, 3usize), Some(0)).unwrap();
    let composed = composed::select_rows(table.leaky_trace(), &indices, Some(0)).unwrap();
    for (name, y) in [("fused", fused), ("composed", composed)] {
        assert_eq!(y.as_vec()[3..6], table.as_vec()[..3], "{name}: it is looked up");
        let got = gradient(&y.sum::<(), _>().backward(), &table);
        assert_eq!(got, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0], "{name}");
    }
}

#[test]
fn embedding_refuses_what_is_not_in_the_table() {
    let table = || tensor(1, (4usize, 3usize));
    let error =
        |indices: &[usize], shape, padding| ops::embedding(table(), indices, shape, padding).unwrap_err().to_string();
    assert_eq!(error(&[1, 4], (2usize, 3usize), None), "embedding: there is no row 4, only 4");
    assert_eq!(error(&[1], (1, 3), Some(9)), "embedding: there is no row 9, only 4");
    assert_eq!(error(&[1, 2], (3, 3), None), "embedding: indices is 2, expected 3");
    assert_eq!(error(&[1], (1, 2), None), "embedding: width of the result is 2, expected 3");
    let none = ops::embedding(table(), &[], (0usize, 3usize), None).unwrap();
    assert!(ops::to_vec(&none).unwrap().is_empty());
}
