//! Published training recipes, one folder per paper: where a model, a loss, data and an evaluation meet the traits of
//! [`train`](crate::train). The examples are thin programs over these.

pub mod ce;
pub mod relmargin;
pub mod tca;
