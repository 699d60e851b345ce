//! Options of a run: each stated once, changed by the rows of a table and by a command line alike, checked before anything runs.
//!
//! [`options!`](crate::options!) declares a struct of options with its defaults, its [`Changes`] (what a row of a [`Table`] and a command line
//! say), and the [`Field`]s that a command line is made of.

mod nearest;
mod read;
mod table;

pub use nearest::nearest;
pub use read::{ConfigError, parse, parse_value, read};
pub use table::{Row, Table, TableError};

use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The options of a run; declare them with [`options!`](crate::options!).
pub trait Options: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What differs from other options.
    type Changes: Changes<Self>;

    /// One for each option that a command line can set.
    const FIELDS: &'static [Field];

    /// Seeds, one run each.
    fn seeds(&self) -> &[u64];

    /// The same with the default seeds: what a published row is recognised by.
    fn without_seeds(&self) -> Self;

    /// Refuses options that contradict each other or make no sense.
    ///
    /// # Errors
    /// [`OptionsError`], naming the option.
    fn validate(&self) -> Result<(), OptionsError>;

    /// Checks them: only what is checked can be run.
    ///
    /// # Errors
    /// As [`Options::validate`].
    fn check(self) -> Result<Checked<Self>, OptionsError> {
        self.validate()?;
        Ok(Checked(self))
    }

    /// The part of [`Options::validate`] that options must pass to evaluate with them: those of a published run may be such as are refused
    /// for training.
    ///
    /// # Errors
    /// As [`Options::validate`].
    fn validate_evaluation(&self) -> Result<(), OptionsError> {
        self.validate()
    }

    /// Checks them for evaluation.
    ///
    /// # Errors
    /// As [`Options::validate_evaluation`].
    fn check_evaluation(self) -> Result<Checked<Self>, OptionsError> {
        self.validate_evaluation()?;
        Ok(Checked(self))
    }

    /// The options as text, in RON.
    fn to_ron(&self) -> String {
        // Options are plain data, which cannot fail to be written to a string.
        ron::ser::to_string_pretty(self, ron::ser::PrettyConfig::default()).unwrap_or_default()
    }
}

/// What differs from other options; what is not named stays.
pub trait Changes<O>: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync {
    /// Changes an option from text: RON, or a bare word or list where that is clear.
    ///
    /// # Errors
    /// [`OptionsError`] when there is no such option, which names the nearest, or when the text is not one of its values.
    fn set(&mut self, field: &str, text: &str) -> Result<(), OptionsError>;

    /// Changes options.
    fn apply(&self, options: &mut O);
}

/// One option, for a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    /// Its type.
    pub kind: &'static str,
    /// Names of published programs.
    pub published: &'static [Published],
}

/// A name that a published program has for an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The name.
    pub name: &'static str,
    /// The value that the name alone stands for; names without one take a value.
    pub value: Option<&'static str>,
}

/// Options that passed their check.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked<O>(O);

impl<O> Deref for Checked<O> {
    type Target = O;

    fn deref(&self) -> &O {
        &self.0
    }
}

/// Options that contradict each other or make no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct OptionsError {
    /// The option, as in a configuration file.
    pub field: Cow<'static, str>,
    /// What is wrong with it.
    pub reason: String,
}

impl OptionsError {
    /// Names the option, and what is wrong with it.
    pub fn new(field: impl Into<Cow<'static, str>>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// There is no such option.
    pub fn unknown(field: &str, fields: &[Field]) -> Self {
        let near = nearest(field, fields.iter().map(|field| field.name));
        let reason = match near.is_empty() {
            true => "there is no such option".to_string(),
            false => format!("there is no such option; the nearest are {}", near.join(", ")),
        };
        Self::new(field.to_string(), reason)
    }
}

/// An error unless it holds.
///
/// # Errors
/// [`OptionsError`], of this option.
pub fn ensure(holds: bool, field: &'static str, reason: impl FnOnce() -> String) -> Result<(), OptionsError> {
    if holds { Ok(()) } else { Err(OptionsError::new(field, reason())) }
}

/// An error unless a size is from 1 to `most`. Such bounds keep a slip of the keyboard from asking for more memory than there is.
///
/// # Errors
/// [`OptionsError`], of this option.
pub fn in_range(field: impl Into<Cow<'static, str>>, size: usize, most: usize) -> Result<(), OptionsError> {
    match size {
        _ if (1..=most).contains(&size) => Ok(()),
        _ => Err(OptionsError::new(field, format!("{size} is not between 1 and {most}"))),
    }
}

/// An error unless a number is finite and at least 0.
///
/// # Errors
/// [`OptionsError`], of this option.
pub fn not_negative(field: &'static str, value: f32) -> Result<(), OptionsError> {
    ensure(value.is_finite() && value >= 0.0, field, || format!("{value} is not a finite number of at least 0"))
}

/// An error unless there are seeds, each once.
///
/// # Errors
/// [`OptionsError`], of `seeds`.
pub fn check_seeds(seeds: &[u64]) -> Result<(), OptionsError> {
    let different: std::collections::BTreeSet<_> = seeds.iter().collect();
    ensure(!seeds.is_empty() && different.len() == seeds.len(), "seeds", || "none, or one twice".into())
}

/// Declares options, each once: name, published names, type, default, documentation. One of them is `seeds`, a `Vec<u64>`.
///
/// A published name may stand for a value (`["rgb" = "Rgb"]`) or take one (`["dataset_name"]`). Options in `maps` are maps whose entries are
/// added or replaced by changes; a command line does not set them. `check` refuses options that contradict each other; `evaluation`, where it
/// is given, those that even an evaluation cannot do with.
///
/// ```
/// use coembed::options::{Changes, Options, OptionsError, ensure};
///
/// coembed::options! {
///     /// Options of a small run.
///     pub SmallOptions, changes SmallChanges {
///         /// Epochs.
///         epochs ["num-epochs"]: usize = 3,
///         /// Whether the loss is symmetric.
///         symmetric: bool = true,
///         /// Seeds, one run each.
///         seeds: Vec<u64> = vec![0],
///     }
///     check(options) {
///         ensure(options.epochs > 0, "epochs", || "nothing is trained".into())
///     }
/// }
///
/// let mut changes = SmallChanges::default();
/// changes.set("seeds", "1,2")?;
/// changes.set("epochs", "5")?;
/// let mut options = SmallOptions::default();
/// changes.apply(&mut options);
/// assert_eq!(options, SmallOptions { epochs: 5, symmetric: true, seeds: vec![1, 2] });
/// let error = changes.set("epoch", "5").unwrap_err();
/// assert_eq!(error.to_string(), "epoch: there is no such option; the nearest are epochs");
/// # options.check()?;
/// # Ok::<(), OptionsError>(())
/// ```
#[macro_export]
macro_rules! options {
    (
        $(#[$meta:meta])* $vis:vis $Options:ident, changes $Changes:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident $([$($published:literal $(= $value:literal)?),+ $(,)?])?: $kind:ty = $default:expr
            ),+ $(,)?
        }
        $(maps { $($(#[$map_doc:meta])+ $map:ident: $map_kind:ty),+ $(,)? })?
        $(check($checked:ident) $check:block)?
        $(evaluation($evaluated:ident) $evaluation:block)?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        $vis struct $Options {
            $($(#[doc = $doc])+ pub $field: $kind,)+
            $($($(#[$map_doc])+ pub $map: $map_kind,)+)?
        }

        impl ::std::default::Default for $Options {
            fn default() -> Self {
                Self { $($field: $default,)+ $($($map: ::std::default::Default::default(),)+)? }
            }
        }

        #[doc = concat!("What differs from other [`", stringify!($Options), "`]; what is absent stays.")]
        #[derive(Debug, Clone, PartialEq, Default, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        $vis struct $Changes {
            $(
                #[doc = concat!("See [`", stringify!($Options), "::", stringify!($field), "`].")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: ::std::option::Option<$kind>,
            )+
            $($(
                #[doc = concat!("Entries of [`", stringify!($Options), "::", stringify!($map), "`] that are added or replaced.")]
                pub $map: $map_kind,
            )+)?
        }

        impl $crate::options::Changes<$Options> for $Changes {
            fn set(&mut self, field: &str, text: &str) -> ::std::result::Result<(), $crate::options::OptionsError> {
                match field {
                    $(stringify!($field) => {
                        self.$field = ::std::option::Option::Some($crate::options::parse_value(stringify!($field), text)?);
                    })+
                    _ => {
                        let fields = <$Options as $crate::options::Options>::FIELDS;
                        return ::std::result::Result::Err($crate::options::OptionsError::unknown(field, fields));
                    }
                }
                ::std::result::Result::Ok(())
            }

            fn apply(&self, options: &mut $Options) {
                $(if let ::std::option::Option::Some(value) = &self.$field {
                    options.$field = value.clone();
                })+
                $($(options.$map.extend(self.$map.iter().map(|(name, entry)| (name.clone(), entry.clone())));)+)?
            }
        }

        impl $crate::options::Options for $Options {
            type Changes = $Changes;

            const FIELDS: &'static [$crate::options::Field] = &[$(
                $crate::options::Field {
                    name: stringify!($field),
                    doc: concat!($($doc, "\n"),+),
                    kind: stringify!($kind),
                    published: &[$($(
                        $crate::options::Published { name: $published, value: $crate::options!(@value $($value)?) }
                    ),+)?],
                }
            ),+];

            fn validate(&self) -> ::std::result::Result<(), $crate::options::OptionsError> {
                $crate::options::check_seeds(&self.seeds)?;
                $(
                    let $checked = self;
                    $check?;
                )?
                ::std::result::Result::Ok(())
            }

            fn seeds(&self) -> &[u64] {
                &self.seeds
            }

            fn without_seeds(&self) -> Self {
                let seeds = <Self as ::std::default::Default>::default().seeds;
                Self { seeds, ..::std::clone::Clone::clone(self) }
            }

            $(
                fn validate_evaluation(&self) -> ::std::result::Result<(), $crate::options::OptionsError> {
                    let $evaluated = self;
                    $evaluation
                }
            )?
        }
    };
    (@value) => { ::std::option::Option::None };
    (@value $value:literal) => { ::std::option::Option::Some($value) };
}
