//! Stopping in the middle of an epoch and going on gives the run that was never stopped.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use coembed::data::epic100::{self, EvalSplitName};
use coembed::data::relational::FolderOptions;
use coembed::recipes::relmargin::{JposeModel, Options, RelMarginModel, RelMarginTask};
use coembed::train::{Checkpoint, Fit, Observer, Progress, Purpose, Schedule, Sgd, SgdConfig, load, rng};
use dfdx::prelude::Cpu;

/// Asks to stop after so many batches.
struct StopAfter<'a>(usize, &'a AtomicBool);

impl Observer for StopAfter<'_> {
    fn batch_ends(&mut self, _: usize, _: f64) {
        self.0 = self.0.saturating_sub(1);
        self.1.store(self.0 == 0, Ordering::Relaxed);
    }
}

/// Trains until `batches` more batches are done, from the state in `folder` if there is one.
fn train(folder: &Path, batches: usize) -> Progress {
    let options = Options {
        all_noun_classes: true,
        rel_margin: true,
        comb_func: coembed::recipes::relmargin::CombFunc::Fc,
        schedule: Schedule::Cosine,
        embedding_size: 10,
        batch_size: 2,
        num_epochs: 5,
        triplet_sampling_rate: 2,
        ..Options::default()
    };
    let (mini, device) = (Path::new("tests/golden/relmargin/mini"), Cpu::default());
    let from = FolderOptions { all_noun_classes: true, ..FolderOptions::default() };
    let data = epic100::load_train(mini, &from, &mut rng(0, Purpose::Classes, 0, 0)).unwrap().split;
    let validation = epic100::load_eval(mini, EvalSplitName::Validation, &from).unwrap().split;
    let mut task = RelMarginTask::<JposeModel<Cpu>, Cpu>::new(&options, &device, &data, &validation).unwrap();
    let mut model = JposeModel::<Cpu>::fresh(&options, 22, 14, &device).unwrap();
    let mut optimizer = Sgd::new(SgdConfig::default());
    let mut progress = Progress::default();
    if let Ok(state) = Checkpoint::open(&folder.join("last.safetensors")) {
        assert!(load(&mut model, &state.model).unwrap().is_complete());
        optimizer.restore(&device, state.optimizer).unwrap();
        progress = state.progress;
    }
    let stop = AtomicBool::new(false);
    let fit = Fit {
        epochs: options.num_epochs,
        folder: Some(folder.into()),
        schedule: options.schedule,
        select: Some("action/nDCG/avg".into()),
        ..Fit::default()
    };
    fit.run(&mut task, &mut model, &mut optimizer, progress, &mut StopAfter(batches, &stop), &stop).unwrap()
}

#[test]
fn a_run_stopped_anywhere_goes_on_to_the_same_bits() {
    let whole = tempfile::tempdir().unwrap();
    assert_eq!(train(whole.path(), usize::MAX).epochs, 5);
    for batches in [1, 2, 4] {
        let parts = tempfile::tempdir().unwrap();
        let mut stops = 0;
        while train(parts.path(), batches).epochs < 5 {
            stops += 1;
            assert!(stops < 20, "no progress");
        }
        assert!(stops > 2, "stopped {stops} times only");
        for file in ["last.safetensors", "best.safetensors", "metrics.jsonl"] {
            let read = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
            assert!(read(whole.path()) == read(parts.path()), "{file} differs after {stops} stops");
        }
    }
}
