use coembed::ops::{self, composed};

use crate::support::*;

#[test]
fn select_rows_adds_the_gradients_of_a_row_picked_twice() {
    let x = tensor(30, (4usize, Const::<5>));
    let rows = [3, 1, 3, 0, 3];
    let run = |y: Traced<_>| finish(y, |g| vec![gradient(g, &x)]);
    check(
        &[x.as_vec()],
        |v| rows.iter().flat_map(|row| v[0][row * 5..][..5].to_vec()).collect(),
        [
            ("fused", run(ops::select_rows(x.leaky_trace(), &rows).unwrap())),
            ("composed", run(composed::select_rows(x.leaky_trace(), &rows, None).unwrap())),
        ],
    );
    let error = ops::select_rows(x.clone(), &[0, 4]).unwrap_err();
    assert_eq!(error.to_string(), "select rows: there is no row 4, only 4");
}
