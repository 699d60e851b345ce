//! Fixtures measured on the published code, one test each, named `family::case`.
//!
//! `GOLDEN_DIR=<folder> cargo test --test golden` runs the fixtures of another folder (default `tests/golden`). A family that the
//! folder does not have is skipped; in a family that it has, a fixture without a test fails the suite, and so does a test without
//! its fixture. Every `output.*` and `grad.*` tensor of a fixture must be compared.

#[path = "golden/support.rs"]
mod support;

/// JPoSE and MMEN with the relevance-based margin.
#[path = "golden/relmargin.rs"]
mod relmargin_cases;

support::cases! { relmargin, relmargin_cases:
    block_context_gating,
    block_gated_embedding,
    block_plain_embedding_eval,
    block_plain_embedding_train,
    mmen_forward,
    mmen_forward_degenerate_rows,
    jpose_forward,
    jpose_forward_fc_eval,
    jpose_forward_fc_train,
    loss_triplet_fixed,
    loss_triplet_relmargin,
    loss_triplet_cosine_fixed,
    loss_triplet_cosine_relmargin,
    relevance_pairs,
    relevance_matrix_epic,
    relevance_matrix_multi_verb,
    metric_random,
    metric_ties,
    metric_constant,
    metric_negative_zero,
    metric_all_relevant,
    metric_no_relevant,
    metric_single_item,
    metric_single_column,
    metric_recall,
    batch_slices,
    sampling_lists,
    sampling_strings,
    train_jpose_fixed,
    train_jpose_relmargin,
    train_jpose_relmargin_crossmodal_action,
    train_jpose_cosine_relmargin,
    train_jpose_fc_relmargin,
    train_mmen_fixed,
    train_mmen_relmargin,
    mini_eval,
    epic100_full,
}
