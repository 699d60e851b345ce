//! Collaborative Experts and its relatives: parameter counts.

pub fn param_counts() {
    todo!()
}
