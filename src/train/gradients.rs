//! The gradients of a whole model.

use dfdx::prelude::{Gradients, Shape, Tensor};

use crate::blocks::{Parameters, Path, Role, Visitor};
use crate::ops::{self, OpError, OpsDevice};

/// Something to do for every parameter that the optimizer changes.
trait Each<D: OpsDevice> {
    fn each<S: Shape>(&mut self, name: String, parameter: &Tensor<S, f32, D>) -> Result<(), OpError>;
}

struct Walk<'a, E> {
    each: E,
    trains: &'a dyn Fn(&str) -> bool,
}

impl<D: OpsDevice, E: Each<D>> Visitor<D> for Walk<'_, E> {
    type Error = OpError;

    fn tensor<S: Shape>(&mut self, path: &Path, role: Role, tensor: &Tensor<S, f32, D>) -> Result<(), OpError> {
        let name = path.to_string();
        if role == Role::Trained && (self.trains)(&name) { self.each.each(name, tensor) } else { Ok(()) }
    }
}

fn walk<D: OpsDevice, E: Each<D>>(
    model: &impl Parameters<D>,
    trains: &dyn Fn(&str) -> bool,
    each: E,
) -> Result<E, OpError> {
    let mut walk = Walk { each, trains };
    model.visit(&Path::ROOT, &mut walk)?;
    Ok(walk.each)
}

/// What the gradients of a model are like: one reading pass.
pub(super) struct Survey<'g, D: OpsDevice> {
    gradients: &'g mut Gradients<f32, D>,
    /// Sum of the squares of all values.
    pub squared_norm: f64,
    /// The first parameter, in the order of the state dict, with a value that is not finite.
    pub not_finite: Option<String>,
}

impl<D: OpsDevice> Each<D> for Survey<'_, D> {
    fn each<S: Shape>(&mut self, name: String, parameter: &Tensor<S, f32, D>) -> Result<(), OpError> {
        let squared = ops::gradient_norm(parameter, self.gradients)?.unwrap_or(0.0);
        self.squared_norm += squared;
        if !squared.is_finite() && self.not_finite.is_none() {
            self.not_finite = Some(name);
        }
        Ok(())
    }
}

pub(super) fn survey<'g, D: OpsDevice>(
    model: &impl Parameters<D>,
    trains: &dyn Fn(&str) -> bool,
    gradients: &'g mut Gradients<f32, D>,
) -> Result<Survey<'g, D>, OpError> {
    walk(model, trains, Survey { gradients, squared_norm: 0.0, not_finite: None })
}

/// Multiplies all gradients.
pub(super) fn scale<D: OpsDevice>(
    model: &impl Parameters<D>,
    trains: &dyn Fn(&str) -> bool,
    gradients: &mut Gradients<f32, D>,
    factor: f32,
) -> Result<(), OpError> {
    struct Scale<'g, D: OpsDevice>(&'g mut Gradients<f32, D>, f32);
    impl<D: OpsDevice> Each<D> for Scale<'_, D> {
        fn each<S: Shape>(&mut self, _: String, parameter: &Tensor<S, f32, D>) -> Result<(), OpError> {
            match ops::has_gradient(parameter, self.0)? {
                true => ops::scale_gradient(parameter, self.0, self.1),
                false => Ok(()),
            }
        }
    }
    walk(model, trains, Scale(gradients, factor)).map(|_| ())
}

/// The gradients of the parameters alone, without those of everything between that the backward pass left behind.
pub(super) fn of_parameters<D: OpsDevice>(
    model: &impl Parameters<D>,
    gradients: Gradients<f32, D>,
) -> Result<Gradients<f32, D>, OpError> {
    struct Move<D: OpsDevice> {
        from: Gradients<f32, D>,
        to: Gradients<f32, D>,
    }
    impl<D: OpsDevice> Each<D> for Move<D> {
        fn each<S: Shape>(&mut self, _: String, parameter: &Tensor<S, f32, D>) -> Result<(), OpError> {
            if ops::has_gradient(parameter, &mut self.from)? {
                let from = self.from.get_or_alloc_mut(parameter).map_err(ops::device_error)?;
                std::mem::swap(from, self.to.get_or_alloc_mut(parameter).map_err(ops::device_error)?);
            }
            Ok(())
        }
    }
    Ok(walk(model, &|_| true, Move { from: gradients, to: Gradients::leaky() })?.to)
}
