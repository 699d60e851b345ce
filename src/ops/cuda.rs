//! Every operation on CUDA, composed of dfdx's own kernels until a measurement asks for a fused one.

use dfdx::prelude::{Cuda, Dim, Gradients, Merge, Shape, Tape, Tensor};

use super::*;

impl OpsDevice for Cuda {}

impl LinearKernel for Cuda {
    fn linear<S: Rows, O: Dim, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        weight: &Tensor<(O, S::Last), f32, Self>,
        bias: Option<&Tensor<(O,), f32, Self>>,
    ) -> Result<Tensor<S::With<O>, f32, Self, T::Output>, OpError> {
        composed::linear(x, weight, bias)
    }
}

impl L2NormalizeKernel for Cuda {
    fn l2_normalize<S: Rows, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        eps: f32,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed::l2_normalize(x, eps)
    }
}

impl SigmoidGateKernel for Cuda {
    fn sigmoid_gate<S: Shape, T: Tape<f32, Self> + Merge<R>, R: Tape<f32, Self>>(
        value: Tensor<S, f32, Self, T>,
        gate: Tensor<S, f32, Self, R>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed::sigmoid_gate(value, gate)
    }
}

impl MishKernel for Cuda {
    fn mish<S: Shape, T: Tape<f32, Self>>(x: Tensor<S, f32, Self, T>) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed::mish(x)
    }
}

impl ReduceKernel for Cuda {
    fn reduce<S: Shape, O: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        around: AroundAxis,
        mask: Option<ReduceMask<Self>>,
        reduction: Reduction,
        shape: O,
    ) -> Result<Tensor<O, f32, Self, T>, OpError> {
        composed::reduce(x, around, mask, reduction, shape)
    }
}

impl ReluKernel for Cuda {
    fn relu<S: Shape, T: Tape<f32, Self>>(x: Tensor<S, f32, Self, T>) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed::relu(x)
    }
}

impl BatchNormKernel for Cuda {
    fn batch_norm_train<S: Rows, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        scale: &Tensor<(S::Last,), f32, Self>,
        shift: &Tensor<(S::Last,), f32, Self>,
        eps: f32,
    ) -> Result<(Tensor<S, f32, Self, T::Output>, BatchStatistics<S::Last, Self>), OpError> {
        composed::batch_norm_train(x, scale, shift, eps)
    }

    fn batch_norm_eval<S: Rows, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        scale: &Tensor<(S::Last,), f32, Self>,
        shift: &Tensor<(S::Last,), f32, Self>,
        statistics: &BatchStatistics<S::Last, Self>,
        eps: f32,
    ) -> Result<Tensor<S, f32, Self, T::Output>, OpError> {
        composed::batch_norm_eval(x, scale, shift, statistics, eps)
    }
}

impl ConcatKernel for Cuda {
    fn concat<B: Dim, E: Dim, W: Dim, T: Tape<f32, Self> + Merge<T>>(
        parts: Vec<Tensor<(B, E), f32, Self, T>>,
        width: W,
    ) -> Result<Tensor<(B, W), f32, Self, T>, OpError> {
        composed::concat(parts, width)
    }
}

impl RowDistanceKernel for Cuda {
    fn row_squared_distance<B: Dim, E: Dim, T: Tape<f32, Self> + Merge<R>, R: Tape<f32, Self>>(
        a: Tensor<(B, E), f32, Self, T>,
        b: Tensor<(B, E), f32, Self, R>,
    ) -> Result<Tensor<(B,), f32, Self, T>, OpError> {
        composed::row_squared_distance(a, b)
    }

    fn row_cosine<B: Dim, E: Dim, T: Tape<f32, Self> + Merge<R>, R: Tape<f32, Self>>(
        a: Tensor<(B, E), f32, Self, T>,
        b: Tensor<(B, E), f32, Self, R>,
        eps: f32,
    ) -> Result<Tensor<(B,), f32, Self, T>, OpError> {
        composed::row_cosine(a, b, eps)
    }
}

impl SelectRowsKernel for Cuda {
    fn select_rows<B: Dim, E: Dim, T: Tape<f32, Self>>(
        x: Tensor<(B, E), f32, Self, T>,
        rows: &[usize],
    ) -> Result<Tensor<(usize, E), f32, Self, T>, OpError> {
        composed::select_rows(x, rows)
    }
}

impl HingeKernel for Cuda {
    fn hinge<B: Dim, T: Tape<f32, Self> + Merge<R>, R: Tape<f32, Self>>(
        margin: &Tensor<(B,), f32, Self>,
        small: Tensor<(B,), f32, Self, T>,
        large: Tensor<(B,), f32, Self, R>,
    ) -> Result<Tensor<(B,), f32, Self, T>, OpError> {
        composed::hinge(margin, small, large)
    }
}

impl SgdKernel for Cuda {
    fn sgd_momentum<S: Shape>(
        parameter: &mut Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        velocity: &mut Tensor<(usize,), f32, Self>,
        learning_rate: f32,
        momentum: f32,
    ) -> Result<(), OpError> {
        composed::sgd_momentum(parameter, gradients, velocity, learning_rate, momentum)
    }
}

impl AdamKernel for Cuda {
    fn adam<S: Shape>(
        parameter: &mut Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        moments: &mut AdamMoments<Self>,
        step: AdamStep,
    ) -> Result<(), OpError> {
        composed::adam(parameter, gradients, moments, step)
    }
}

impl AttentionKernel for Cuda {
    fn attention<B: Dim, Q: Dim, K: Dim, E: Dim, T, R, U>(
        query: Tensor<(B, Q, E), f32, Self, T>,
        key: Tensor<(B, K, E), f32, Self, R>,
        value: Tensor<(B, K, E), f32, Self, U>,
        options: &AttentionOptions<'_, B, Q, K, Self>,
    ) -> Result<Tensor<(B, Q, E), f32, Self, T>, OpError>
    where
        T: Tape<f32, Self> + Merge<R> + Merge<U>,
        R: Tape<f32, Self>,
        U: Tape<f32, Self>,
    {
        composed::attention(query, key, value, options)
    }
}

impl LayerNormKernel for Cuda {
    fn layer_norm<S: Rows, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        scale: &Tensor<(S::Last,), f32, Self>,
        shift: &Tensor<(S::Last,), f32, Self>,
        eps: f32,
    ) -> Result<Tensor<S, f32, Self, T::Output>, OpError> {
        composed::layer_norm(x, scale, shift, eps)
    }
}

impl SoftmaxKernel for Cuda {
    fn softmax<S: Rows, B: Dim, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        mask: Option<&Tensor<(B, S::Last), f32, Self>>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed::softmax(x, mask)
    }

    fn log_softmax<S: Rows, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed::log_softmax(x)
    }
}

impl SymmetricCrossEntropyKernel for Cuda {
    fn symmetric_cross_entropy<B: Dim, C: Dim, T: Tape<f32, Self>>(
        logits: Tensor<(B, C), f32, Self, T>,
    ) -> Result<Tensor<(), f32, Self, T>, OpError> {
        composed::symmetric_cross_entropy(logits)
    }
}

impl GeluKernel for Cuda {
    fn gelu<S: Shape, T: Tape<f32, Self>>(x: Tensor<S, f32, Self, T>) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed::gelu(x)
    }

    fn quick_gelu<S: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed::quick_gelu(x)
    }
}

impl InnerProductsKernel for Cuda {
    fn inner_products<B: Dim, C: Dim, E: Dim, T: Tape<f32, Self> + Merge<R>, R: Tape<f32, Self>>(
        a: Tensor<(B, E), f32, Self, T>,
        b: Tensor<(C, E), f32, Self, R>,
    ) -> Result<Tensor<(B, C), f32, Self, T>, OpError> {
        composed::inner_products(a, b)
    }
}

impl AddKernel for Cuda {
    fn add<S: Shape, T: LayerTape<Self> + Merge<R>, R: LayerTape<Self>>(
        a: Tensor<S, f32, Self, T>,
        b: Tensor<S, f32, Self, R>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed::add(a, b)
    }
}

impl ScaleKernel for Cuda {
    fn scale<S: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        factor: f32,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed::scale(x, factor)
    }
}

impl SquaredErrorKernel for Cuda {
    fn mean_squared_error<S: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        target: &Tensor<S, f32, Self>,
    ) -> Result<Tensor<(), f32, Self, T>, OpError> {
        composed::mean_squared_error(x, target)
    }
}
