use dfdx::prelude::{Merge, NoneTape, OwnedTape, PutTape, Shape, SplitTape, Storage, Tape, Tensor};

/// The tape of features: nothing on it has a gradient, but the first layer with parameters starts to record.
///
/// A model's input put on this tape with [`data`] trains as one traced by dfdx (`leaky_trace`, `traced`) does, without the gradient
/// with respect to the input, which nobody reads and which costs a matrix product in every first layer.
#[derive(Debug, Clone, Copy, Default)]
pub struct DataTape;

impl<E, D: Storage<E>> Tape<E, D> for DataTape {
    const OWNS_TAPE: bool = false;

    fn add_backward_op<F>(&mut self, _: F)
    where
        F: 'static + FnOnce(&mut dfdx::prelude::Gradients<E, D>) -> Result<(), D::Err>,
    {
    }
}

impl Merge<NoneTape> for DataTape {
    fn merge(self, _: NoneTape) -> Self {
        self
    }
}

impl Merge<DataTape> for DataTape {
    fn merge(self, _: DataTape) -> Self {
        self
    }
}

impl<E, D: Storage<E>> Merge<DataTape> for OwnedTape<E, D> {
    fn merge(self, _: DataTape) -> Self {
        self
    }
}

/// Starts a differentiable computation at features that need no gradient themselves.
pub fn data<S: Shape, D: Storage<f32>>(x: Tensor<S, f32, D>) -> Tensor<S, f32, D, DataTape> {
    x.put_tape(DataTape)
}

/// A tape as the input of a layer with parameters, and what it becomes behind it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no tape that a layer takes",
    label = "layers take tensors with `NoneTape`, `DataTape` (from `ops::data`) or `OwnedTape` (traced by dfdx)"
)]
pub trait LayerTape<D: Storage<f32>>: Tape<f32, D> {
    /// The tape behind the layer.
    type Output: RecordingTape<D> + Merge<Self>;

    /// Whether a tensor on this tape gets a gradient: data does not. (A tensor without a tape may be a second use of one that has a tape.)
    const GRADIENT: bool;

    /// Starts to record, where the tape does not yet.
    fn begin(self) -> Self::Output;
}

#[diagnostic::do_not_recommend]
impl<D: Storage<f32>> LayerTape<D> for NoneTape {
    type Output = Self;

    const GRADIENT: bool = true;

    fn begin(self) -> Self {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<D: Storage<f32>> LayerTape<D> for DataTape {
    type Output = OwnedTape<f32, D>;

    const GRADIENT: bool = false;

    fn begin(self) -> Self::Output {
        OwnedTape::default()
    }
}

#[diagnostic::do_not_recommend]
impl<D: Storage<f32>> LayerTape<D> for OwnedTape<f32, D> {
    type Output = Self;

    const GRADIENT: bool = true;

    fn begin(self) -> Self {
        self
    }
}

/// A tape that stays what it is: of everything but data. Operations of two tensors that have a tape each record on the first one's, so it must
/// be such a tape; data comes second.
#[diagnostic::on_unimplemented(
    message = "operations cannot record on `{Self}`",
    label = "this tape records nothing: features from `ops::data` come second in an operation of two, a layer with parameters starts to record"
)]
pub trait RecordingTape<D: Storage<f32>>: LayerTape<D, Output = Self> + Merge<Self> {}

#[diagnostic::do_not_recommend]
impl<D: Storage<f32>> RecordingTape<D> for NoneTape {}

#[diagnostic::do_not_recommend]
impl<D: Storage<f32>> RecordingTape<D> for OwnedTape<f32, D> {}

/// [`LayerTape::begin`] of a tensor: for layers that compute a gradient of their input anyway.
pub(crate) fn begin<S: Shape, D: Storage<f32>, T: LayerTape<D>>(
    x: Tensor<S, f32, D, T>,
) -> Tensor<S, f32, D, T::Output> {
    let (x, tape) = x.split_tape();
    x.put_tape(tape.begin())
}
