//! The readers alone, compiled from the library's own sources: `dfdx`, which the whole library depends on, does not
//! build on the nightly compilers that cargo-fuzz needs.

#[path = "../../src/data/mod.rs"]
pub mod data;
#[path = "../../src/matrix.rs"]
pub mod matrix;
