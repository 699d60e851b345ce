//! Every operation on CUDA, composed of dfdx's own kernels until a measurement asks for a fused one.

use dfdx::prelude::{Axes, Const, Cuda, Dim, Gradients, Merge, PermuteShapeTo, Shape, Tape, Tensor};

use super::*;

impl OpsDevice for Cuda {}

impl AdamKernel for Cuda {
    fn moment_update<S: Shape>(
        parameter: &mut Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        moments: &mut AdamMoments<Self>,
        by: MomentUpdate,
    ) -> Result<(), OpError> {
        composed::moment_update(parameter, gradients, moments, by)
    }

    fn moment_update_projecting<S: Shape>(
        parameter: &mut Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        moments: &mut AdamMoments<Self>,
        by: MomentUpdate,
    ) -> Result<Projection, OpError> {
        composed::moment_update_projecting(parameter, gradients, moments, by)
    }
}

impl AddKernel for Cuda {
    fn add<S: Shape, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        a: Tensor<S, f32, Self, T>,
        b: Tensor<S, f32, Self, R>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed::add(a, b)
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
        T: RecordingTape<Self> + Merge<R> + Merge<U>,
        R: LayerTape<Self>,
        U: LayerTape<Self>,
    {
        composed::attention(query, key, value, options)
    }
}

impl BatchNormKernel for Cuda {
    fn batch_norm_train<S: Rows, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        groups: usize,
        scale: &Tensor<(S::Last,), f32, Self>,
        shift: &Tensor<(S::Last,), f32, Self>,
        eps: f32,
    ) -> Result<(Tensor<S, f32, Self, T::Output>, Vec<BatchStatistics<S::Last, Self>>), OpError> {
        composed::batch_norm_train(x, groups, scale, shift, eps)
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
    fn concat<S: Shape, O: Shape, T: Tape<f32, Self> + Merge<T>>(
        parts: Vec<Tensor<S, f32, Self, T>>,
        axis: usize,
        shape: O,
    ) -> Result<Tensor<O, f32, Self, T>, OpError> {
        composed::concat(parts, axis, shape)
    }
}

impl Conv1dKernel for Cuda {
    fn conv1d<B: Dim, C: Dim, L: Dim, O: Dim, K: Dim, T: LayerTape<Self>>(
        x: Tensor<(B, C, L), f32, Self, T>,
        weight: &Tensor<(O, C, K), f32, Self>,
        bias: Option<&Tensor<(O,), f32, Self>>,
        steps: Conv1dSteps,
        positions: usize,
    ) -> Result<Tensor<(B, O, usize), f32, Self, T::Output>, OpError> {
        composed::conv1d(x, weight, bias, steps, positions)
    }
}

impl DropoutKernel for Cuda {
    fn dropout<S: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        lottery: Lottery,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed::dropout(x, lottery)
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

impl HingeKernel for Cuda {
    fn hinge<B: Dim, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        margin: &Tensor<(B,), f32, Self>,
        small: Tensor<(B,), f32, Self, T>,
        large: Tensor<(B,), f32, Self, R>,
    ) -> Result<Tensor<(B,), f32, Self, T>, OpError> {
        composed::hinge(margin, small, large)
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

impl LinearKernel for Cuda {
    fn linear<S: Rows, O: Dim, W: Dim, T: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        weight: &Tensor<(O, W), f32, Self>,
        first: usize,
        bias: Option<&Tensor<(O,), f32, Self>>,
    ) -> Result<Tensor<S::With<O>, f32, Self, T::Output>, OpError> {
        composed::linear(x, weight, first, bias)
    }
}

impl LookAheadKernel for Cuda {
    fn look_ahead<S: Shape>(
        parameter: &mut Tensor<S, f32, Self>,
        slow: &mut Tensor<(usize,), f32, Self>,
        alpha: f32,
    ) -> Result<(), OpError> {
        composed::look_ahead(parameter, slow, alpha)
    }
}

impl MatmulKernel for Cuda {
    fn matmul<A: Shape, B: Shape, O: Shape, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        a: Tensor<A, f32, Self, T>,
        b: Tensor<B, f32, Self, R>,
        product: Product,
        shape: O,
    ) -> Result<Tensor<O, f32, Self, T>, OpError> {
        composed::matmul(a, b, product, shape)
    }
}

impl MaxMarginKernel for Cuda {
    fn max_margin<B: Dim, T: Tape<f32, Self>>(
        scores: Tensor<(B, B), f32, Self, T>,
        margin: f32,
        terms: MarginTerms,
    ) -> Result<Tensor<(), f32, Self, T>, OpError> {
        composed::max_margin(scores, margin, terms)
    }
}

impl MishKernel for Cuda {
    fn mish<S: Shape, T: Tape<f32, Self>>(x: Tensor<S, f32, Self, T>) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed::mish(x)
    }
}

impl MixtureSimilarityKernel for Cuda {
    fn mixture_similarity<Q: Dim, V: Dim, E: Dim, T: Tape<f32, Self> + Merge<T>>(
        text: Vec<Tensor<(Q, E), f32, Self, T>>,
        video: Vec<Tensor<(V, E), f32, Self, T>>,
        weights: Tensor<(Q, usize), f32, Self, T>,
        available: &Tensor<(V, usize), f32, Self>,
    ) -> Result<Tensor<(Q, V), f32, Self, T>, OpError> {
        composed::mixture_similarity(text, video, weights, available)
    }
}

impl PermuteKernel for Cuda {
    fn permute<S: Shape + PermuteShapeTo<O, Ax>, O: Shape, Ax: Axes, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
    ) -> Result<Tensor<O, f32, Self, T>, OpError> {
        composed::permute::<S, O, Ax, Self, T>(x)
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

impl RowDistanceKernel for Cuda {
    fn row_squared_distance<B: Dim, E: Dim, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        a: Tensor<(B, E), f32, Self, T>,
        b: Tensor<(B, E), f32, Self, R>,
    ) -> Result<Tensor<(B,), f32, Self, T>, OpError> {
        composed::row_squared_distance(a, b)
    }

    fn row_cosine<B: Dim, E: Dim, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        a: Tensor<(B, E), f32, Self, T>,
        b: Tensor<(B, E), f32, Self, R>,
        eps: f32,
    ) -> Result<Tensor<(B,), f32, Self, T>, OpError> {
        composed::row_cosine(a, b, eps)
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

impl SelectRowsKernel for Cuda {
    fn select_rows<B: Dim, E: Dim, T: Tape<f32, Self>>(
        x: Tensor<(B, E), f32, Self, T>,
        rows: &[usize],
        frozen: Option<usize>,
    ) -> Result<Tensor<(usize, E), f32, Self, T>, OpError> {
        composed::select_rows(x, rows, frozen)
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

impl SigmoidGateKernel for Cuda {
    fn sigmoid_gate<S: Shape, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        value: Tensor<S, f32, Self, T>,
        gate: Tensor<S, f32, Self, R>,
    ) -> Result<Tensor<S, f32, Self, T>, OpError> {
        composed::sigmoid_gate(value, gate)
    }
}

impl SmoothL1Kernel for Cuda {
    fn smooth_l1<S: Shape, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        x: Tensor<S, f32, Self, T>,
        target: Tensor<S, f32, Self, R>,
        beta: f32,
        reduction: LossReduction,
    ) -> Result<Tensor<(), f32, Self, T>, OpError> {
        composed::smooth_l1(x, target, beta, reduction)
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

impl SquaredErrorKernel for Cuda {
    fn mean_squared_error<S: Shape, T: Tape<f32, Self>>(
        x: Tensor<S, f32, Self, T>,
        target: &Tensor<S, f32, Self>,
    ) -> Result<Tensor<(), f32, Self, T>, OpError> {
        composed::mean_squared_error(x, target)
    }
}

impl SumTermsKernel for Cuda {
    fn sum_terms<B: Dim, E: Dim, T: Tape<f32, Self> + Merge<T>>(
        terms: Vec<Tensor<(B, E), f32, Self, T>>,
        groups: Vec<Vec<usize>>,
    ) -> Result<Tensor<(usize, B, E), f32, Self, T>, OpError> {
        composed::sum_terms(terms, groups)
    }
}

impl SymmetricCrossEntropyKernel for Cuda {
    fn symmetric_cross_entropy<B: Dim, C: Dim, T: Tape<f32, Self>>(
        logits: Tensor<(B, C), f32, Self, T>,
    ) -> Result<Tensor<(), f32, Self, T>, OpError> {
        composed::symmetric_cross_entropy(logits)
    }
}

impl VladKernel for Cuda {
    fn vlad<B: Dim, N: Dim, A: Dim, K: Dim, E: Dim, T: RecordingTape<Self> + Merge<R>, R: LayerTape<Self>>(
        assignment: Tensor<(B, N, A), f32, Self, T>,
        x: Tensor<(B, N, E), f32, Self, R>,
        centres: &Tensor<(Const<1>, E, K), f32, Self>,
    ) -> Result<Tensor<(B, K, E), f32, Self, T>, OpError> {
        composed::vlad(assignment, x, centres)
    }
}

impl WeightedSumKernel for Cuda {
    fn weighted_sum<G: Dim, B: Dim, E: Dim, T: Tape<f32, Self>>(
        x: Tensor<(G, B, E), f32, Self, T>,
        weights: &Tensor<(G, B), f32, Self>,
    ) -> Result<Tensor<(B, E), f32, Self, T>, OpError> {
        composed::weighted_sum(x, weights)
    }
}

impl GradientKernel for Cuda {
    fn gradient_norm<S: Shape>(
        parameter: &Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
    ) -> Result<Option<f64>, OpError> {
        composed::gradient_norm(parameter, gradients)
    }

    fn scale_gradient<S: Shape>(
        parameter: &Tensor<S, f32, Self>,
        gradients: &mut Gradients<f32, Self>,
        factor: f32,
    ) -> Result<(), OpError> {
        composed::scale_gradient(parameter, gradients, factor)
    }
}
