use dfdx::prelude::{
    Axes3, Axis, Dim, HasShape, PutTape, SplitTape, Tape, Tensor, TryAdd, TryMul, TrySub, WithEmptyTape,
};
use rand::Rng;

use super::{Config, Dropout, Parameters, Path, Phase, Role, Visitor, VisitorMut};
use crate::ops::{self, LayerTape, OpError, OpsDevice, RecordingTape, check_least, device_error};

/// Which recurrence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000); gates in the order i, f, g, o.
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014); gates in the order r, z, n.
    Gru,
}

impl Cell {
    fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }
}

/// Describes a [`Recurrent`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecurrentConfig {
    /// Which recurrence.
    pub cell: Cell,
    /// Width of the rows of a sequence.
    pub inputs: usize,
    /// Width of the state.
    pub hidden: usize,
    /// Layers, each over the states of the one before.
    pub layers: usize,
    /// Rate of the dropout between layers.
    pub dropout: f32,
}

/// A recurrent network over all steps of a sequence, from a state of zeros, in one direction: PyTorch's `LSTM` and `GRU`, with their names
/// (`weight_ih_l0`, `bias_hh_l1`).
///
/// ```text
/// LSTM:  c = σ(f) c + σ(i) tanh(g)                  h = σ(o) tanh(c)
/// GRU:   n = tanh(W_in x + b_in + σ(r) (W_hn h + b_hn))   h = (1 − σ(z)) n + σ(z) h
/// ```
#[derive(Debug, Clone)]
pub struct Recurrent<D: OpsDevice> {
    /// In order.
    pub layers: Vec<RecurrentLayer<D>>,
    config: RecurrentConfig,
}

/// One layer of `G` gates.
#[derive(Debug, Clone)]
pub struct RecurrentLayer<D: OpsDevice> {
    /// Of the input, `(G · H, I)`.
    pub weight_ih: Tensor<(usize, usize), f32, D>,
    /// Of the state, `(G · H, H)`.
    pub weight_hh: Tensor<(usize, usize), f32, D>,
    /// `(G · H,)`.
    pub bias_ih: Tensor<(usize,), f32, D>,
    /// `(G · H,)`.
    pub bias_hh: Tensor<(usize,), f32, D>,
}

impl<D: OpsDevice> Config<D> for RecurrentConfig {
    type Built = Recurrent<D>;

    fn num_parameters(&self) -> usize {
        let rows = self.cell.gates().saturating_mul(self.hidden);
        let layer = |layer: usize| {
            let inputs = if layer == 0 { self.inputs } else { self.hidden };
            rows.saturating_mul(inputs.saturating_add(self.hidden).saturating_add(2))
        };
        (0..self.layers).map(layer).fold(0, usize::saturating_add)
    }

    /// Everything uniform in `±1/√H`.
    fn build(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Built, OpError> {
        check_least("recurrent", "width of the state", 1, self.hidden)?;
        check_least("recurrent", "layers", 1, self.layers)?;
        let bound = 1.0 / (self.hidden as f32).sqrt();
        let rows = self.cell.gates().saturating_mul(self.hidden);
        let mut draw = || rng.random_range(-bound..bound);
        let layer = |layer: usize| {
            let inputs = if layer == 0 { self.inputs } else { self.hidden };
            Ok(RecurrentLayer {
                weight_ih: ops::drawn(device, "recurrent", (rows, inputs), &mut draw)?,
                weight_hh: ops::drawn(device, "recurrent", (rows, self.hidden), &mut draw)?,
                bias_ih: ops::drawn(device, "recurrent", (rows,), &mut draw)?,
                bias_hh: ops::drawn(device, "recurrent", (rows,), &mut draw)?,
            })
        };
        Ok(Recurrent { layers: (0..self.layers).map(layer).collect::<Result<_, OpError>>()?, config: *self })
    }
}

impl<D: OpsDevice> Recurrent<D> {
    /// The states of the last layer.
    ///
    /// # Shapes
    /// `(B, N, I)` to `(B, N, H)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when widths disagree, [`OpError::TooFew`] for sequences without steps.
    pub fn forward<B: Dim, T: LayerTape<D>>(
        &self,
        x: Tensor<(B, usize, usize), f32, D, T>,
        phase: Phase,
    ) -> Result<Tensor<(B, usize, usize), f32, D, T::Output>, OpError> {
        check_least("recurrent", "steps", 1, x.shape().1)?;
        let Some((first, others)) = self.layers.split_first() else {
            return Err(OpError::TooFew { op: "recurrent", what: "layers", least: 1, got: 0 });
        };
        let dropout = Dropout { rate: self.config.dropout };
        let x = self.layer(first, x)?;
        others.iter().try_fold(x, |x, layer| self.layer(layer, dropout.forward(x, phase)?))
    }

    fn layer<B: Dim, T: LayerTape<D>>(
        &self,
        layer: &RecurrentLayer<D>,
        x: Tensor<(B, usize, usize), f32, D, T>,
    ) -> Result<Tensor<(B, usize, usize), f32, D, T::Output>, OpError> {
        let ((batch, steps, _), hidden) = (*x.shape(), self.config.hidden);
        let items = batch.size();
        // The share of the inputs in all gates of all steps at once, step by step.
        let inputs = ops::linear(x, &layer.weight_ih, Some(&layer.bias_ih))?;
        let inputs: Tensor<(usize, B, usize), f32, D, T::Output> =
            ops::permute::<_, _, Axes3<1, 0, 2>, _, _>(inputs, Axes3::<1, 0, 2>)?;
        let inputs = ops::reshape(inputs, (steps * items, self.config.cell.gates() * hidden))?;
        let (inputs, tape) = inputs.split_tape();
        let zeros = || ops::to_tensor(inputs.device(), vec![0.0; items * hidden], (items, hidden));
        let mut state = State { hidden: zeros()?.put_tape(tape), memory: zeros()?.put_tape(T::Output::default()) };
        let mut states = Vec::with_capacity(steps);
        for step in 0..steps {
            let rows: Vec<usize> = (step * items..(step + 1) * items).collect();
            let inputs = ops::select_rows(inputs.clone().put_tape(T::Output::default()), &rows)?;
            let own = ops::linear(state.hidden.with_empty_tape(), &layer.weight_hh, Some(&layer.bias_hh))?;
            state = match self.config.cell {
                Cell::Lstm => lstm(state, inputs, own, hidden),
                Cell::Gru => gru(state, inputs, own, hidden),
            }
            .map_err(device_error)?;
            states.push(state.hidden.with_empty_tape());
        }
        // The tape stands on the last state.
        states.pop();
        states.push(state.hidden);
        let states = ops::concat_along(states, Axis::<0>, (steps * items, hidden))?;
        let states = ops::reshape(states, (steps, batch, hidden))?;
        ops::permute::<_, _, Axes3<1, 0, 2>, _, _>(states, Axes3::<1, 0, 2>)
    }
}

type Rows<D, T> = Tensor<(usize, usize), f32, D, T>;

/// `h`, on the tape, and `c`.
struct State<D: OpsDevice, T> {
    hidden: Rows<D, T>,
    memory: Rows<D, T>,
}

/// A gate's columns.
fn gate<D: OpsDevice, T: Tape<f32, D>>(x: &Rows<D, T>, gate: usize, width: usize) -> Result<Rows<D, T>, D::Err> {
    let rows = x.shape().0;
    x.with_empty_tape().try_slice((0..rows, gate * width..(gate + 1) * width))
}

fn lstm<D: OpsDevice, T: RecordingTape<D>>(
    state: State<D, T>,
    inputs: Rows<D, T>,
    own: Rows<D, T>,
    width: usize,
) -> Result<State<D, T>, D::Err> {
    let (previous, tape) = state.hidden.split_tape();
    drop(previous);
    let (sum, after) = inputs.try_add(own)?.split_tape();
    let gates = sum.put_tape(T::default());
    let [input, forget, candidate, output] = [0, 1, 2, 3].map(|at| gate(&gates, at, width));
    let kept = forget?.try_sigmoid()?.try_mul(state.memory)?;
    let memory = kept.try_add(input?.try_sigmoid()?.try_mul(candidate?.try_tanh()?)?)?;
    let hidden = output?.try_sigmoid()?.try_mul(memory.with_empty_tape().try_tanh()?)?;
    let (hidden, more) = hidden.split_tape();
    let (memory, of_memory) = memory.split_tape();
    let tape = tape.merge(after).merge(of_memory).merge(more);
    Ok(State { hidden: hidden.put_tape(tape), memory: memory.put_tape(T::default()) })
}

fn gru<D: OpsDevice, T: RecordingTape<D>>(
    state: State<D, T>,
    inputs: Rows<D, T>,
    own: Rows<D, T>,
    width: usize,
) -> Result<State<D, T>, D::Err> {
    let (previous, tape) = state.hidden.split_tape();
    let ((inputs, of_inputs), (own, of_own)) = (inputs.split_tape(), own.split_tape());
    let (inputs, own) = (inputs.put_tape(T::default()), own.put_tape(T::default()));
    let reset = gate(&inputs, 0, width)?.try_add(gate(&own, 0, width)?)?.try_sigmoid()?;
    let update = gate(&inputs, 1, width)?.try_add(gate(&own, 1, width)?)?.try_sigmoid()?;
    let candidate = gate(&inputs, 2, width)?.try_add(reset.try_mul(gate(&own, 2, width)?)?)?.try_tanh()?;
    let further = previous.put_tape(T::default()).try_sub(candidate.with_empty_tape())?;
    let hidden = candidate.try_add(update.try_mul(further)?)?;
    let (hidden, more) = hidden.split_tape();
    let tape = tape.merge(of_inputs).merge(of_own).merge(more);
    Ok(State { hidden: hidden.put_tape(tape), memory: state.memory })
}

impl<D: OpsDevice> Parameters<D> for Recurrent<D> {
    fn visit<V: Visitor<D>>(&self, path: &Path, visitor: &mut V) -> Result<(), V::Error> {
        for (i, layer) in self.layers.iter().enumerate() {
            let named = |name: &str| format!("{name}_l{i}");
            visitor.tensor(&path.join(&named("weight_ih")), Role::Trained, &layer.weight_ih)?;
            visitor.tensor(&path.join(&named("weight_hh")), Role::Trained, &layer.weight_hh)?;
            visitor.tensor(&path.join(&named("bias_ih")), Role::Trained, &layer.bias_ih)?;
            visitor.tensor(&path.join(&named("bias_hh")), Role::Trained, &layer.bias_hh)?;
        }
        Ok(())
    }

    fn visit_mut<V: VisitorMut<D>>(&mut self, path: &Path, visitor: &mut V) -> Result<(), V::Error> {
        for (i, layer) in self.layers.iter_mut().enumerate() {
            let named = |name: &str| format!("{name}_l{i}");
            visitor.tensor(&path.join(&named("weight_ih")), Role::Trained, &mut layer.weight_ih)?;
            visitor.tensor(&path.join(&named("weight_hh")), Role::Trained, &mut layer.weight_hh)?;
            visitor.tensor(&path.join(&named("bias_ih")), Role::Trained, &mut layer.bias_ih)?;
            visitor.tensor(&path.join(&named("bias_hh")), Role::Trained, &mut layer.bias_hh)?;
        }
        Ok(())
    }
}
