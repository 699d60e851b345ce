//! Value by value, composed of dfdx's own operations on every device.

use dfdx::prelude::{Device, HasShape, Merge, Shape, Tape, Tensor, TryMul, TrySub};

use super::{LayerTape, OpError, RecordingTape, check_sizes, device_error};

/// `y = a b`, value by value.
///
/// # Shapes
/// Any, the same for both and the result.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree.
pub fn mul<S: Shape, D: Device<f32>, T: RecordingTape<D> + Merge<R>, R: LayerTape<D>>(
    a: Tensor<S, f32, D, T>,
    b: Tensor<S, f32, D, R>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    check_sizes("mul", "axis of the right operand", a.shape(), b.shape())?;
    a.try_mul(b).map_err(device_error)
}

/// `y = a − b`, value by value.
///
/// # Shapes
/// Any, the same for both and the result.
///
/// # Errors
/// [`OpError::Shape`] when run-time sizes disagree.
pub fn sub<S: Shape, D: Device<f32>, T: RecordingTape<D> + Merge<R>, R: LayerTape<D>>(
    a: Tensor<S, f32, D, T>,
    b: Tensor<S, f32, D, R>,
) -> Result<Tensor<S, f32, D, T>, OpError> {
    check_sizes("sub", "axis of the right operand", a.shape(), b.shape())?;
    a.try_sub(b).map_err(device_error)
}

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident = $of_dfdx:ident;)+) => {
        $(
            $(#[$doc])*
            ///
            /// # Shapes
            /// Any to the same.
            ///
            /// # Errors
            /// [`OpError::Device`] only.
            pub fn $name<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
                x: Tensor<S, f32, D, T>,
            ) -> Result<Tensor<S, f32, D, T>, OpError> {
                x.$of_dfdx().map_err(device_error)
            }
        )+
    };
}

functions! {
    /// `y = eˣ`, value by value.
    exp = try_exp;
    /// The logistic function `y = 1 / (1 + e⁻ˣ)`, value by value.
    sigmoid = try_sigmoid;
    /// The hyperbolic tangent, value by value.
    tanh = try_tanh;
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::{Cpu, Gradients, NoneTape, OwnedTape, SumTo, Trace};

    use super::*;
    use crate::ops::{to_tensor, to_vec};

    type Rows = Tensor<(usize, usize), f32, Cpu>;
    type Traced = Tensor<(usize, usize), f32, Cpu, OwnedTape<f32, Cpu>>;

    const X: [f32; 4] = [-1.5, 0.25, 0.5, 2.0];

    fn rows(values: &[f32]) -> Rows {
        to_tensor(&Cpu::default(), values.to_vec(), (2, 2)).unwrap()
    }

    fn checked(f: impl Fn(Traced) -> Traced, value: impl Fn(f64) -> f64) {
        let x = rows(&X);
        let y = f(x.trace(Gradients::leaky()));
        let values = to_vec(&y.retaped::<NoneTape>()).unwrap();
        let gradients = crate::ops::backward(y.sum::<(), _>(), Gradients::leaky()).unwrap();
        let gradient = to_vec(&gradients.get(&x)).unwrap();
        for ((x, y), g) in X.iter().map(|x| f64::from(*x)).zip(values).zip(gradient) {
            let step = 1e-5;
            let difference = (value(x + step) - value(x - step)) / (2.0 * step);
            assert!((f64::from(y) - value(x)).abs() < 1e-5 && (f64::from(g) - difference).abs() < 1e-4, "{x} {y} {g}");
        }
    }

    #[test]
    fn values_and_gradients_are_those_of_the_formulas() {
        let factor = || rows(&[0.5; 4]);
        checked(|x| mul(x, factor()).unwrap(), |x| 0.5 * x);
        checked(|x| sub(x, factor()).unwrap(), |x| x - 0.5);
        checked(|x| exp(x).unwrap(), f64::exp);
        checked(|x| sigmoid(x).unwrap(), |x| 1.0 / (1.0 + (-x).exp()));
        checked(|x| tanh(x).unwrap(), f64::tanh);
    }

    #[test]
    fn sizes_that_differ_are_named() {
        let wide = to_tensor(&Cpu::default(), vec![0.0; 6], (2usize, 3usize)).unwrap();
        let error = mul(rows(&X), wide.clone()).unwrap_err();
        assert_eq!(error.to_string(), "mul: axis of the right operand is 3, expected 2");
        assert!(sub(rows(&X), wide).is_err());
    }
}
