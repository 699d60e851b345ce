//! Collaborative Experts and its relatives: the network, its losses and training steps.

pub fn ce_concat_mix() {
    todo!()
}

pub fn ce_concat_text_longer() {
    todo!()
}

pub fn ce_concat_text_shorter() {
    todo!()
}

pub fn ce_keep_missing() {
    todo!()
}

pub fn ce_mimic_dims() {
    todo!()
}

pub fn ce_moee() {
    todo!()
}

pub fn ce_moee_frozen_weights() {
    todo!()
}

pub fn ce_pairwise_default() {
    todo!()
}

pub fn ce_pairwise_g2h2() {
    todo!()
}

pub fn ce_pairwise_noself_relu() {
    todo!()
}

pub fn ce_pairwise_star() {
    todo!()
}

pub fn ce_pairwise_star_specific() {
    todo!()
}

pub fn ce_pairwise_star_tensor() {
    todo!()
}

pub fn ce_triplet() {
    todo!()
}

pub fn ce_triplet_self() {
    todo!()
}

pub fn full_ce_forward() {
    todo!()
}

pub fn full_ce_multicaption_avg() {
    todo!()
}

pub fn full_ce_multicaption_indep() {
    todo!()
}

pub fn full_moee_forward() {
    todo!()
}

pub fn loss_maxmargin_fixnorm() {
    todo!()
}

pub fn loss_maxmargin_msrvtt_margin() {
    todo!()
}

pub fn loss_maxmargin_nofixnorm() {
    todo!()
}

pub fn loss_teachtext() {
    todo!()
}

pub fn mnnet() {
    todo!()
}

pub fn moee_original_net() {
    todo!()
}

pub fn sims_avg() {
    todo!()
}

pub fn sims_indep() {
    todo!()
}

pub fn sims_keep_missing() {
    todo!()
}

pub fn train_step_ce_ranger() {
    todo!()
}

pub fn train_step_teachtext_radam() {
    todo!()
}
