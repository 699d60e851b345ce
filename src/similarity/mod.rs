//! Exact similarity and top-k kernels.
