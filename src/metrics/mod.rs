//! Retrieval metrics over plain row-major matrices.
