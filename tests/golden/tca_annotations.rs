//! Temporal Context Aggregation: the evaluations on the real annotations, of similarities that are a formula.

use std::path::{Path, PathBuf};

use coembed::data::near_duplicate::evve::Evve;
use coembed::data::near_duplicate::fivr::{self, FivrFiles};
use coembed::data::near_duplicate::{RetrievalSet, activity_net, cc_web, evve, vcdb};
use coembed::formats::Limits;
use coembed::metrics::near_duplicate::{
    CcWebEvaluation, Collection, Evaluation, EvveEvaluation, FivrEvaluation, Options, Results,
};
use coembed::relevance::near_duplicate::{CcWebLabel, CcWebTruth, FivrLabel, FivrTask, FivrTruth};
use serde_json::Value;

use crate::support::{data_dir, golden_dir};

/// Values by name, and what is to be boosted: numbers of videos and how much.
type Values = Vec<(String, f64)>;
type Boosts = Vec<(u32, f64)>;

/// Evaluates all queries that a mode has: calls what it is given with the place of a query and its results.
type Feed<'f> = &'f mut dyn FnMut(&mut dyn FnMut(usize, &Results));

pub fn real_eval() {
    let Some(folder) = data_dir("tca") else { return };
    let text = std::fs::read_to_string(golden_dir().join("tca/real_eval.json")).unwrap();
    let fixture = Fixture(serde_json::from_str(&text).unwrap());
    fixture.cc_web(&folder);
    fixture.vcdb(&folder);
    fixture.evve(&folder);
    fixture.activity_net(&folder);
    fixture.fivr(&folder);
    let names = fixture.0["expected"].as_object().unwrap().keys();
    let known = ["cc_web_video", "vcdb", "evve", "activity_net", "fivr_5k", "fivr_200k"];
    assert!(names.into_iter().all(|name| known.contains(&name.as_str())), "a data set that is not compared");
    fivr_samples(&folder);
}

/// What was read of the two forms of a file.
fn both<T>(folder: &Path, pickle: &str, json: &str, load: impl Fn(&Path) -> T) -> [T; 2] {
    [pickle, json].map(|name| load(&folder.join(name)))
}

struct Fixture(Value);

impl Fixture {
    fn number(&self, path: &str) -> f64 {
        self.0.pointer(path).unwrap_or_else(|| panic!("no {path}")).as_f64().unwrap()
    }

    fn integer(&self, path: &str) -> usize {
        self.0.pointer(path).unwrap_or_else(|| panic!("no {path}")).as_u64().unwrap() as usize
    }

    /// Similarities of query `i` to all videos of the database.
    fn similarities(&self, i: usize, database: &[u32], boosts: &[f64]) -> Vec<f64> {
        let [a, b, c] = ["a", "b", "c"].map(|name| self.number(&format!("/procedure/{name}")));
        let [k, m] = ["k", "m"].map(|name| self.integer(&format!("/procedure/{name}")));
        let similarity = |(j, &video): (usize, &u32)| {
            let x = a * (i + 1) as f64 + b * (j + 1) as f64 + c * (((i + 1) * (j + k)) % m) as f64;
            x.sin() + boosts[video as usize]
        };
        database.iter().enumerate().map(similarity).collect()
    }

    /// Evaluates a data set in all modes and compares everything that is expected of it.
    fn check<T>(
        &self,
        name: &str,
        (set, own_is_ranked): (&RetrievalSet<T>, bool),
        boosts: impl Fn(usize) -> Boosts,
        evaluate: impl Fn(&Collection, Feed) -> Values,
    ) {
        let stride = self.integer(&format!("/query_stride/{name}"));
        for (mode, expected) in self.0["expected"][name].as_object().unwrap() {
            let missing = |i: usize, what: &str| {
                let of = |part: &str| self.integer(&format!("/procedure/miss_{what}_{part}"));
                mode == "missing" && i % of("mod") == of("rem")
            };
            assert!(["plain", "ties", "missing"].contains(&mode.as_str()), "{mode}");
            let found: Vec<usize> = (0..set.queries.len()).step_by(stride).filter(|&i| !missing(i, "q")).collect();
            let mut is_query = vec![false; set.ids.len()];
            found.iter().for_each(|&i| is_query[set.queries[i] as usize] = true);
            let mut has_results = vec![false; set.ids.len()];
            (0..).zip(&set.database).for_each(|(j, &video)| has_results[video as usize] = !missing(j, "db"));
            let collection = Collection::new(set.ids.len());
            let collection = collection.with_queries(&set.queries, |query| is_query[query as usize]).unwrap();
            let collection = collection.with_database(&set.database, |video| has_results[video as usize]).unwrap();

            let (mut results, mut probe) = (Results::new(set.ids.len()), None);
            let mut feed = |add: &mut dyn FnMut(usize, &Results)| {
                for &i in &found {
                    let mut boosted = vec![0.0; set.ids.len()];
                    boosts(i).into_iter().for_each(|(video, boost)| boosted[video as usize] = boost);
                    let mut similarities = self.similarities(i, &set.database, &boosted);
                    if mode == "ties" {
                        let quantum = self.number("/procedure/quantum");
                        similarities.iter_mut().for_each(|s| *s = (*s * quantum).floor() / quantum);
                    }
                    results.clear();
                    let all = set.database.iter().copied().zip(similarities);
                    let kept = all.filter(|(video, _)| {
                        has_results[*video as usize] && (own_is_ranked || *video != set.queries[i])
                    });
                    results.extend(kept).unwrap();
                    probe.get_or_insert_with(|| Probe::of(set, i, &results));
                    add(i, &results);
                }
            };
            let mut values = evaluate(&collection, &mut feed);
            let counts = collection.counts();
            assert_eq!(counts.queries.found, found.len());
            values.push(("n_queries".into(), found.len() as f64));
            values.push(("n_database".into(), counts.database.found as f64));
            self.compare(&format!("{name} {mode}"), expected, values, probe.unwrap());
        }
    }

    fn compare(&self, what: &str, expected: &Value, values: Values, probe: Probe) {
        let mut left: Vec<String> = leaves("", expected);
        let tolerance = self.number("/tolerance");
        let mut take = |name: &str| {
            let at = left.iter().position(|leaf| leaf == name);
            left.remove(at.unwrap_or_else(|| panic!("{what}: nothing expected of {name}")));
            expected.pointer(&format!("/{name}")).unwrap()
        };
        for (name, value) in values.into_iter().chain([("probe_sum_of_similarities".into(), probe.sum)]) {
            let wanted = take(&name).as_f64().unwrap();
            assert!((value - wanted).abs() <= tolerance, "{what}: {name}: got {value}, want {wanted}");
        }
        assert_eq!(take("probe_first_found_query"), &Value::String(probe.query), "{what}");
        assert_eq!(take("probe_best_video"), &Value::String(probe.best), "{what}");
        assert!(left.is_empty(), "{what}: not compared: {left:?}");
    }

    fn cc_web(&self, folder: &Path) {
        let load = |path: &Path| cc_web::load(path, &Limits::default()).unwrap().split;
        let [set, json] = both(folder, "cc_web_video.pickle.gz", "cc_web_video.json.gz", load);
        assert_eq!(set, json);
        let letters = [("E", CcWebLabel::Exact), ("S", CcWebLabel::Similar), ("V", CcWebLabel::Version)];
        let letters = letters.into_iter().chain([("M", CcWebLabel::MajorChange), ("L", CcWebLabel::Long)]);
        let boost: Vec<_> =
            letters.map(|(l, label)| (label, self.number(&format!("/boost/cc_web_video/{l}")))).collect();
        let of = |(video, label): &(u32, CcWebLabel)| {
            boost.iter().find(|(boosted, _)| boosted == label).map(|(_, boost)| (*video, *boost))
        };
        let boosts = |i: usize| set.truths[i].labels.iter().filter_map(of).collect();
        self.check("cc_web_video", (&set, true), boosts, |collection, feed| {
            let mut evaluation = CcWebEvaluation::new(collection, Options::cc_web_as_published());
            feed(&mut |i, results| {
                let truth: &CcWebTruth = &set.truths[i];
                evaluation.add(Some(set.queries[i]), truth, results).unwrap();
            });
            let report = evaluation.finish().unwrap();
            let values = [
                ("cc_web", report.cc_web),
                ("cc_web_star", report.cc_web_star),
                ("cc_web_clean", report.cc_web_clean),
                ("cc_web_star_clean", report.cc_web_star_clean),
            ];
            values.map(|(name, report)| (name.to_string(), report.ap.mean)).into()
        });
    }

    fn vcdb(&self, folder: &Path) {
        let load = |path: &Path| vcdb::load(path, &Limits::default()).unwrap().split;
        let [of_all, json] = both(folder, "vcdb.pickle.gz", "vcdb.json.gz", load);
        assert_eq!((&of_all.set, &of_all.negatives), (&json.set, &json.negatives));
        assert_eq!(of_all.pairs.len(), json.pairs.len());
        for (pair, rounded) in of_all.pairs.iter().zip(&json.pairs) {
            assert_eq!(pair.videos, rounded.videos);
            assert!(pair.overlap.iter().zip(rounded.overlap).all(|(share, rounded)| (share - rounded).abs() < 5.1e-7));
        }
        let set = &of_all.set;
        let boost = self.number("/boost/vcdb");
        let boosts = |i: usize| {
            let partners = set.truths[i].iter().filter(|video| **video != set.queries[i]);
            partners.map(|&video| (video, boost)).collect()
        };
        self.check("vcdb", (set, true), boosts, |collection, feed| {
            mean_average_precision(set, collection, Options::vcdb_as_published(), feed)
        });
    }

    fn evve(&self, folder: &Path) {
        let load = |path: &Path| evve::load(path, &Limits::default()).unwrap().split;
        let [of_all, json]: [Evve; 2] = both(folder, "evve.pickle", "evve.json.gz", load);
        assert_eq!(of_all, json);
        let boost = self.number("/boost/evve");
        let positives = |i: usize| &of_all.event_of(i).unwrap().positives;
        let boosts = |i: usize| positives(i).iter().map(|&video| (video, boost)).collect();
        self.check("evve", (&of_all.set, true), boosts, |collection, feed| {
            let options = Options::evve_as_published();
            let mut evaluation = EvveEvaluation::new(collection, of_all.events.len(), options);
            feed(&mut |i, results| {
                let own = Some(of_all.set.queries[i]);
                evaluation.add(of_all.set.truths[i], own, positives(i), results).unwrap();
            });
            let report = evaluation.finish().unwrap();
            let events = of_all.events.iter().zip(report.events);
            let mut values: Values =
                events.map(|(event, value)| (format!("events/{}", event.name), value.unwrap())).collect();
            values.push(("map".into(), report.all.ap.mean));
            values
        });
    }

    fn activity_net(&self, folder: &Path) {
        let load = |path: &Path| activity_net::load(path, &Limits::default()).unwrap().split;
        let [set, json] = both(folder, "activity_net.pickle", "activity_net.json.gz", load);
        assert_eq!(set, json);
        let boost = self.number("/boost/activity_net");
        let boosts = |i: usize| set.truths[i].iter().map(|&video| (video, boost)).collect();
        self.check("activity_net", (&set, false), boosts, |collection, feed| {
            mean_average_precision(&set, collection, Options::activity_net_as_published(), feed)
        });
    }

    fn fivr(&self, folder: &Path) {
        for version in ["5k", "200k"] {
            let set = fivr::load(&fivr_files(folder), version, &Limits::default()).unwrap().split;
            // The first that applies counts: the last that is set.
            let labels = &FivrLabel::ALL[..4];
            let boosts = |i: usize| {
                let of = |label: &FivrLabel| {
                    let boost = self.number(&format!("/boost/fivr/{}", label.name()));
                    set.truths[i].of(*label).iter().map(move |&video| (video, boost)).collect::<Boosts>()
                };
                labels.iter().rev().flat_map(of).collect()
            };
            self.check(&format!("fivr_{version}"), (&set, true), boosts, |collection, feed| {
                let (tasks, options) = (&FivrTask::VISUAL, Options::fivr_as_published());
                let mut evaluation = FivrEvaluation::new(collection, tasks, options);
                feed(&mut |i, results| evaluation.add(Some(set.queries[i]), &set.truths[i], results).unwrap());
                let tasks = evaluation.finish().into_iter();
                tasks.map(|of| (of.task.to_string().to_lowercase(), of.report.unwrap().ap.mean)).collect()
            });
        }
    }
}

fn mean_average_precision(
    set: &RetrievalSet<Vec<u32>>,
    collection: &Collection,
    options: Options,
    feed: Feed,
) -> Values {
    let mut evaluation = Evaluation::new(collection, options);
    feed(&mut |i, results| {
        evaluation.add(Some(set.queries[i]), &set.truths[i], results).unwrap();
    });
    vec![("map".into(), evaluation.finish().unwrap().ap.mean)]
}

/// What helps to find a mistake.
struct Probe {
    query: String,
    sum: f64,
    best: String,
}

impl Probe {
    fn of<T>(set: &RetrievalSet<T>, query: usize, results: &Results) -> Self {
        let id = |video: u32| set.ids.id(video).unwrap().to_string();
        let sum = results.iter().map(|(_, similarity)| similarity).sum();
        let better = |best: (u32, f64), next: (u32, f64)| if next.1 > best.1 { next } else { best };
        Self { query: id(set.queries[query]), sum, best: id(results.iter().reduce(better).unwrap().0) }
    }
}

/// Paths of the values of an object, by slashes.
fn leaves(path: &str, value: &Value) -> Vec<String> {
    match value.as_object() {
        Some(entries) => {
            let slash = if path.is_empty() { "" } else { "/" };
            entries.iter().flat_map(|(key, value)| leaves(&format!("{path}{slash}{key}"), value)).collect()
        }
        None => vec![path.into()],
    }
}

fn fivr_files(folder: &Path) -> FivrFiles {
    FivrFiles::Lists {
        annotation: folder.join("fivr_annotation.json.gz"),
        ids: folder.join("fivr_youtube_ids.txt.gz"),
        versions: vec![("5k".into(), folder.join("fivr_5k.json.gz"))],
    }
}

/// Small pickles of either protocol hold the lists of a JSON file.
fn fivr_samples(folder: &Path) {
    let sample: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("fivr_sample.json")).unwrap()).unwrap();
    let list =
        |name: &str| -> Vec<&str> { sample[name].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect() };
    let load = |path: PathBuf, version: &str| fivr::load(&FivrFiles::Pickle(path), version, &Limits::default());
    for protocol in [3, 4] {
        let path = folder.join(format!("fivr_sample_protocol{protocol}.pickle"));
        for version in ["5k", "200k"] {
            let set: RetrievalSet<FivrTruth> = load(path.clone(), version).unwrap().split;
            let ids =
                |videos: &[u32]| -> Vec<&str> { videos.iter().map(|&video| set.ids.id(video).unwrap()).collect() };
            assert_eq!(ids(&set.queries), list("queries"));
            let (mut database, mut expected) = (ids(&set.database), list("database"));
            database.sort_unstable();
            expected.sort_unstable();
            assert_eq!(database, expected);
            assert!(set.truths.iter().all(|truth| !truth.relevant(FivrTask::Isvr).is_empty()));
        }
        let error = load(path, "1m").unwrap_err().to_string();
        assert!(error.ends_with("FIVR version \"1m\" is not there; there is 5k, 200k"), "{error}");
    }
}
