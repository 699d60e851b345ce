//! Collaborative Experts and its relatives: metrics and challenge predictions.

pub fn challenge_topk() {
    todo!()
}

pub fn metrics_basic() {
    todo!()
}

pub fn metrics_constant() {
    todo!()
}

pub fn metrics_map() {
    todo!()
}

pub fn metrics_moee_original() {
    todo!()
}

pub fn metrics_multicaption_masked() {
    todo!()
}

pub fn metrics_multicaption_ties() {
    todo!()
}

pub fn metrics_perfect() {
    todo!()
}

pub fn metrics_retrieval_as_classification() {
    todo!()
}

pub fn metrics_single() {
    todo!()
}

pub fn metrics_small_gallery() {
    todo!()
}

pub fn metrics_ties() {
    todo!()
}
