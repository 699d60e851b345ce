//! The full EPIC-Kitchens-100 retrieval test split (Damen et al., *Rescaling Egocentric Vision*, IJCV 2022): real relevance, procedural
//! similarities, published evaluation.

use std::collections::BTreeMap;
use std::path::Path;

use coembed::data::epic100::annotations::Annotations;
use coembed::formats::Limits;
use coembed::matrix::Matrix;
use coembed::metrics::VideosByTexts;
use coembed::metrics::graded::{GradedOptions, evaluate};
use coembed::relevance::{EmptyUnion, Level, SparseRelevance, sparse_relevance};
use serde_json::Value;

fn check_statistics(name: &str, relevance: &SparseRelevance, want: &Value) {
    let number = |key: &str| want[key].as_f64().unwrap();
    let same = |key: &str, got: usize| assert_eq!(got as f64, number(key), "{name}: {key}");
    let close = |key: &str, got: f64| {
        let want = number(key);
        assert!((got - want).abs() <= 1e-9 * want, "{name}: {key} is {got}, not {want}");
    };
    let cells = relevance.rows() * relevance.cols();
    assert_eq!(want["shape"], serde_json::json!([relevance.rows(), relevance.cols()]));
    same("nonzeros", relevance.non_zeros());
    same("ones", relevance.values().iter().filter(|&&value| value == 1.0).count());
    let sum: f64 = relevance.values().iter().sum();
    close("sum", sum);
    close("mean", sum / cells as f64);
    for (side, direction, matrix) in [("rows", "v2t", relevance), ("cols", "t2v", &relevance.transpose())] {
        let counts: Vec<usize> = (0..matrix.rows()).map(|i| matrix.row(i).0.len()).collect();
        let without_one = (0..matrix.rows()).filter(|&i| !matrix.row(i).1.contains(&1.0)).count();
        same(&format!("{side}_without_one"), without_one);
        same(&format!("{side}_all_zero"), counts.iter().filter(|&&count| count == 0).count());
        same(&format!("k_min_{direction}"), *counts.iter().min().unwrap());
        same(&format!("k_max_{direction}"), *counts.iter().max().unwrap());
    }
    // Values are keyed by their twelve leading digits.
    let key = |value: f64| format!("{:.12}", format!("{value:.11e}").parse::<f64>().unwrap());
    let mut values = BTreeMap::from([(key(0.0), cells - relevance.non_zeros())]);
    for &value in relevance.values() {
        *values.entry(key(value)).or_insert(0) += 1;
    }
    let want = want["values"].as_object().unwrap();
    let want =
        want.iter().map(|(value, count)| (key(value.parse().unwrap()), count.as_u64().unwrap() as usize)).collect();
    assert_eq!(values, want, "{name}");
}

/// Relevance statistics and the metrics of four similarities, at the tolerances of the fixture.
pub fn check(expected: &Value, folder: &Path) {
    let limits = Limits::default();
    let annotations = Annotations::open(&folder.join("EPIC_100_retrieval_test.csv"), &limits).unwrap();
    let sentences = folder.join("EPIC_100_retrieval_test_sentence.csv");
    let captions = annotations.open_captions(&sentences, &limits).unwrap();
    let videos = annotations.classes();
    let captions: Vec<_> = captions.into_iter().map(|row| videos[row].clone()).collect();
    let build = |level| sparse_relevance(&videos, &captions, level, EmptyUnion::Zero).unwrap();
    for (level, name) in [(Level::Verb, "verb"), (Level::Noun, "noun"), (Level::Action, "caption")] {
        check_statistics(name, &build(level), &expected["relevance_statistics"][name]);
    }
    let relevance = build(Level::Action);

    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| expected["similarity"][name].as_f64().unwrap());
    let wave = Matrix::from_fn(videos.len(), captions.len(), |i, j| {
        let (i, j) = (i as f64, j as f64);
        (a * i + b * j + c * i * j + d).sin()
    });
    let compare = |name: &str, similarity: &Matrix<f64>, want: &Value| {
        let report =
            evaluate(VideosByTexts::new(similarity.view()), &relevance, &GradedOptions::as_published()).unwrap();
        let tolerance = want["tolerance_abs"].as_f64().unwrap();
        let got = [
            ("ndcg_v2t", report.v2t.ndcg.mean),
            ("ndcg_t2v", report.t2v.ndcg.mean),
            ("ndcg_avg", report.ndcg_avg()),
            ("map_v2t", report.v2t.ap.as_ref().unwrap().mean),
            ("map_t2v", report.t2v.ap.as_ref().unwrap().mean),
            ("map_avg", report.map_avg().unwrap()),
        ];
        for (metric, got) in got {
            let want = want["expected"][metric].as_f64().unwrap();
            assert!((got - want).abs() <= tolerance, "{name}: {metric} is {got}, not {want}");
            println!("{name}: {metric} {got:.9}, expected {want}");
        }
        report
    };

    compare("procedural", &wave, expected);
    let mut similarity = wave.clone();
    similarity.as_mut_slice().iter_mut().for_each(|s| *s = (8.0 * *s).floor() / 8.0);
    compare("quantised", &similarity, &expected["variants"]["quantised"]);

    let mut similarity = wave;
    similarity.as_mut_slice().iter_mut().for_each(|s| *s *= 0.6);
    for i in 0..videos.len() {
        let (columns, values) = relevance.row(i);
        for (&column, &value) in columns.iter().zip(values) {
            similarity.row_mut(i)[column as usize] += value;
        }
    }
    compare("informed", &similarity, &expected["variants"]["informed"]);
    drop(similarity);
    compare("oracle", &relevance.to_dense(), &expected["variants"]["oracle"]);
}
