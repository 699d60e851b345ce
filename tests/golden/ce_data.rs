//! Collaborative Experts and its relatives: batches.

pub fn collate_batch() {
    todo!()
}
