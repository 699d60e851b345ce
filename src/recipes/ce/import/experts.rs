//! The experts of a configuration and what their files hold.

use super::section::{EntryError, Section};
use crate::blocks::FrameStatistic;
use crate::data::experts::folder::Dataset;
use crate::recipes::ce::{ExpertOptions, FrameSampling, Options, Reading};

/// Sizes by expert.
pub(super) struct Sizes {
    pub clusters: Section,
    pub tokens: Section,
    pub face: usize,
}

pub(super) fn read_experts(
    options: &mut Options,
    experts: &mut Section,
    data: &mut Section,
    mut sizes: Sizes,
    ignored: &mut Vec<String>,
) -> Result<(), EntryError> {
    let dropped = experts.names("drop_feats")?;
    options.experts = experts.names("modalities")?.into_iter().filter(|name| !dropped.contains(name)).collect();
    let mut aggregation = data.section("feat_aggregation")?;
    let dataset = Dataset::find(&options.dataset).map_err(|error| data.error("dataset_name", error.to_string()))?;
    let split = dataset.split(&options.split).map_err(|error| data.error("split_name", error.to_string()))?;
    if let Some(unknown) = options.experts.iter().find(|name| !dataset.has_expert(split, name)) {
        let reason =
            format!("{unknown:?} is never loaded for {}: the published program stops (KeyError)", dataset.name);
        return Err(experts.error("modalities", reason));
    }
    for name in options.experts.clone() {
        let mut entry = aggregation.section(&name)?;
        let expert = expert(&name, &mut entry, &mut sizes)?;
        if entry.flag("binarise")? {
            options.binarise.push(name.clone());
        }
        if entry.flag("trn_seg")? {
            return Err(entry.error("trn_seg", "not supported"));
        }
        if entry.number("aggregate-axis", 1)? != 1 {
            return Err(entry.error("aggregate-axis", "1 expected: files are joined by columns"));
        }
        entry.finish(&["model", "feat_type", "aggregate"], ignored)?;
        options.features.insert(name, expert);
    }
    // Of experts that are not used.
    [aggregation, sizes.clusters, sizes.tokens].into_iter().for_each(|mut section| section.ignore_all(ignored));
    Ok(())
}

/// Widths of the published features by model: embedding, classifier.
const WIDTHS: [(&str, usize, Option<usize>); 8] = [
    ("senet154", 2048, None),
    ("resnext101_32x48d", 2048, None),
    ("densenet161", 2208, None),
    ("i3d", 1024, None),
    ("r2p1d", 512, None),
    ("trn", 1792, None),
    ("moments", 2048, None),
    ("s3dg", 1024, Some(512)),
];

fn expert(name: &str, entry: &mut Section, sizes: &mut Sizes) -> Result<ExpertOptions, EntryError> {
    let logits = entry.string("type", "embed")? == "logits";
    let given = entry.section("feat_dims")?.numbers()?;
    let given = given.get(if logits { "logits" } else { "embed" }).copied();
    let sequence = matches!(name, "audio" | "speech" | "ocr");
    let known = || match name {
        "audio" => Some(128),
        "speech" | "ocr" => Some(300),
        "face" => Some(sizes.face),
        _ => {
            let model = name.split('.').nth(1).unwrap_or(name);
            let (_, embed, classes) = WIDTHS.iter().find(|(known, ..)| model.starts_with(known))?;
            if logits { *classes } else { Some(*embed) }
        }
    };
    let no_width = || entry.error("feat_dims", format!("the width of the expert {name:?} is not known"));
    let width = given.or_else(known).ok_or_else(no_width)?;
    let temporal = entry.string("temporal", if sequence { "vlad" } else { "avg" })?;
    let reading = if temporal == "vlad" {
        let size = |of: &mut Section| {
            let size = of.optional(name)?.map(|size| size as usize);
            size.ok_or_else(|| of.error(name, "missing for an expert with vlad; the published program stops here"))
        };
        Reading::Sequence { clusters: size(&mut sizes.clusters)?, max_tokens: size(&mut sizes.tokens)? }
    } else {
        let statistic = |part: &str| match part {
            "avg" => Ok(FrameStatistic::Mean),
            "max" => Ok(FrameStatistic::Max),
            "std" => Ok(FrameStatistic::Std),
            "ent" => Ok(FrameStatistic::Entropy),
            other => Err(entry.error("temporal", format!("vlad, or avg, max, std, ent joined by -; found {other:?}"))),
        };
        Reading::Statistics(temporal.split('-').map(statistic).collect::<Result<_, _>>()?)
    };
    let (fps, pixel_dim, stride) = (entry.optional("fps")?, entry.optional("pixel_dim")?, entry.optional("stride")?);
    let (offset, inner_stride, num_segments) =
        (entry.optional("offset")?, entry.optional("inner_stride")?, entry.optional("num_segments")?);
    let frames = match (fps, pixel_dim) {
        (Some(fps), Some(pixel_dim)) => Some(FrameSampling {
            fps,
            pixel_dim,
            stride: stride.unwrap_or(1),
            offset,
            inner_stride,
            num_segments,
            logits,
        }),
        _ => None,
    };
    Ok(ExpertOptions { width, reading, frames, files: vec![], flaky: entry.flag("flaky")? })
}
