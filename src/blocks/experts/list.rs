use dfdx::prelude::Dim;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{ExpertFeatures, ExpertInfo, ExpertSet, Pooling, PoolingKind};
use crate::blocks::{Named, Parameters, Phase, Pooled};
use crate::ops::{LayerTape, OpError, OpsDevice, check_size};

/// An expert that a configuration describes, of the kinds `K`: the published ones, or those of an
/// [`expert_kinds!`](crate::expert_kinds).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpertConfig<K = Pooling> {
    /// Its name in checkpoints and files.
    pub name: String,
    /// Width of its features.
    pub width: usize,
    /// How they become one vector.
    pub pooling: K,
    /// Width of its embedding where experts have no common space; by default what the kind says.
    #[serde(default)]
    pub own_width: Option<usize>,
}

impl<K: PoolingKind> ExpertConfig<K> {
    fn info(&self) -> ExpertInfo {
        ExpertInfo {
            name: self.name.clone(),
            pooled_width: self.pooling.pooled_width(self.width),
            own_width: self.own_width.unwrap_or_else(|| self.pooling.own_width(self.width)),
        }
    }
}

/// Experts that only a configuration knows: one program for every published one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExpertList<K = Pooling>(pub Vec<ExpertConfig<K>>);

/// The poolings of an [`ExpertList`].
#[derive(Debug)]
pub struct ListedPoolings<K: PoolingKind, D: OpsDevice> {
    blocks: Named<K::Block<usize, D>>,
    widths: Vec<usize>,
}

impl<K: PoolingKind, D: OpsDevice> Parameters<D> for ListedPoolings<K, D> {
    crate::visit_fields! { D; blocks: flat }
}

impl<K: PoolingKind> ExpertSet for ExpertList<K> {
    type Features<B: Dim, D: OpsDevice, T: LayerTape<D>> = Vec<ExpertFeatures<B, D, T>>;
    type Pooling<D: OpsDevice> = ListedPoolings<K, D>;

    fn experts(&self) -> Vec<ExpertInfo> {
        self.0.iter().map(ExpertConfig::info).collect()
    }

    fn num_parameters<D: OpsDevice>(&self) -> usize {
        self.0.iter().map(|expert| expert.pooling.num_parameters::<D>(expert.width)).sum()
    }

    fn build<D: OpsDevice>(&self, device: &D, rng: &mut impl Rng) -> Result<Self::Pooling<D>, OpError> {
        let build =
            |expert: &ExpertConfig<K>| Ok((expert.name.clone(), expert.pooling.build(expert.width, device, rng)?));
        let blocks = self.0.iter().map(build).collect::<Result<_, OpError>>()?;
        Ok(ListedPoolings { blocks, widths: self.0.iter().map(|expert| expert.width).collect() })
    }

    fn features<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        &self,
        read: Vec<ExpertFeatures<B, D, T>>,
    ) -> Result<Self::Features<B, D, T>, OpError> {
        Ok(read)
    }

    fn pool<B: Dim, D: OpsDevice, T: LayerTape<D>>(
        pooling: &Self::Pooling<D>,
        features: Self::Features<B, D, T>,
        phase: Phase,
    ) -> Result<Vec<Pooled<B, D, T>>, OpError> {
        check_size("experts", "number of features", pooling.widths.len(), features.len())?;
        let pool = |((block, width), features): ((&K::Block<usize, D>, &usize), ExpertFeatures<B, D, T>)| {
            check_size("expert", "width of the features", *width, features.width())?;
            K::pool(block, features, phase)
        };
        pooling.blocks.modules().iter().zip(&pooling.widths).zip(features).map(pool).collect()
    }
}
