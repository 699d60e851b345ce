//! Collaborative Experts and its relatives: building blocks.

pub fn context_gating() {
    todo!()
}

pub fn context_gating_nobn() {
    todo!()
}

pub fn g_reason_specific() {
    todo!()
}

pub fn geu() {
    todo!()
}

pub fn geu_mimic() {
    todo!()
}

pub fn geu_nobn() {
    todo!()
}

pub fn geu_reasoning() {
    todo!()
}

pub fn mish() {
    todo!()
}

pub fn netvlad_ghost() {
    todo!()
}

pub fn netvlad_nobn() {
    todo!()
}

pub fn netvlad_padding() {
    todo!()
}

pub fn netvlad_plain() {
    todo!()
}

pub fn reduce_dim() {
    todo!()
}

pub fn spatial_mlp() {
    todo!()
}
