//! Fixtures measured on the published code, one test each, named `family::case`.
//!
//! `GOLDEN_DIR=<folder> cargo test --test golden` runs the fixtures of another folder (default `tests/golden`). A family that the
//! folder does not have is skipped; in a family that it has, a fixture without a test fails the suite, and so does a test without
//! its fixture. Every `output.*` and `grad.*` tensor of a fixture must be compared.

#[path = "support/expert_folder.rs"]
mod expert_folder;
#[path = "golden/support.rs"]
mod support;

#[path = "golden/ce_archives.rs"]
mod ce_archives;
#[path = "golden/ce_blocks.rs"]
mod ce_blocks;
#[path = "golden/ce_data.rs"]
mod ce_data;
#[path = "golden/ce_metrics.rs"]
mod ce_metrics;
#[path = "golden/ce_network.rs"]
mod ce_network;
#[path = "golden/ce_opened.rs"]
mod ce_opened;
#[path = "golden/ce_params.rs"]
mod ce_params;
#[path = "golden/ce_published.rs"]
mod ce_published;
#[path = "golden/ce_training.rs"]
mod ce_training;

#[path = "golden/tca_annotations.rs"]
mod tca_annotations;
#[path = "golden/tca_blocks.rs"]
mod tca_blocks;
#[path = "golden/tca_evaluation.rs"]
mod tca_evaluation;
#[path = "golden/tca_frames.rs"]
mod tca_frames;
#[path = "golden/tca_mini.rs"]
mod tca_mini;
#[path = "golden/tca_workers.rs"]
mod tca_workers;

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
    published_files,
}

/// Collaborative Experts, MoEE and TeachText.
mod ce_cases {
    pub use super::ce_archives::*;
    pub use super::ce_blocks::*;
    pub use super::ce_data::*;
    pub use super::ce_metrics::*;
    pub use super::ce_network::*;
    pub use super::ce_params::*;
    pub use super::ce_published::{ablation_tables, loader_paths, published_configs, seed_tables};
    pub use super::ce_training::*;
}

support::cases! { ce, ce_cases:
    context_gating,
    context_gating_nobn,
    g_reason_specific,
    geu,
    geu_mimic,
    geu_nobn,
    geu_reasoning,
    mish,
    netvlad_ghost,
    netvlad_nobn,
    netvlad_padding,
    netvlad_plain,
    reduce_dim,
    spatial_mlp,
    ce_concat_mix,
    ce_concat_text_longer,
    ce_concat_text_shorter,
    ce_keep_missing,
    ce_mimic_dims,
    ce_moee,
    ce_moee_frozen_weights,
    ce_pairwise_default,
    ce_pairwise_g2h2,
    ce_pairwise_noself_relu,
    ce_pairwise_star,
    ce_pairwise_star_specific,
    ce_pairwise_star_tensor,
    ce_triplet,
    ce_triplet_self,
    full_ce_forward,
    full_ce_multicaption_avg,
    full_ce_multicaption_indep,
    full_moee_forward,
    loss_maxmargin_fixnorm,
    loss_maxmargin_msrvtt_margin,
    loss_maxmargin_nofixnorm,
    loss_teachtext,
    mnnet,
    moee_original_net,
    sims_avg,
    sims_indep,
    sims_keep_missing,
    train_step_ce_ranger,
    train_step_teachtext_radam,
    challenge_topk,
    metrics_basic,
    metrics_constant,
    metrics_map,
    metrics_moee_original,
    metrics_multicaption_masked,
    metrics_multicaption_ties,
    metrics_perfect,
    metrics_retrieval_as_classification,
    metrics_single,
    metrics_small_gallery,
    metrics_ties,
    lr_schedules,
    optimizer_radam,
    optimizer_ranger,
    collate_batch,
    param_counts,
    published_configs,
    loader_paths,
    seed_tables,
    ablation_tables,
    archives,
}

/// Temporal Context Aggregation.
mod tca_cases {
    pub use super::tca_annotations::real_eval;
    pub use super::tca_blocks::*;
    pub use super::tca_evaluation::*;
    pub use super::tca_frames::*;
    pub use super::tca_workers::*;
}

support::cases! { tca, tca_cases:
    attn_mask,
    encoder_layer,
    encoder_stack,
    tca_forward,
    tca_encode,
    netvlad_eval,
    netvlad_train,
    nextvlad_eval,
    nextvlad_train,
    netvlad_init,
    lstm,
    gru,
    moco_step,
    moco_step_m0,
    circle_loss_paper,
    circle_loss_soft,
    circle_loss_b1,
    circle_loss_b1_soft,
    circle_loss_saturated,
    train_step_paper,
    train_step_soft,
    lr_schedule,
    resize_axis,
    pca_primal,
    pca_dual,
    pca_full,
    imac,
    rmac,
    frame_sampling,
    similarities,
    video_comparator,
    tn_dp,
    map_ccweb,
    map_ccweb_ties,
    map_vcdb,
    map_vcdb_ties,
    map_fivr,
    map_fivr_ties,
    map_evve,
    map_evve_ties,
    evve_ap,
    map_fivr_official,
    pair_item,
    resnet50_imac,
    opencv_resize,
    adasum_pair,
    fp16_allreduce,
    distributed_sampler,
    dp_similarity,
    real_eval,
}
