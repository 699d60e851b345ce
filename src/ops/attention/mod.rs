mod composed;
mod cpu;

pub use composed::{attention as composed, self_attention as composed_self};

use dfdx::prelude::{Device, Dim, HasShape, Merge, Storage, Tensor};

use super::{LayerTape, OpError, OpsDevice, RandomStream, RecordingTape, check_option, check_size};

/// Devices that can compute [`attention`].
pub trait AttentionKernel: Device<f32> {
    /// See [`attention`].
    fn attention<B: Dim, Q: Dim, K: Dim, E: Dim, T, R, U>(
        query: Tensor<(B, Q, E), f32, Self, T>,
        key: Tensor<(B, K, E), f32, Self, R>,
        value: Tensor<(B, K, E), f32, Self, U>,
        options: &AttentionOptions<'_, B, Q, K, Self>,
    ) -> Result<Tensor<(B, Q, E), f32, Self, T>, OpError>
    where
        T: RecordingTape<Self> + Merge<R> + Merge<U>,
        R: LayerTape<Self>,
        U: LayerTape<Self>,
    {
        composed(query, key, value, options)
    }

    /// See [`self_attention`].
    fn self_attention<B: Dim, N: Dim, E: Dim, T: RecordingTape<Self>>(
        packed: Tensor<(B, N, usize), f32, Self, T>,
        width: E,
        options: &AttentionOptions<'_, B, N, N, Self>,
    ) -> Result<Tensor<(B, N, E), f32, Self, T>, OpError> {
        composed_self(packed, width, options)
    }
}

/// Heads, masks and dropout of [`attention`].
#[derive(Debug)]
pub struct AttentionOptions<'a, B: Dim, Q: Dim, K: Dim, D: Storage<f32>> {
    /// Number of heads; divides E.
    pub heads: usize,
    /// `(B, K)`: keys whose entry is 0 are padding, which no query sees.
    pub keys: Option<&'a Tensor<(B, K), f32, D>>,
    /// `(Q, K)`, added to the scaled scores of every head; a constant, without gradient.
    pub additive: Option<&'a Tensor<(Q, K), f32, D>>,
    /// Whether query i sees only the keys up to i.
    pub causal: bool,
    /// [`dropout`](fn@super::dropout) of the probabilities: its rate, in `[0, 1)`, and stream.
    pub dropout: Option<(f32, RandomStream)>,
}

impl<B: Dim, Q: Dim, K: Dim, D: Storage<f32>> AttentionOptions<'_, B, Q, K, D> {
    /// Every query sees every key; no dropout.
    pub fn new(heads: usize) -> Self {
        Self { heads, keys: None, additive: None, causal: false, dropout: None }
    }
}

/// Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2) between projected queries, keys and values:
/// head h of the result is `softmax(Q_h K_hᵀ / √(E/heads) + masks) V_h`. Head h is the columns `h E/heads .. (h+1) E/heads` of each
/// operand, read where they lie. A query that sees no key gets zeros (PyTorch: NaN).
///
/// Memory: the result and two values per head and query; the backward pass computes the probabilities again from those, a block of
/// queries at a time (Dao et al. 2022), so that nothing of size Q x K per head is kept.
///
/// # Shapes
/// `query` and result: `(B, Q, E)`; `key`, `value`: `(B, K, E)`.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree; [`OpError::Option`] when the heads do not divide E or the dropout is not in `[0, 1)`.
pub fn attention<B: Dim, Q: Dim, K: Dim, E: Dim, D: OpsDevice, T, R, U>(
    query: Tensor<(B, Q, E), f32, D, T>,
    key: Tensor<(B, K, E), f32, D, R>,
    value: Tensor<(B, K, E), f32, D, U>,
    options: &AttentionOptions<'_, B, Q, K, D>,
) -> Result<Tensor<(B, Q, E), f32, D, T>, OpError>
where
    T: RecordingTape<D> + Merge<R> + Merge<U>,
    R: LayerTape<D>,
    U: LayerTape<D>,
{
    let check = |what, expected: usize, got: usize| check_size("attention", what, expected, got);
    let (batch, queries, width) = *query.shape();
    let (_, keys, _) = *key.shape();
    for (name, shape) in [("keys", *key.shape()), ("values", *value.shape())] {
        check(if name == "keys" { "batch of the keys" } else { "batch of the values" }, batch.size(), shape.0.size())?;
        check(if name == "keys" { "width of the keys" } else { "width of the values" }, width.size(), shape.2.size())?;
    }
    check("number of values", keys.size(), value.shape().1.size())?;
    options.check([batch.size(), queries.size(), keys.size(), width.size()])?;
    D::attention(query, key, value, options)
}

/// [`attention`] of a sequence to itself, where one projection made queries, keys and values side by side (`in_proj` of PyTorch's
/// `MultiheadAttention`): they are read where they lie, and their gradient is written as one.
///
/// # Shapes
/// `packed`: `(B, N, 3E)`, in each row a query, a key and a value; result: `(B, N, E)`.
///
/// # Errors
/// As [`attention`].
pub fn self_attention<B: Dim, N: Dim, E: Dim, D: OpsDevice, T: RecordingTape<D>>(
    packed: Tensor<(B, N, usize), f32, D, T>,
    width: E,
    options: &AttentionOptions<'_, B, N, N, D>,
) -> Result<Tensor<(B, N, E), f32, D, T>, OpError> {
    let (batch, steps, columns) = *packed.shape();
    check_size("attention", "width of queries, keys and values", width.size().saturating_mul(3), columns)?;
    options.check([batch.size(), steps.size(), steps.size(), width.size()])?;
    D::self_attention(packed, width, options)
}

impl<B: Dim, Q: Dim, K: Dim, D: Storage<f32>> AttentionOptions<'_, B, Q, K, D> {
    /// That they fit the sizes of batch, queries, keys and rows.
    fn check(&self, [batch, queries, keys, width]: [usize; 4]) -> Result<(), OpError> {
        let check = |what, expected: usize, got: usize| check_size("attention", what, expected, got);
        if let Some(mask) = self.keys {
            check("batch of the key mask", batch, mask.shape().0.size())?;
            check("width of the key mask", keys, mask.shape().1.size())?;
        }
        if let Some(mask) = self.additive {
            check("rows of the additive mask", queries, mask.shape().0.size())?;
            check("columns of the additive mask", keys, mask.shape().1.size())?;
        }
        let divides = self.heads != 0 && width % self.heads == 0;
        check_option("attention", divides, "the number of heads must divide the width")?;
        let keeps = self.dropout.is_none_or(|(rate, _)| (0.0..1.0).contains(&rate));
        check_option("attention", keeps, "the share of dropped probabilities must be in [0, 1)")
    }
}
