//! One battery for every recipe: trained, stopped and killed, resumed, refused, summarised, tested. A new recipe is one line in `registry!`.

#[path = "run/toy.rs"]
mod toy;
#[path = "run/typed.rs"]
mod typed;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use coembed::data::Loaded;
use coembed::options::{Checked, Options};
use coembed::recipes::ce::{self, CollaborativeExpertsRecipe};
use coembed::recipes::relmargin::{self, CombFunc, ModelKind, RelMargin};
use coembed::recipes::tca::{self, TcaRecipe};
use coembed::run::{
    self, Deviation, Evaluation, Outcome, Part, Recipe, RunError, RunFolder, RunFolderError, Summary, Tested,
};
use coembed::train::{Checkpoint, Observer, Schedule};
use dfdx::prelude::Cpu;
use toy::{Toy, ToyOptions};
use typed::Typed;

/// Asks to stop after so many batches.
struct StopAfter<'a>(usize, &'a AtomicBool);

impl Observer for StopAfter<'_> {
    fn batch_ends(&mut self, _: usize, _: f64) {
        self.0 = self.0.saturating_sub(1);
        self.1.store(self.0 == 0, Ordering::Relaxed);
    }
}

/// A recipe with options and data.
struct Subject<R: Recipe> {
    recipe: R,
    options: Checked<R::Options>,
    data: PathBuf,
    /// Other options than those.
    other: Checked<R::Options>,
}

impl<R: Recipe> Subject<R> {
    fn loaded(&self) -> Loaded<R::Data> {
        self.recipe.load(&self.options, &self.data, Part::Training).unwrap()
    }

    /// Trains until `batches` more batches are done, from the state in the folder if there is one.
    fn train(&self, runs: &Path, batches: usize) -> Result<Outcome<R::Evaluation>, RunError<R::Error>> {
        self.train_on(&self.loaded(), &self.options, runs, batches)
    }

    fn train_on(
        &self,
        loaded: &Loaded<R::Data>,
        options: &Checked<R::Options>,
        runs: &Path,
        batches: usize,
    ) -> Result<Outcome<R::Evaluation>, RunError<R::Error>> {
        let stop = AtomicBool::new(false);
        let there = runs.join("run").join("config.ron").exists();
        let folder = |config: &str| match there {
            true => RunFolder::open(&runs.join("run")),
            false => RunFolder::create(runs, "run", config),
        };
        run::train(&self.recipe, options, loaded, &Cpu::default(), folder, &mut StopAfter(batches, &stop), &stop)
    }

    #[track_caller]
    fn finish(&self, runs: &Path) -> (Summary, R::Evaluation) {
        match self.train(runs, usize::MAX).unwrap() {
            Outcome::Done { summary, evaluation } => (*summary, evaluation),
            Outcome::Stopped { .. } => panic!("nobody asked to stop"),
        }
    }
}

/// Every file of a run with its contents; of logs, what does not tell the time.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        if path.is_dir() {
            files.extend(contents(&path).into_iter().map(|(file, bytes)| (format!("{name}/{file}"), bytes)));
        } else if name == "metrics.jsonl" {
            let timeless = |line: &str| {
                let mut line: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
                assert!(line.remove("seconds").is_some() && line.remove("steps_per_second").is_some());
                assert!(line.contains_key("learning_rate") && line.contains_key("step"));
                serde_json::to_string(&line).unwrap() + "\n"
            };
            let text: String = fs::read_to_string(&path).unwrap().lines().map(timeless).collect();
            files.insert(name, text.into_bytes());
        } else if name != ".lock" {
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}

#[track_caller]
fn same(a: &Path, b: &Path) {
    let (a, b) = (contents(a), contents(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in a {
        assert!(bytes == b[&name], "{name} differs");
    }
}

fn battery<R: Recipe>(name: &str, subject: Subject<R>) {
    if let Ok(folder) = std::env::var("RUN_BATTERY_CHILD") {
        // The process that is killed; its folder says which recipe it runs.
        subject.train(Path::new(&folder), usize::MAX).unwrap();
        return;
    }
    let whole = tempfile::tempdir().unwrap();
    let (summary, evaluation) = subject.finish(whole.path());
    let run = whole.path().join("run");

    // The summary is complete, and is what the file says.
    assert_eq!(Summary::read(&run.join("summary.json")).unwrap(), summary);
    assert_eq!(summary.recipe, subject.recipe.name());
    assert_eq!((summary.device.as_str(), summary.version.as_str()), ("Cpu", env!("CARGO_PKG_VERSION")));
    assert!(!summary.cpu.is_empty() && !summary.files_sha256.is_empty() && summary.parameters > 0);
    assert!(summary.effective_batch > 1 && summary.config == subject.options.to_ron());
    assert_eq!(fs::read_to_string(run.join("config.ron")).unwrap(), summary.config);
    let seeds: Vec<u64> = summary.seeds.iter().filter_map(|scores| scores.seed).collect();
    assert_eq!(seeds, subject.options.seeds());
    let last: BTreeMap<String, f64> = evaluation.scores().into_iter().collect();
    assert_eq!(summary.seeds.last().unwrap().scores, last);
    for (score, over) in &summary.scores {
        let values: Vec<f64> = summary.seeds.iter().map(|seed| seed.scores[score]).collect();
        assert!((over.mean - values.iter().sum::<f64>() / values.len() as f64).abs() < 1e-9, "{score}");
        let squares: f64 = values.iter().map(|value| (value - over.mean).powi(2)).sum();
        let divisor = match subject.recipe.deviation(score) {
            Deviation::Sample => values.len() - 1,
            Deviation::Population => values.len(),
        };
        let deviation = (values.len() > 1).then(|| (squares / divisor as f64).sqrt());
        assert!(over.deviation.map_or(deviation.is_none(), |got| (got - deviation.unwrap()).abs() < 1e-9), "{score}");
    }
    assert_eq!(summary.published.is_some(), summary.recipe == "toy", "the others' options are no published row's");
    for row in subject.recipe.rows().unwrap().rows.iter().filter(|row| summary.published.as_ref() == Some(&row.name)) {
        for (score, over) in &summary.scores {
            let published = (over.published.as_ref(), over.published_deviation.as_ref());
            assert_eq!(published, (row.scores.get(score), row.deviations.get(score)), "{score}");
        }
    }
    assert!(summary.to_string().contains(&summary.split));

    // Ranks of every query, and no gradient state in the best.
    let seed = run.join(format!("seed-{}", seeds.last().unwrap()));
    for (direction, ranks) in evaluation.ranks() {
        let file = coembed::formats::npy::from_path(&seed.join(format!("ranks_{direction}.npy")), &Default::default());
        let read = file.unwrap().to_f64_vec().unwrap();
        assert_eq!(read.len(), ranks.len());
        assert!(read.iter().zip(&ranks).all(|(a, b)| a == b || (a.is_nan() && b.is_nan())), "{direction}");
    }
    // Without a validation nothing is the best.
    let best = seed.join("best.safetensors");
    assert_eq!(best.exists(), subject.recipe.fit(&subject.options).select.is_some());
    let best = best.exists().then(|| Checkpoint::open(&best).unwrap());
    assert!(best.iter().all(|best| best.optimizer.is_empty() && best.task.is_empty()));

    // Testing what was saved gives the report of the training.
    let saved = match subject.recipe.tested(&subject.options) {
        Tested::Best => best.unwrap(),
        Tested::Last => Checkpoint::open(&seed.join("last.safetensors")).unwrap(),
    };
    let test = subject.recipe.load(&subject.options, &subject.data, Part::Test).unwrap();
    let epochs = Some(saved.progress.epochs);
    let (evaluated, again) =
        run::evaluate(&subject.recipe, &subject.options, &test, &Cpu::default(), &saved.model, epochs).unwrap();
    assert_eq!(again.scores(), evaluation.scores());
    assert_eq!(evaluated.seeds[0].scores, last);

    // Stopped in any batch and resumed as often as it takes: the same bytes.
    for batches in [1, 4] {
        let parts = tempfile::tempdir().unwrap();
        let mut stops = 0;
        while let Outcome::Stopped { folder } = subject.train(parts.path(), batches).unwrap() {
            assert_eq!(folder, parts.path().join("run"));
            stops += 1;
            assert!(stops < 200, "no progress");
        }
        assert!(stops > 2, "stopped {stops} times only");
        same(&run, &parts.path().join("run"));
    }

    // Killed, and resumed.
    let killed = tempfile::tempdir().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("RUN_BATTERY_CHILD", killed.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let (mut child, begun) = (child.unwrap(), Instant::now());
    let first = killed.path().join("run").join(format!("seed-{}", seeds[0])).join("last.safetensors");
    while !first.exists() && child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the run does not get going");
        std::thread::sleep(Duration::from_millis(1));
    }
    // SIGKILL: no handler runs.
    let _ = child.kill();
    child.wait().unwrap();
    fs::write(first.with_file_name("last.safetensors.1.tmp"), "half").unwrap();
    subject.finish(killed.path());
    same(&run, &killed.path().join("run"));

    // A run goes on with its own options and data alone, one process at a time.
    let mut other = subject.loaded();
    other.files[0].1 = "0".repeat(64);
    let refused = subject.train_on(&other, &subject.options, whole.path(), 1).err().unwrap();
    assert!(matches!(refused, RunError::OtherData { .. }), "{refused}");
    let young = tempfile::tempdir().unwrap();
    subject.train(young.path(), 1).unwrap();
    fs::remove_dir_all(young.path().join("run").join(format!("seed-{}", seeds[0]))).unwrap();
    let refused = subject.train_on(&other, &subject.options, young.path(), 1).err().unwrap();
    assert!(matches!(refused, RunError::OtherData { .. }), "without a checkpoint yet: {refused}");
    let refused = subject.train_on(&subject.loaded(), &subject.other, whole.path(), 1).err().unwrap();
    assert!(matches!(refused, RunError::OtherOptions { .. }), "{refused}");
    let held = RunFolder::open(&run).unwrap();
    let refused = subject.train(whole.path(), 1).err().unwrap();
    assert!(matches!(refused, RunError::Folder(RunFolderError::InUse { .. })), "{refused}");
    drop(held);
    let refused = RunFolder::create(whole.path(), "run", "").unwrap_err();
    assert!(matches!(refused, RunFolderError::HoldsRun { .. }), "{refused}");

    // A damaged or incomplete state is refused.
    let path = seed.join("last.safetensors");
    let good = Checkpoint::open(&path).unwrap();
    let mut state = good.clone();
    let entry = state.optimizer.keys().next().unwrap().clone();
    state.optimizer.remove(&entry);
    state.save(&path).unwrap();
    assert!(subject.train(whole.path(), 1).err().unwrap().to_string().contains(&entry));
    let mut state = good.clone();
    state.progress.epochs = 1_000_000_000_000_000_000;
    state.save(&path).unwrap();
    assert!(subject.train(whole.path(), 1).err().unwrap().to_string().contains("1000000000000000000 epochs"));
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() - 3;
    bytes[middle] ^= 4;
    fs::write(&path, bytes).unwrap();
    assert!(subject.train(whole.path(), 1).err().unwrap().to_string().contains("checksum"));

    // A wrong row is refused, with the nearest names.
    let rows = subject.recipe.rows().unwrap();
    let error = rows.checked("no-such-row").unwrap_err().to_string();
    assert!(error.starts_with("there is no row \"no-such-row\""), "{error}");
    if let Some(row) = rows.rows.first() {
        let error = rows.row(&row.name[..row.name.len() - 1]).unwrap_err().to_string();
        assert!(error.contains(&format!("nearest are {}", row.name)), "{error}");
    }
}

fn checked<O: Options>(options: O) -> Checked<O> {
    options.check().unwrap_or_else(|error| panic!("{error}"))
}

fn relevance_margin(model: ModelKind) -> Subject<RelMargin> {
    let jpose = model == ModelKind::Jpose;
    let options = relmargin::Options {
        model,
        all_noun_classes: true,
        rel_margin: true,
        comb_func: if jpose { CombFunc::Fc } else { CombFunc::Cat },
        schedule: Schedule::Cosine,
        embedding_size: 10,
        batch_size: 2,
        num_epochs: 4,
        triplet_sampling_rate: 2.try_into().unwrap(),
        checkpoint_rate: 2.try_into().unwrap(),
        seeds: vec![0, 3],
        ..relmargin::Options::default()
    };
    let other = relmargin::Options { margin: 0.5, ..options.clone() };
    let data = "tests/golden/relmargin/mini".into();
    Subject { recipe: RelMargin, options: checked(options), data, other: checked(other) }
}

fn collaborative_experts<R: Recipe<Options = ce::Options>>(recipe: R) -> Subject<R> {
    let options: ce::Options = coembed::options::read(Path::new("tests/data/ce_run/ce.ron")).unwrap();
    let options = ce::Options { seeds: vec![3, 4], save_only_best: false, ..options };
    let other = ce::Options { margin: 0.5, ..options.clone() };
    Subject { recipe, options: checked(options), data: "tests/data/ce_run".into(), other: checked(other) }
}

fn temporal_context_aggregation() -> Subject<TcaRecipe> {
    let options = tca::Options {
        pca_components: 8,
        output_dim: 8,
        padding_size: 6,
        random_sampling: true,
        neg_num: 2,
        batch_sz: 2,
        moco_k: 8,
        moco_m: 0.5,
        moco_t: 0.5,
        gamma: 8.0,
        epochs: 4,
        learning_rate: 1e-3,
        save_period: 2.try_into().unwrap(),
        seeds: vec![0, 3],
        ..tca::Options::default()
    };
    let other = tca::Options { margin: 0.5, ..options.clone() };
    Subject { recipe: TcaRecipe, options: checked(options), data: "tests/data/tca_run".into(), other: checked(other) }
}

macro_rules! registry {
    ($($name:ident: $subject:expr;)+) => {
        $(
            #[test]
            fn $name() {
                battery(stringify!($name), $subject);
            }
        )+
    };
}

registry! {
    toy_run: {
        let other = checked(ToyOptions { epochs: 5, ..ToyOptions::default() });
        Subject { recipe: Toy, options: checked(ToyOptions::default()), data: "random".into(), other }
    };
    jpose_run: relevance_margin(ModelKind::Jpose);
    mmen_run: relevance_margin(ModelKind::Mmen);
    collaborative_experts_run: collaborative_experts(CollaborativeExpertsRecipe::CollaborativeExperts);
    teachtext_run: collaborative_experts(CollaborativeExpertsRecipe::TeachText);
    typed_run: collaborative_experts(Typed);
    temporal_context_aggregation_run: temporal_context_aggregation();
}

#[test]
fn a_declared_set_of_experts_runs_as_the_same_list_does() {
    let [typed, listed] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    collaborative_experts(Typed).finish(typed.path());
    collaborative_experts(CollaborativeExpertsRecipe::CollaborativeExperts).finish(listed.path());
    same(&typed.path().join("run"), &listed.path().join("run"));
}
