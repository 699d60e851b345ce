use std::fmt;

use dfdx::prelude::{HasShape, Shape, Tensor};

use crate::ops::OpsDevice;

/// What a named tensor is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Changed by the optimizer.
    Trained,
    /// State that is saved with the model but not trained (running statistics).
    Buffer,
}

/// The name of a parameter in a checkpoint, grown while a model is walked: `MMENs.verb.SMEs.t.fc.weight`.
#[derive(Debug, Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: &'a str,
}

impl<'a> Path<'a> {
    /// The model itself; its own name is empty.
    pub const ROOT: Path<'static> = Path { parent: None, segment: "" };

    /// The name of something inside.
    pub fn join(&'a self, segment: &'a str) -> Path<'a> {
        Path { parent: Some(self), segment }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parent {
            Some(parent) if !parent.segment.is_empty() => write!(f, "{parent}.{}", self.segment),
            _ => f.write_str(self.segment),
        }
    }
}

/// Looks at every named tensor of a model.
pub trait Visitor<D: OpsDevice> {
    /// What ends the walk early.
    type Error;

    /// A tensor of the state dict.
    fn tensor<S: Shape>(&mut self, path: &Path, role: Role, tensor: &Tensor<S, f32, D>) -> Result<(), Self::Error>;

    /// An integer of the state dict (`num_batches_tracked`); passed over unless the visitor asks for it.
    fn counter(&mut self, _path: &Path, _value: &u64) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Changes every named tensor of a model: loading, optimizers.
pub trait VisitorMut<D: OpsDevice> {
    /// What ends the walk early.
    type Error;

    /// A tensor of the state dict.
    fn tensor<S: Shape>(&mut self, path: &Path, role: Role, tensor: &mut Tensor<S, f32, D>) -> Result<(), Self::Error>;

    /// An integer of the state dict (`num_batches_tracked`); passed over unless the visitor asks for it.
    fn counter(&mut self, _path: &Path, _value: &mut u64) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Anything with named tensors. Implement it with [`visit_fields!`](crate::visit_fields), which states every name once.
pub trait Parameters<D: OpsDevice> {
    /// Walks the tensors in the order of the published state dict.
    ///
    /// # Errors
    /// Whatever the visitor returns.
    fn visit<V: Visitor<D>>(&self, path: &Path, visitor: &mut V) -> Result<(), V::Error>;

    /// The same walk with mutable access.
    ///
    /// # Errors
    /// Whatever the visitor returns.
    fn visit_mut<V: VisitorMut<D>>(&mut self, path: &Path, visitor: &mut V) -> Result<(), V::Error>;
}

/// What is not there has no parameters.
impl<D: OpsDevice, M: Parameters<D>> Parameters<D> for Option<M> {
    fn visit<V: Visitor<D>>(&self, path: &Path, visitor: &mut V) -> Result<(), V::Error> {
        self.iter().try_for_each(|module| module.visit(path, visitor))
    }

    fn visit_mut<V: VisitorMut<D>>(&mut self, path: &Path, visitor: &mut V) -> Result<(), V::Error> {
        self.iter_mut().try_for_each(|module| module.visit_mut(path, visitor))
    }
}

/// A list of modules: named by their number, from 0.
impl<D: OpsDevice, M: Parameters<D>> Parameters<D> for Vec<M> {
    fn visit<V: Visitor<D>>(&self, path: &Path, visitor: &mut V) -> Result<(), V::Error> {
        let mut modules = self.iter().enumerate();
        modules.try_for_each(|(i, module)| module.visit(&path.join(&i.to_string()), visitor))
    }

    fn visit_mut<V: VisitorMut<D>>(&mut self, path: &Path, visitor: &mut V) -> Result<(), V::Error> {
        let mut modules = self.iter_mut().enumerate();
        modules.try_for_each(|(i, module)| module.visit_mut(&path.join(&i.to_string()), visitor))
    }
}

/// Number of trained values of something built.
pub fn num_parameters<D: OpsDevice>(model: &impl Parameters<D>) -> usize {
    struct Count(usize);
    impl<D: OpsDevice> Visitor<D> for Count {
        type Error = std::convert::Infallible;

        fn tensor<S: Shape>(&mut self, _: &Path, role: Role, tensor: &Tensor<S, f32, D>) -> Result<(), Self::Error> {
            if role == Role::Trained {
                self.0 += tensor.shape().num_elements();
            }
            Ok(())
        }
    }
    let mut count = Count(0);
    let Ok(()) = model.visit(&Path::ROOT, &mut count);
    count.0
}

/// The body of an `impl Parameters<D>`: one line per field, `field: kind` or `field: kind = "published name"`.
///
/// Kinds: `trained` and `buffer` (tensors), `counter` (`u64`), `module` (anything that implements
/// [`Parameters`](crate::blocks::Parameters)).
#[macro_export]
macro_rules! visit_fields {
    ($D:ident; $($field:ident : $kind:ident $(= $name:literal)?),* $(,)?) => {
        #[allow(unused_variables)]
        fn visit<Walk: $crate::blocks::Visitor<$D>>(
            &self,
            path: &$crate::blocks::Path,
            visitor: &mut Walk,
        ) -> Result<(), Walk::Error> {
            $($crate::visit_fields!(@visit $kind, path.join($crate::visit_fields!(@name $field $($name)?)), visitor, &self.$field, visit);)*
            Ok(())
        }

        #[allow(unused_variables)]
        fn visit_mut<Walk: $crate::blocks::VisitorMut<$D>>(
            &mut self,
            path: &$crate::blocks::Path,
            visitor: &mut Walk,
        ) -> Result<(), Walk::Error> {
            $($crate::visit_fields!(@visit $kind, path.join($crate::visit_fields!(@name $field $($name)?)), visitor, &mut self.$field, visit_mut);)*
            Ok(())
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    (@visit trained, $path:expr, $visitor:ident, $tensor:expr, $verb:ident) => {
        $visitor.tensor(&$path, $crate::blocks::Role::Trained, $tensor)?
    };
    (@visit buffer, $path:expr, $visitor:ident, $tensor:expr, $verb:ident) => {
        $visitor.tensor(&$path, $crate::blocks::Role::Buffer, $tensor)?
    };
    (@visit counter, $path:expr, $visitor:ident, $value:expr, $verb:ident) => {
        $visitor.counter(&$path, $value)?
    };
    (@visit module, $path:expr, $visitor:ident, $module:expr, $verb:ident) => {
        $crate::blocks::Parameters::<_>::$verb($module, &$path, $visitor)?
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_joined_with_dots() {
        assert_eq!(Path::ROOT.join("SMEs.t").join("fc").join("weight").to_string(), "SMEs.t.fc.weight");
    }
}
