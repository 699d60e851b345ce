//! Every operation, on every device of this build, against (a) the same operation composed of dfdx's own,
//! (b) a naive f64 loop and (c) finite differences of that loop.

mod activations;
mod adam;
mod arithmetic;
mod attention;
mod batch_norm;
mod concat;
mod conv1d;
mod conv2d;
mod dropout;
mod embedding;
mod general;
mod hinge;
mod l2_normalize;
mod layer_norm;
mod linear;
mod look_ahead;
mod matmul;
mod max_margin;
mod max_pool2d;
mod mixture_similarity;
mod patch_embedding;
mod permute;
mod reduce;
mod row_distance;
mod select_rows;
mod set_columns;
mod sgd;
mod sigmoid_gate;
mod smooth_l1;
mod softmax;
mod sum_terms;
mod support;
mod symmetric_cross_entropy;
mod vlad;
mod weighted_sum;
