//! Fixtures measured on the published code, one test each, named `family::case`.
//!
//! `GOLDEN_DIR=<folder> cargo test --test golden` runs the fixtures of another folder (default `tests/golden`). A family that the
//! folder does not have is skipped; in a family that it has, a fixture without a test fails the suite, and so does a test without
//! its fixture. Every `output.*` and `grad.*` tensor of a fixture must be compared.

#[path = "golden/support.rs"]
mod support;

#[path = "golden/relmargin.rs"]
mod relmargin;
