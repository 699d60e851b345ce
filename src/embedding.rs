//! Embeddings tagged with the space they live in.

use std::marker::PhantomData;

use dfdx::prelude::{Dim, NoneTape, Tensor};

use crate::ops::OpsDevice;

/// Embeddings of a batch in the space `S`, a marker type.
///
/// A verb embedding and a noun embedding of equal width are tensors of equal type, but comparing them means nothing;
/// losses and similarities take embeddings of one space, so such a comparison does not compile.
///
/// # Shapes
/// `(B, E)`.
#[derive(Debug, Clone)]
pub struct Embedding<S, B: Dim, E: Dim, D: OpsDevice, T = NoneTape> {
    tensor: Tensor<(B, E), f32, D, T>,
    space: PhantomData<S>,
}

impl<S, B: Dim, E: Dim, D: OpsDevice, T> Embedding<S, B, E, D, T> {
    /// Declares that a tensor lives in the space `S`.
    pub fn new(tensor: Tensor<(B, E), f32, D, T>) -> Self {
        Self { tensor, space: PhantomData }
    }

    /// The tensor.
    pub fn tensor(&self) -> &Tensor<(B, E), f32, D, T> {
        &self.tensor
    }

    /// The tensor, without its space.
    pub fn into_tensor(self) -> Tensor<(B, E), f32, D, T> {
        self.tensor
    }
}
