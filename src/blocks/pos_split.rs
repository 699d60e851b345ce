use std::marker::PhantomData;

use dfdx::prelude::{Dim, HasShape, Tape, Tensor};

use crate::ops::{OpError, OpsDevice, check_size};

/// A part of speech: a type that names an embedding space of its own.
pub trait PartOfSpeech: 'static {
    /// Its name in checkpoints.
    const NAME: &'static str;
}

/// An ordered set of parts of speech, declared by [`parts_of_speech!`](crate::parts_of_speech).
pub trait PosSet: 'static + Clone + Copy + std::fmt::Debug + Default {
    /// The names, in order.
    const NAMES: &'static [&'static str];
    /// One thing for each of them: an array of that length.
    type Parts<T>: IntoIterator<Item = T>;
}

/// A set that has the part of speech `S`.
#[diagnostic::on_unimplemented(
    message = "`{S}` is not one of the parts of speech of `{Self}`",
    label = "the set `{Self}` has no such part of speech"
)]
pub trait Contains<S: PartOfSpeech>: PosSet {
    /// The place of `S` in the set.
    const INDEX: usize;
}

/// Declares a set of parts of speech, each with a type and the name that it has in checkpoints.
///
/// ```
/// use coembed::models::{Noun, Verb};
/// # use coembed::blocks::PosSet;
/// pub struct Adjective;
/// impl coembed::blocks::PartOfSpeech for Adjective {
///     const NAME: &'static str = "adjective";
/// }
/// coembed::parts_of_speech! { pub VerbNounAdjective: Verb, Noun, Adjective }
/// assert_eq!(VerbNounAdjective::NAMES, ["verb", "noun", "adjective"]);
/// ```
#[macro_export]
macro_rules! parts_of_speech {
    ($(#[$meta:meta])* $vis:vis $set:ident: $($part:ident),+ $(,)?) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        $vis struct $set;

        impl $crate::blocks::PosSet for $set {
            const NAMES: &'static [&'static str] = &[$(<$part as $crate::blocks::PartOfSpeech>::NAME),+];
            type Parts<T> = [T; [$(<$part as $crate::blocks::PartOfSpeech>::NAME),+].len()];
        }

        $crate::parts_of_speech!(@members $set, 0usize; $($part),+);
    };
    (@members $set:ident, $index:expr; $part:ident $(, $rest:ident)*) => {
        #[diagnostic::do_not_recommend]
        impl $crate::blocks::Contains<$part> for $set {
            const INDEX: usize = $index;
        }
        $crate::parts_of_speech!(@members $set, $index + 1; $($rest),*);
    };
    (@members $set:ident, $index:expr;) => {};
}

/// In which order the parts of speech are concatenated.
///
/// The published evaluation uses the declared order (verb, noun), the published training loop the reverse; only a
/// learned combination can tell the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartOrder {
    /// As the set declares them.
    #[default]
    Declared,
    /// Backwards: what the published JPoSE training loop does.
    Reversed,
}

impl PartOrder {
    /// Applies the order.
    pub(crate) fn arrange<T>(self, mut parts: Vec<T>) -> Vec<T> {
        if self == PartOrder::Reversed {
            parts.reverse();
        }
        parts
    }
}

/// Text features of one batch, split by part of speech: one tensor for each member of `P`.
#[derive(Debug, Clone)]
pub struct PosText<P: PosSet, B: Dim, I: Dim, D: OpsDevice, T> {
    parts: Vec<Tensor<(B, I), f32, D, T>>,
    set: PhantomData<P>,
}

impl<P: PosSet, B: Dim, I: Dim, D: OpsDevice, T: Tape<f32, D>> PosText<P, B, I, D, T> {
    /// One tensor for each part of speech, in the order of the set; another number does not compile.
    ///
    /// # Shapes
    /// Each `(B, I)`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when run-time sizes disagree.
    pub fn new(parts: P::Parts<Tensor<(B, I), f32, D, T>>) -> Result<Self, OpError> {
        let parts: Vec<_> = parts.into_iter().collect();
        for part in &parts {
            let (first, part) = (parts[0].shape(), part.shape());
            check_size("part-of-speech texts", "rows", first.0.size(), part.0.size())?;
            check_size("part-of-speech texts", "width", first.1.size(), part.1.size())?;
        }
        Ok(Self { parts, set: PhantomData })
    }

    /// The tensors in the order of the set.
    pub fn into_parts(self) -> Vec<Tensor<(B, I), f32, D, T>> {
        self.parts
    }
}
