//! Every output of the `metric_*` and `relevance_*` fixtures of `tests/golden/relmargin`, made by the published programs.

use coembed::matrix::Matrix;
use coembed::metrics::graded::{self, GradedOptions};
use coembed::metrics::rank::{self, RankOptions};
use coembed::relevance::{ClassSet, Classes, EmptyUnion, Level, dense_relevance, sparse_relevance};
use safetensors::SafeTensors;

/// A fixture with its tensors widened to f64.
struct Fixture {
    bytes: Vec<u8>,
    tolerance: f64,
}

impl Fixture {
    fn open(name: &str) -> Self {
        let path = format!("{}/tests/golden/relmargin/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let tolerance = header.metadata().as_ref().unwrap()["tolerance"].parse().unwrap();
        Self { bytes, tolerance }
    }

    fn names(&self) -> Vec<String> {
        SafeTensors::deserialize(&self.bytes).unwrap().names().iter().map(|name| name.to_string()).collect()
    }

    /// Values, and the shape as rows and columns.
    fn get(&self, name: &str) -> Matrix<f64> {
        use safetensors::Dtype;
        let tensors = SafeTensors::deserialize(&self.bytes).unwrap();
        let tensor = tensors.tensor(name).unwrap();
        let data = tensor.data();
        let values: Vec<f64> = match tensor.dtype() {
            Dtype::F32 => data.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect(),
            Dtype::F64 => data.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
            Dtype::I64 => data.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b) as f64).collect(),
            Dtype::U8 => data.iter().map(|&b| f64::from(b)).collect(),
            other => panic!("{name}: {other:?}"),
        };
        let cols = if tensor.shape().len() == 2 { tensor.shape()[1] } else { 1 };
        let rows = values.len() / cols;
        Matrix::new(values, rows, cols).unwrap()
    }

    fn single(&self, name: &str) -> Matrix<f32> {
        let m = self.get(name);
        Matrix::from_fn(m.rows(), m.cols(), |i, j| m.row(i)[j] as f32)
    }

    fn class_sets(&self, name: &str) -> Vec<ClassSet> {
        let (ids, lengths) = (self.get(name), self.get(&format!("{name}_len")));
        (0..ids.rows())
            .map(|i| ids.row(i)[..lengths.as_slice()[i] as usize].iter().map(|&id| id as i64).collect())
            .collect()
    }

    fn check(&self, name: &str, got: &[f64]) {
        let want = self.get(name);
        let want = want.as_slice();
        assert_eq!(got.len(), want.len(), "{name}");
        let scale = want.iter().fold(0.01_f64, |m, x| m.max(x.abs()));
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            assert!((got - want).abs() <= self.tolerance * scale, "{name}[{i}]: {got} instead of {want}");
        }
    }

    /// Checks every `output.*` tensor against the named values; none may be left over on either side.
    fn check_all(&self, got: &[(String, Vec<f64>)]) {
        let outputs = self.names().iter().filter(|name| name.starts_with("output.")).count();
        assert_eq!(outputs, got.len());
        for (name, values) in got {
            self.check(&format!("output.{name}"), values);
        }
    }
}

#[test]
fn graded_metrics() {
    let cases =
        ["random", "ties", "constant", "negative_zero", "all_relevant", "no_relevant", "single_item", "single_column"];
    for case in cases {
        let fixture = Fixture::open(&format!("metric_{case}"));
        let (s, r) = (fixture.single("input.sim"), fixture.get("input.rel"));
        let report = graded::evaluate(s.view(), &r, &GradedOptions::as_published()).unwrap();
        let mut got =
            vec![("ndcg_avg".to_owned(), vec![report.ndcg_avg()]), ("map_avg".to_owned(), vec![report.map_avg()])];
        for (direction, scores, items) in [("v2t", &report.v2t, s.cols()), ("t2v", &report.t2v, s.rows())] {
            // One indicator per rank: 1 for the first K_i ranks.
            let ranks = |&k: &usize| (0..items).map(move |rank| f64::from(rank < k));
            let named = [
                ("k_counts", scores.relevant.iter().flat_map(ranks).collect()),
                ("dcg", scores.dcg.clone()),
                ("idcg", scores.idcg.clone()),
                ("ndcg_per_query", scores.ndcg.values.clone()),
                ("ndcg", vec![scores.ndcg.mean]),
                ("ap_per_query", scores.ap.values.clone()),
                ("map", vec![scores.ap.mean]),
            ];
            got.extend(named.map(|(name, values)| (format!("{name}_{direction}"), values)));
        }
        fixture.check_all(&got);
    }
}

#[test]
fn recall() {
    let fixture = Fixture::open("metric_recall");
    let (s, mask) = (fixture.single("input.scores"), fixture.get("input.gt_mask"));
    let truths: Vec<Vec<usize>> =
        (0..s.rows()).map(|i| (0..s.cols()).filter(|&j| mask.row(i)[j] == 1.0).collect()).collect();
    let report = rank::evaluate(s.view(), &truths, &RankOptions::as_published()).unwrap();
    let mut got = vec![("rsum".to_owned(), vec![report.rsum()])];
    for (prefix, scores) in [("c", &report.v2t), ("i", &report.t2v)] {
        let named = [
            ("r1", scores.r1),
            ("r5", scores.r5),
            ("r10", scores.r10),
            ("medr", scores.median),
            ("meanr", scores.mean),
        ];
        got.extend(named.map(|(name, value)| (format!("{prefix}{name}"), vec![value])));
    }
    fixture.check_all(&got);
}

#[test]
fn relevance_pairs() {
    let fixture = Fixture::open("relevance_pairs");
    let side = |side: &str| -> Vec<Classes> {
        let verbs = fixture.class_sets(&format!("input.{side}_verbs"));
        let nouns = fixture.class_sets(&format!("input.{side}_nouns"));
        let classes: Vec<Classes> =
            verbs.into_iter().zip(nouns).map(|(verbs, nouns)| Classes { verbs, nouns }).collect();
        let (_, header) = SafeTensors::read_metadata(&fixture.bytes).unwrap();
        let strings = &header.metadata().as_ref().unwrap()[&format!("{side}_strings")];
        let strings: Vec<String> = serde_json::from_str(strings).unwrap();
        let parsed: Vec<Classes> = strings.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(classes, parsed);
        classes
    };
    let (x, y) = (side("x"), side("y"));
    let pairs = |f: &dyn Fn(&Classes, &Classes) -> f64| x.iter().zip(&y).map(|(a, b)| f(a, b)).collect::<Vec<f64>>();
    let mut got = Vec::new();
    let levels = [
        (Level::Caption, "relevance", "action"),
        (Level::Verb, "verb_relevance", "verb"),
        (Level::Noun, "noun_relevance", "noun"),
    ];
    for (level, name, margin) in levels {
        use coembed::relevance::{margin as margin_of, margin_relevance};
        got.push((name.to_owned(), pairs(&|a, b| margin_relevance(a, b, level, EmptyUnion::Zero))));
        let margins = pairs(&|a, b| f64::from(margin_of(a, b, level, EmptyUnion::Zero)));
        got.push((format!("margin_{margin}"), margins));
    }
    fixture.check_all(&got);
}

fn check_matrices(fixture: &Fixture, rows: &[Classes], columns: &[Classes], with_proxy: bool) {
    let mut got = Vec::new();
    let levels = [(Level::Verb, "verb"), (Level::Noun, "noun"), (Level::Caption, "caption")];
    for (level, name) in levels {
        let dense = sparse_relevance(rows, columns, level, EmptyUnion::Zero).unwrap().to_dense();
        assert_eq!(dense, dense_relevance(rows, columns, level, EmptyUnion::Zero));
        got.push((format!("{name}_relevancy"), dense.into_vec()));
    }
    if with_proxy {
        got.push(("syn_proxy".to_owned(), got[2].1.clone()));
    }
    fixture.check_all(&got);
    // Fully relevant is exactly 1 in both.
    let ones = |values: &[f64]| values.iter().map(|&x| x == 1.0).collect::<Vec<bool>>();
    assert_eq!(ones(&got[2].1), ones(fixture.get("output.caption_relevancy").as_slice()));
}

#[test]
fn relevance_matrix_epic() {
    let fixture = Fixture::open("relevance_matrix_epic");
    let side = |side: &str| -> Vec<Classes> {
        let verbs = fixture.get(&format!("input.{side}_verb"));
        let nouns = fixture.class_sets(&format!("input.{side}_nouns"));
        let verb = |&id: &f64| [id as i64].into_iter().collect();
        verbs.as_slice().iter().zip(nouns).map(|(id, nouns)| Classes { verbs: verb(id), nouns }).collect()
    };
    check_matrices(&fixture, &side("video"), &side("sentence"), false);
}

#[test]
fn relevance_matrix_multi_verb() {
    let fixture = Fixture::open("relevance_matrix_multi_verb");
    let side = |side: &str| -> Vec<Classes> {
        let verbs = fixture.class_sets(&format!("input.{side}_verbs"));
        let nouns = fixture.class_sets(&format!("input.{side}_nouns"));
        verbs.into_iter().zip(nouns).map(|(verbs, nouns)| Classes { verbs, nouns }).collect()
    };
    check_matrices(&fixture, &side("video"), &side("sentence"), true);
}
