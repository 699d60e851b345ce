//! Temporal Context Aggregation end to end: published files through the recipe.

use coembed::options::Options as _;
use coembed::recipes::tca::{Metric, Options, TcaRecipe};
use coembed::run::{self, Part, Recipe};
use serde_json::Value;

use crate::support::{Dev, golden_dir, has_family};

fn metric(name: &str) -> Metric {
    match name {
        "chamfer" => Metric::Chamfer,
        "symmetric_chamfer" => Metric::SymmetricChamfer,
        "cosine" => Metric::Cosine,
        "euclidean" => Metric::Euclidean,
        other => panic!("no metric {other}"),
    }
}

/// Both containers of the checkpoint, features in HDF5, every data set and metric.
#[test]
fn the_published_files_give_the_published_numbers() {
    if !has_family("tca") {
        return;
    }
    let folder = golden_dir().join("tca/mini");
    let expected: Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let size = |name: &str| expected[name].as_u64().unwrap() as usize;
    let tolerance = expected["tolerance_similarity"].as_f64().unwrap();
    for (dataset, by_metric) in expected["expected"].as_object().unwrap() {
        for (metric_name, want) in by_metric.as_object().unwrap() {
            let options = Options {
                dataset: dataset.clone(),
                metric: metric(metric_name),
                pca_components: size("feature_size"),
                output_dim: size("feature_size"),
                num_layers: size("num_layers"),
                padding_size: size("padding_size"),
                ..Options::default()
            };
            let options = options.check_evaluation().unwrap();
            let loaded = TcaRecipe.load(&options, &folder, Part::Test).unwrap();
            for checkpoint in ["model.pth", "model_zip.pth"] {
                let what = format!("{dataset}, {metric_name}, {checkpoint}");
                let foreign = TcaRecipe.foreign(&folder.join(checkpoint)).unwrap().unwrap();
                let device = Dev::default();
                let (_, report) =
                    run::evaluate(&TcaRecipe, &options, &loaded, &device, &foreign.parameters, None).unwrap();
                let scores =
                    report.scores.iter().map(|(name, score)| (name.to_lowercase().replace('*', "_star"), score));
                let scores: std::collections::BTreeMap<String, &f64> = scores.collect();
                for (name, value) in want["metrics"].as_object().unwrap() {
                    let (got, value) = (*scores[name], value.as_f64().unwrap());
                    assert!((got - value).abs() < 1e-6, "{what}: {name} is {got}, expected {value}");
                }
                let found = [report.counts.queries.found, report.found];
                assert_eq!(
                    found.map(|n| n as u64),
                    ["n_queries", "n_all_db"].map(|n| want[n].as_u64().unwrap()),
                    "{what}"
                );
                let similarities = want["first_query_similarities"].as_object().unwrap();
                let (ids, _, _) = loaded.split.test.lists();
                let row = report.similarities.similarities.row(0);
                assert_eq!(similarities.len(), row.len(), "{what}");
                for (video, got) in report.similarities.videos.iter().zip(row) {
                    let want = similarities[ids.id(*video).unwrap()].as_f64().unwrap();
                    assert!((got - want).abs() <= tolerance, "{what}: {got}, expected {want}");
                }
            }
        }
    }
}
