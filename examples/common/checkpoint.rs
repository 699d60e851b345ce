//! The authors' checkpoints and ours.

use std::path::Path;

use coembed::formats::{pickle, torch};
use coembed::recipes::relmargin::Options;
use coembed::train::{Checkpoint, StateDict, from_torch};
use miette::{IntoDiagnostic, Result, WrapErr, miette};

use super::config;

/// What a checkpoint says.
pub struct Read {
    /// Options of its run.
    pub options: Options,
    /// Its tensors.
    pub parameters: StateDict,
    /// Epochs that it was trained for, where it says so.
    pub epochs: Option<usize>,
}

/// Reads one of the authors' checkpoints or of ours.
pub fn read(path: &Path) -> Result<Read> {
    if path.extension().is_some_and(|e| e == "safetensors") {
        let checkpoint = Checkpoint::open(path).into_diagnostic()?;
        let options: Options = config::parse(&path.display().to_string(), &checkpoint.config)?;
        options.check_model().into_diagnostic().wrap_err_with(|| path.display().to_string())?;
        return Ok(Read { options, parameters: checkpoint.model, epochs: Some(checkpoint.progress.epochs) });
    }
    let run = path.parent().and_then(Path::parent).ok_or_else(|| miette!("{} has no run folder", path.display()))?;
    let args = run.join("args.txt");
    let text = std::fs::read_to_string(&args).into_diagnostic().wrap_err_with(|| args.display().to_string())?;
    let (options, unknown) =
        Options::from_args_txt(&text).into_diagnostic().wrap_err_with(|| args.display().to_string())?;
    options.check_model().into_diagnostic().wrap_err_with(|| args.display().to_string())?;
    if !unknown.is_empty() {
        eprintln!("warning: {}: options without effect here: {}", args.display(), unknown.join(", "));
    }
    let checkpoint = torch::load(path, &pickle::Options::default()).into_diagnostic()?;
    let tensors = checkpoint.state_dict(None).into_diagnostic().wrap_err_with(|| path.display().to_string())?;
    let parameters = from_torch(&tensors).into_diagnostic().wrap_err_with(|| path.display().to_string())?;
    Ok(Read { options, parameters, epochs: None })
}
