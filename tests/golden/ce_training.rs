//! Collaborative Experts and its relatives: optimizers and schedules.

pub fn lr_schedules() {
    todo!()
}

pub fn optimizer_radam() {
    todo!()
}

pub fn optimizer_ranger() {
    todo!()
}
