/// Declares a set of experts: its type, the features of a batch (a flat struct with one field per expert) and the blocks that pool them.
///
/// Every expert has a kind ([`ExpertKind`](crate::blocks::experts::ExpertKind)); features of another width than its own do not compile. An expert's name in checkpoints and files
/// is that of the field unless one is given. Published checkpoints of Collaborative Experts number experts in alphabetical order.
///
/// ```
/// use coembed::blocks::experts::{ExpertSet, Max, Mean, NetVladFrames, PooledFrames, Vector};
///
/// coembed::experts! {
///     /// Three experts.
///     pub Kitchen, features KitchenFeatures, pooling KitchenPooling {
///         audio: NetVladFrames<128, 16>,
///         rgb: PooledFrames<1024, (Mean, Max)>,
///         scene: Vector<2208> = "scene.densenet161.0",
///     }
/// }
/// let widths: Vec<usize> = Kitchen.experts().iter().map(|expert| expert.pooled_width).collect();
/// assert_eq!(widths, [2048, 2048, 2208]);
/// assert_eq!(Kitchen.experts()[2].name, "scene.densenet161.0");
/// ```
#[macro_export]
macro_rules! experts {
    ($(#[$meta:meta])* $vis:vis $set:ident, features $features:ident, pooling $pooling:ident {
        $($expert:ident: $kind:ty $(= $name:literal)?),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        $vis struct $set;

        #[doc = concat!("Features of the experts of [`", stringify!($set), "`] for a batch of videos.")]
        $vis struct $features<
            B: $crate::blocks::experts::Dim,
            D: $crate::ops::OpsDevice,
            T: $crate::ops::LayerTape<D> = $crate::blocks::experts::NoneTape,
        > {
            $(
                #[doc = concat!("Of the expert `", stringify!($expert), "`.")]
                pub $expert: <$kind as $crate::blocks::experts::ExpertKind>::Features<B, D, T>,
            )+
        }

        #[doc = concat!("The poolings of the experts of [`", stringify!($set), "`].")]
        #[derive(Debug)]
        $vis struct $pooling<D: $crate::ops::OpsDevice> {
            $(
                #[doc = concat!("Of the expert `", stringify!($expert), "`.")]
                pub $expert: <$kind as $crate::blocks::experts::ExpertKind>::Pooling<D>,
            )+
        }

        impl<D: $crate::ops::OpsDevice> $crate::blocks::Parameters<D> for $pooling<D> {
            $crate::visit_fields! { D; $($expert: module $(= $name)?),+ }
        }

        impl $crate::blocks::experts::ExpertSet for $set {
            type Features<B: $crate::blocks::experts::Dim, D: $crate::ops::OpsDevice, T: $crate::ops::LayerTape<D>> =
                $features<B, D, T>;
            type Pooling<D: $crate::ops::OpsDevice> = $pooling<D>;

            fn experts(&self) -> ::std::vec::Vec<$crate::blocks::experts::ExpertInfo> {
                ::std::vec![$(
                    $crate::blocks::experts::ExpertInfo {
                        name: ::std::string::String::from($crate::visit_fields!(@name $expert $($name)?)),
                        pooled_width: <$kind as $crate::blocks::experts::ExpertKind>::pooled_width(),
                        own_width: <$kind as $crate::blocks::experts::ExpertKind>::own_width(),
                    }
                ),+]
            }

            fn num_parameters<D: $crate::ops::OpsDevice>(&self) -> usize {
                0 $(+ <$kind as $crate::blocks::experts::ExpertKind>::num_parameters::<D>())+
            }

            fn build<D: $crate::ops::OpsDevice>(
                &self,
                device: &D,
                rng: &mut impl $crate::blocks::experts::Rng,
            ) -> ::std::result::Result<$pooling<D>, $crate::ops::OpError> {
                ::std::result::Result::Ok($pooling {
                    $($expert: <$kind as $crate::blocks::experts::ExpertKind>::build(device, rng)?,)+
                })
            }

            fn features<B: $crate::blocks::experts::Dim, D: $crate::ops::OpsDevice, T: $crate::ops::LayerTape<D>>(
                &self,
                read: ::std::vec::Vec<$crate::blocks::experts::ExpertFeatures<B, D, T>>,
            ) -> ::std::result::Result<$features<B, D, T>, $crate::ops::OpError> {
                let mut read = $crate::blocks::experts::InOrder::new(read, [$(stringify!($expert)),+].len())?;
                ::std::result::Result::Ok($features {
                    $($expert: <$kind as $crate::blocks::experts::ExpertKind>::features(read.take_next()?)?,)+
                })
            }

            fn pool<B: $crate::blocks::experts::Dim, D: $crate::ops::OpsDevice, T: $crate::ops::LayerTape<D>>(
                pooling: &$pooling<D>,
                features: $features<B, D, T>,
                phase: $crate::blocks::Phase,
            ) -> ::std::result::Result<
                ::std::vec::Vec<$crate::blocks::Pooled<B, D, T>>,
                $crate::ops::OpError,
            > {
                ::std::result::Result::Ok(::std::vec![$(
                    <$kind as $crate::blocks::experts::ExpertKind>::pool(&pooling.$expert, features.$expert, phase)?
                ),+])
            }
        }
    };
}

/// Registers kinds of experts by name: an enum of [`PoolingKind`](crate::blocks::experts::PoolingKind)s that configurations read, and the
/// enum of the blocks that they describe. The crate that calls it needs `serde` with its derive macros.
///
/// ```
/// use coembed::blocks::experts::{ExpertList, Pooling};
///
/// coembed::expert_kinds! {
///     /// The published kinds beside those of this program.
///     pub MyKinds, blocks MyBlocks {
///         Published(Pooling),
///     }
/// }
/// let text = r#"[(name: "audio", width: 128, pooling: Published(NetVlad(clusters: 16)))]"#;
/// let experts: ExpertList<MyKinds> = ron::from_str(text)?;
/// assert_eq!(experts.0[0].pooling, MyKinds::Published(Pooling::NetVlad { clusters: 16 }));
/// # Ok::<(), ron::error::SpannedError>(())
/// ```
#[macro_export]
macro_rules! expert_kinds {
    ($(#[$meta:meta])* $vis:vis $kinds:ident, blocks $blocks:ident {
        $($(#[$variant_meta:meta])* $variant:ident($kind:ty)),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        $vis enum $kinds {
            $(
                $(#[$variant_meta])*
                #[doc = concat!("Described by [`", stringify!($kind), "`].")]
                $variant($kind),
            )+
        }

        #[doc = concat!("The block that one of [`", stringify!($kinds), "`] describes.")]
        #[derive(Debug)]
        #[allow(clippy::large_enum_variant)]
        $vis enum $blocks<W: $crate::blocks::experts::Dim, D: $crate::ops::OpsDevice> {
            $(
                #[doc = concat!("Described by [`", stringify!($kind), "`].")]
                $variant(<$kind as $crate::blocks::experts::PoolingKind>::Block<W, D>),
            )+
        }

        impl<W: $crate::blocks::experts::Dim, D: $crate::ops::OpsDevice> $crate::blocks::Parameters<D> for $blocks<W, D> {
            $crate::visit_variants! { D; $($variant(block: flat)),+ }
        }

        impl $crate::blocks::experts::PoolingKind for $kinds {
            type Block<W: $crate::blocks::experts::Dim, D: $crate::ops::OpsDevice> = $blocks<W, D>;

            fn pooled_width(&self, width: usize) -> usize {
                match self {
                    $(Self::$variant(kind) => $crate::blocks::experts::PoolingKind::pooled_width(kind, width),)+
                }
            }

            fn own_width(&self, width: usize) -> usize {
                match self {
                    $(Self::$variant(kind) => $crate::blocks::experts::PoolingKind::own_width(kind, width),)+
                }
            }

            fn num_parameters<D: $crate::ops::OpsDevice>(&self, width: usize) -> usize {
                match self {
                    $(Self::$variant(kind) => $crate::blocks::experts::PoolingKind::num_parameters::<D>(kind, width),)+
                }
            }

            fn build<W: $crate::blocks::experts::Dim, D: $crate::ops::OpsDevice>(
                &self,
                width: W,
                device: &D,
                rng: &mut impl $crate::blocks::experts::Rng,
            ) -> ::std::result::Result<$blocks<W, D>, $crate::ops::OpError> {
                ::std::result::Result::Ok(match self {
                    $(Self::$variant(kind) => $blocks::$variant(
                        $crate::blocks::experts::PoolingKind::build(kind, width, device, rng)?,
                    ),)+
                })
            }

            fn pool<
                B: $crate::blocks::experts::Dim,
                W: $crate::blocks::experts::Dim,
                D: $crate::ops::OpsDevice,
                T: $crate::ops::LayerTape<D>,
            >(
                block: &$blocks<W, D>,
                features: $crate::blocks::experts::ExpertFeatures<B, D, T, W>,
                phase: $crate::blocks::Phase,
            ) -> ::std::result::Result<$crate::blocks::Pooled<B, D, T>, $crate::ops::OpError> {
                match block {
                    $($blocks::$variant(block) =>
                        <$kind as $crate::blocks::experts::PoolingKind>::pool(block, features, phase),)+
                }
            }
        }
    };
}
