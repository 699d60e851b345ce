//! Collaborative Experts and its relatives: parameter counts.

use std::collections::BTreeMap;

use coembed::blocks::{Activation, ExpertConfig, ExpertList, Pooling, ReasoningConfig, Relation};
use coembed::models::{CollaborativeExpertsConfig, Design, MixtureWeights, TextPooling};
use coembed::recipes::ce::display_parameters;
use dfdx::prelude::Cpu;
use serde::Deserialize;
use serde_json::Value;

use crate::support::golden_dir;

#[derive(Deserialize)]
struct File {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    config: String,
    params: usize,
    display: String,
    arch: String,
    #[serde(default)]
    options: BTreeMap<String, Value>,
    ce_shared_dim: Option<usize>,
    text: Text,
    #[serde(default)]
    experts_in_order: Vec<Expert>,
    #[serde(default)]
    breakdown: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct Text {
    word_dim: usize,
    #[serde(default)]
    vlad_clusters: usize,
    #[serde(default)]
    ghost_clusters: usize,
    pooled_dim: Option<usize>,
}

#[derive(Deserialize)]
struct Expert {
    name: String,
    raw_dim: usize,
    pooled_dim: Option<usize>,
    out_dim: Option<usize>,
    vlad_clusters: Option<usize>,
}

impl Row {
    /// The published options are numbers, booleans and strings, and "off" is any of 0, false and "".
    fn on(&self, option: &str) -> bool {
        match self.options.get(option) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(on)) => *on,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(text)) => !text.is_empty(),
            Some(other) => panic!("{}: {option} is {other}", self.config),
        }
    }

    fn layers(&self, option: &str, default: usize) -> usize {
        self.options.get(option).map_or(default, |value| value.as_u64().unwrap() as usize)
    }

    fn design(&self) -> Design {
        let relation = match self.options.get("use_ce").and_then(Value::as_str).unwrap_or_default() {
            "" if self.on("mimic_ce_dims") => return Design::Projected,
            "" if self.on("concat_mix_experts") => return Design::ConcatenatedGated,
            "" if self.on("concat_experts") => return Design::Concatenated,
            "" => return Design::Own,
            "pairwise" => Relation::Pairwise,
            "pairwise-star" => Relation::PairwiseStar,
            "pairwise-star-specific" => Relation::PairwiseStarSpecific,
            "pairwise-star-tensor" => Relation::PairwiseStarTensor,
            "triplet" => Relation::Triplet,
            other => panic!("{}: use_ce is {other:?}", self.config),
        };
        Design::Collaborative(ReasoningConfig {
            relation,
            include_self: self.on("include_self"),
            activation: if self.on("use_mish") { Activation::Mish } else { Activation::Relu },
            batch_norm: self.on("use_bn_reason"),
            g_layers: self.layers("num_g_layers", 3),
            h_layers: self.layers("num_h_layers", 0),
        })
    }

    fn weights(&self) -> MixtureWeights {
        match (self.on("keep_missing_modalities"), self.on("freeze_weights")) {
            (true, _) => MixtureWeights::Sum,
            (false, true) => MixtureWeights::Uniform,
            (false, false) => MixtureWeights::Text,
        }
    }

    fn model(&self) -> CollaborativeExpertsConfig<ExpertList, usize, usize> {
        let design = self.design();
        let common = matches!(design, Design::Collaborative(_) | Design::Projected);
        let text = match self.text.vlad_clusters {
            0 => TextPooling::Identity,
            clusters => TextPooling::NetVlad { clusters, ghosts: self.text.ghost_clusters },
        };
        CollaborativeExpertsConfig {
            experts: ExpertList(self.experts_in_order.iter().map(|expert| expert.config(common)).collect()),
            words: self.text.word_dim,
            text,
            common: self.ce_shared_dim.unwrap_or(0),
            design,
            weights: self.weights(),
        }
    }
}

impl Expert {
    fn config(&self, common: bool) -> ExpertConfig {
        let (width, pooling) = match self.vlad_clusters {
            Some(clusters) => (self.raw_dim, Pooling::NetVlad { clusters }),
            None => (self.pooled_dim.unwrap_or(self.raw_dim), Pooling::None),
        };
        let own_width = if common { None } else { self.out_dim };
        ExpertConfig { name: self.name.clone(), width, pooling, own_width }
    }
}

pub fn param_counts() {
    let path = golden_dir().join("ce/param_counts.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file: File = serde_json::from_str(&text).unwrap();
    assert!(!file.rows.is_empty());
    for row in &file.rows {
        let config = &row.config;
        assert_eq!(display_parameters(row.params), row.display, "{config}");
        if row.arch == "MNNet" {
            assert_eq!(row.params, 1, "{config}");
            continue;
        }
        assert!(["CENet", "Net (MoEE)"].contains(&row.arch.as_str()), "{config}: {}", row.arch);
        let model = row.model();
        assert_eq!(row.text.pooled_dim.unwrap_or(model.text_width()), model.text_width(), "{config}");
        for (name, count) in &row.breakdown {
            if let Some(expected) = breakdown(&model, name) {
                assert_eq!(*count, expected, "{config}: {name}");
            }
        }
        assert_eq!(row.breakdown.values().sum::<usize>(), if row.breakdown.is_empty() { 0 } else { row.params });
        assert_eq!(model.num_parameters::<Cpu>(), row.params, "{config}");
    }
}

/// The parts that stand alone in the description: the pooling and the layer of the weights.
fn breakdown(model: &CollaborativeExpertsConfig<ExpertList, usize, usize>, part: &str) -> Option<usize> {
    use coembed::blocks::{Config, ExpertSet, LinearConfig, NetVladConfig};
    match part {
        "pooling" | "audio_pooling" => Some(model.experts.num_parameters::<Cpu>()),
        "text_pooling" => match model.text {
            TextPooling::NetVlad { clusters, ghosts } => {
                let pooling = NetVladConfig { width: model.words, clusters, ghosts, batch_norm: true };
                Some(Config::<Cpu>::num_parameters(&pooling))
            }
            TextPooling::Identity => Some(0),
        },
        "ce.moe_fc" | "mee.moe_fc" => {
            let layer = LinearConfig { inputs: model.text_width(), outputs: model.experts.0.len() };
            Some(Config::<Cpu>::num_parameters(&layer))
        }
        _ => None,
    }
}
