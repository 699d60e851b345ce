use std::fmt;
use std::sync::{Mutex, PoisonError};

use dfdx::prelude::{HasShape, Shape, Tensor};

use crate::ops::{self, OpError, OpsDevice};

/// What a named tensor is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Changed by the optimizer.
    Trained,
    /// State that is saved with the model but not trained (running statistics).
    Buffer,
    /// A parameter that stays as it was loaded or drawn: saved with the model, never changed by an optimizer.
    Frozen,
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

/// Anything with named tensors. Implement it with [`visit_fields!`](crate::visit_fields), which states every name once, and
/// [`visit_variants!`](crate::visit_variants) for an enum.
#[diagnostic::on_unimplemented(
    message = "the tensors of `{Self}` have no names",
    label = "does not implement `Parameters<{D}>`",
    note = "implement it with `visit_fields!`, which names every field once"
)]
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

/// The same, of a number that the type knows.
impl<D: OpsDevice, M: Parameters<D>, const N: usize> Parameters<D> for [M; N] {
    fn visit<V: Visitor<D>>(&self, path: &Path, visitor: &mut V) -> Result<(), V::Error> {
        let mut modules = self.iter().enumerate();
        modules.try_for_each(|(i, module)| module.visit(&path.join(&i.to_string()), visitor))
    }

    fn visit_mut<V: VisitorMut<D>>(&mut self, path: &Path, visitor: &mut V) -> Result<(), V::Error> {
        let mut modules = self.iter_mut().enumerate();
        modules.try_for_each(|(i, module)| module.visit_mut(&path.join(&i.to_string()), visitor))
    }
}

/// Modules that have names of their own, in order.
#[derive(Debug, Clone, Default)]
pub struct Named<M> {
    names: Vec<String>,
    modules: Vec<M>,
}

impl<M> Named<M> {
    /// Without their names.
    pub fn modules(&self) -> &[M] {
        &self.modules
    }
}

impl<N: Into<String>, M> FromIterator<(N, M)> for Named<M> {
    fn from_iter<I: IntoIterator<Item = (N, M)>>(named: I) -> Self {
        let (names, modules) = named.into_iter().map(|(name, module)| (name.into(), module)).unzip();
        Self { names, modules }
    }
}

impl<D: OpsDevice, M: Parameters<D>> Parameters<D> for Named<M> {
    fn visit<V: Visitor<D>>(&self, path: &Path, visitor: &mut V) -> Result<(), V::Error> {
        let mut named = self.names.iter().zip(&self.modules);
        named.try_for_each(|(name, module)| module.visit(&path.join(name), visitor))
    }

    fn visit_mut<V: VisitorMut<D>>(&mut self, path: &Path, visitor: &mut V) -> Result<(), V::Error> {
        let mut named = self.names.iter().zip(&mut self.modules);
        named.try_for_each(|(name, module)| module.visit_mut(&path.join(name), visitor))
    }
}

/// What a forward pass changes behind a lock. A pass that panicked left whole tensors behind.
impl<D: OpsDevice, M: Parameters<D>> Parameters<D> for Mutex<M> {
    fn visit<V: Visitor<D>>(&self, path: &Path, visitor: &mut V) -> Result<(), V::Error> {
        self.lock().unwrap_or_else(PoisonError::into_inner).visit(path, visitor)
    }

    fn visit_mut<V: VisitorMut<D>>(&mut self, path: &Path, visitor: &mut V) -> Result<(), V::Error> {
        self.get_mut().unwrap_or_else(PoisonError::into_inner).visit_mut(path, visitor)
    }
}

/// Nothing to learn.
impl<D: OpsDevice> Parameters<D> for () {
    crate::visit_fields! { D; }
}

/// Number of trained values of something built.
pub fn num_parameters<D: OpsDevice>(model: &impl Parameters<D>) -> usize {
    num_values(model, Role::Trained)
}

/// Number of values of something built that have a role.
pub fn num_values<D: OpsDevice>(model: &impl Parameters<D>, role: Role) -> usize {
    struct Count(Role, usize);
    impl<D: OpsDevice> Visitor<D> for Count {
        type Error = std::convert::Infallible;

        fn tensor<S: Shape>(&mut self, _: &Path, role: Role, tensor: &Tensor<S, f32, D>) -> Result<(), Self::Error> {
            if role == self.0 {
                self.1 += tensor.shape().num_elements();
            }
            Ok(())
        }
    }
    let mut count = Count(role, 0);
    let Ok(()) = model.visit(&Path::ROOT, &mut count);
    count.1
}

/// The same values in tensors of their own. (A clone's tensors are those of the original: they share their gradients.)
///
/// # Errors
/// [`OpError::Device`] only.
pub fn independent_copy<D: OpsDevice, M: Parameters<D> + Clone>(module: &M) -> Result<M, OpError> {
    struct Renew;
    impl<D: OpsDevice> VisitorMut<D> for Renew {
        type Error = OpError;

        fn tensor<S: Shape>(&mut self, _: &Path, _: Role, tensor: &mut Tensor<S, f32, D>) -> Result<(), OpError> {
            *tensor = ops::to_tensor(tensor.device(), ops::to_vec(tensor)?, *tensor.shape())?;
            Ok(())
        }
    }
    let mut copy = module.clone();
    copy.visit_mut(&Path::ROOT, &mut Renew)?;
    Ok(copy)
}

/// The body of an `impl Parameters<D>`: one line per field, `field: kind` or `field: kind = "published name"`.
///
/// Kinds: `trained`, `frozen` and `buffer` (tensors, see [`Role`](crate::blocks::Role)), `counter` (`u64`), `module` (anything that
/// implements [`Parameters`](crate::blocks::Parameters)) and `flat` (a module whose tensors stand beside those of this one, without a
/// name of its own between). Fields that are not listed have no parameters.
#[macro_export]
macro_rules! visit_fields {
    ($D:ident; $($field:ident : $kind:ident $(= $name:literal)?),* $(,)?) => {
        #[allow(unused_variables)]
        fn visit<Walk: $crate::blocks::Visitor<$D>>(
            &self,
            path: &$crate::blocks::Path,
            visitor: &mut Walk,
        ) -> ::std::result::Result<(), Walk::Error> {
            $($crate::visit_fields!(@$kind $D visit, &self.$field, path, visitor, $field $($name)?);)*
            ::std::result::Result::Ok(())
        }

        #[allow(unused_variables)]
        fn visit_mut<Walk: $crate::blocks::VisitorMut<$D>>(
            &mut self,
            path: &$crate::blocks::Path,
            visitor: &mut Walk,
        ) -> ::std::result::Result<(), Walk::Error> {
            $($crate::visit_fields!(@$kind $D visit_mut, &mut self.$field, path, visitor, $field $($name)?);)*
            ::std::result::Result::Ok(())
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    (@trained $D:ident $verb:ident, $tensor:expr, $path:ident, $visitor:ident, $($name:tt)+) => {
        $visitor.tensor(&$path.join($crate::visit_fields!(@name $($name)+)), $crate::blocks::Role::Trained, $tensor)?
    };
    (@frozen $D:ident $verb:ident, $tensor:expr, $path:ident, $visitor:ident, $($name:tt)+) => {
        $visitor.tensor(&$path.join($crate::visit_fields!(@name $($name)+)), $crate::blocks::Role::Frozen, $tensor)?
    };
    (@buffer $D:ident $verb:ident, $tensor:expr, $path:ident, $visitor:ident, $($name:tt)+) => {
        $visitor.tensor(&$path.join($crate::visit_fields!(@name $($name)+)), $crate::blocks::Role::Buffer, $tensor)?
    };
    (@counter $D:ident $verb:ident, $value:expr, $path:ident, $visitor:ident, $($name:tt)+) => {
        $visitor.counter(&$path.join($crate::visit_fields!(@name $($name)+)), $value)?
    };
    (@module $D:ident $verb:ident, $module:expr, $path:ident, $visitor:ident, $($name:tt)+) => {
        $crate::blocks::Parameters::<$D>::$verb($module, &$path.join($crate::visit_fields!(@name $($name)+)), $visitor)?
    };
    (@flat $D:ident $verb:ident, $module:expr, $path:ident, $visitor:ident, $field:ident) => {
        $crate::blocks::Parameters::<$D>::$verb($module, $path, $visitor)?
    };
}

/// [`visit_fields!`](crate::visit_fields) for an enum: the fields of every variant, which are named here where the variant does not.
///
/// ```
/// use coembed::blocks::{Linear, Parameters};
/// use coembed::ops::OpsDevice;
///
/// enum Head<D: OpsDevice> {
///     Identity,
///     One(Linear<usize, usize, D>),
///     Two { reduce: Linear<usize, usize, D>, pair: Linear<usize, usize, D> },
/// }
///
/// impl<D: OpsDevice> Parameters<D> for Head<D> {
///     coembed::visit_variants! { D; Identity, One(layer: flat), Two { reduce: module, pair: module = "fc" } }
/// }
/// ```
///
/// A variant that has fields but no parameters is written `Variant {}`.
#[macro_export]
macro_rules! visit_variants {
    ($D:ident; $($variant:ident
        $({ $($field:ident : $kind:ident $(= $name:literal)?),* $(,)? })?
        $(( $($item:ident : $item_kind:ident $(= $item_name:literal)?),* $(,)? ))?
    ),* $(,)?) => {
        #[allow(unused_variables)]
        fn visit<Walk: $crate::blocks::Visitor<$D>>(
            &self,
            path: &$crate::blocks::Path,
            visitor: &mut Walk,
        ) -> ::std::result::Result<(), Walk::Error> {
            match self {
                $(Self::$variant $({ $($field,)* .. })? $(( $($item),* ))? => {
                    $($($crate::visit_fields!(@$kind $D visit, $field, path, visitor, $field $($name)?);)*)?
                    $($($crate::visit_fields!(@$item_kind $D visit, $item, path, visitor, $item $($item_name)?);)*)?
                })*
            }
            ::std::result::Result::Ok(())
        }

        #[allow(unused_variables)]
        fn visit_mut<Walk: $crate::blocks::VisitorMut<$D>>(
            &mut self,
            path: &$crate::blocks::Path,
            visitor: &mut Walk,
        ) -> ::std::result::Result<(), Walk::Error> {
            match self {
                $(Self::$variant $({ $($field,)* .. })? $(( $($item),* ))? => {
                    $($($crate::visit_fields!(@$kind $D visit_mut, $field, path, visitor, $field $($name)?);)*)?
                    $($($crate::visit_fields!(@$item_kind $D visit_mut, $item, path, visitor, $item $($item_name)?);)*)?
                })*
            }
            ::std::result::Result::Ok(())
        }
    };
}

#[cfg(test)]
mod tests {
    use dfdx::prelude::{Cpu, ZerosTensor};

    use super::*;

    #[test]
    fn a_path_is_joined_with_dots() {
        assert_eq!(Path::ROOT.join("SMEs.t").join("fc").join("weight").to_string(), "SMEs.t.fc.weight");
    }

    struct Layer {
        w: Tensor<(usize,), f32, Cpu>,
    }

    impl Parameters<Cpu> for Layer {
        crate::visit_fields! { Cpu; w: trained }
    }

    enum Head {
        Plain,
        One(Layer),
        Two { scale: Tensor<(usize,), f32, Cpu>, pair: Layer },
    }

    impl Parameters<Cpu> for Head {
        crate::visit_variants! { Cpu; Plain, One(layer: flat), Two { scale: frozen, pair: module = "fc" } }
    }

    struct Model {
        table: Tensor<(usize,), f32, Cpu>,
        body: Layer,
        heads: Named<Head>,
        steps: u64,
    }

    impl Parameters<Cpu> for Model {
        crate::visit_fields! { Cpu; table: frozen = "embedding.table", body: flat, heads: module = "h", steps: counter }
    }

    struct Names(Vec<String>);

    impl Visitor<Cpu> for Names {
        type Error = std::convert::Infallible;

        fn tensor<S: Shape>(&mut self, path: &Path, role: Role, _: &Tensor<S, f32, Cpu>) -> Result<(), Self::Error> {
            self.0.push(format!("{path} {role:?}"));
            Ok(())
        }
    }

    #[test]
    fn fields_and_variants_have_the_names_and_roles_that_were_given() {
        let of = |n: usize| Cpu::default().zeros_like(&(n,));
        let heads = [
            ("a", Head::Plain),
            ("b", Head::One(Layer { w: of(2) })),
            ("c", Head::Two { scale: of(3), pair: Layer { w: of(4) } }),
        ];
        let mut model = Model { table: of(10), body: Layer { w: of(1) }, heads: heads.into_iter().collect(), steps: 0 };
        let mut names = Names(vec![]);
        model.visit(&Path::ROOT, &mut names).unwrap();
        let expected = ["embedding.table Frozen", "w Trained", "h.b.w Trained", "h.c.scale Frozen", "h.c.fc.w Trained"];
        assert_eq!(names.0, expected);
        assert_eq!((num_parameters(&model), num_values(&model, Role::Frozen)), (7, 13));

        struct Ones;
        impl VisitorMut<Cpu> for Ones {
            type Error = std::convert::Infallible;

            fn tensor<S: Shape>(&mut self, _: &Path, _: Role, x: &mut Tensor<S, f32, Cpu>) -> Result<(), Self::Error> {
                x.fill_with_ones();
                Ok(())
            }
        }
        model.visit_mut(&Path::ROOT, &mut Ones).unwrap();
        let Head::Two { pair, .. } = &model.heads.modules()[2] else { panic!("the third") };
        assert_eq!((model.table.as_vec(), pair.w.as_vec()), (vec![1.0; 10], vec![1.0; 4]));
    }
}
