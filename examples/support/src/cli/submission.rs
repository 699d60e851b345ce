//! `submission`: the archive of predictions that the challenge on video retrieval takes.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};
use coembed::data::experts::{ChallengePhase, Submission, Submitted};
use miette::{IntoDiagnostic, Result};

use super::error::usage;
use super::{Tool, say};

/// The command of the papers on sets of experts.
pub const TOOL: Tool = Tool { command, run };

fn command() -> Command {
    let arg = |name: &'static str, published: &'static str, value, help: &'static str| {
        Arg::new(name).long(name).alias(published).value_name(value).help(help)
    };
    let file = |name, published, value, help| arg(name, published, value, help).value_parser(value_parser!(PathBuf));
    Command::new("submission")
        .about(
            "Check predictions of `eval --predictions` and pack them for the challenge of CVPR 2020 (docs/formats.md)",
        )
        .arg(
            Arg::new("predictions")
                .long("predictions")
                .value_name("DATASET=FILE")
                .action(ArgAction::Append)
                .value_parser(assignment)
                .help("Predictions of a data set; may be given for each"),
        )
        .arg(file(
            "predictions-path",
            "predictions_path",
            "FILE",
            "The published list of predictions: JSON, {data set: {phase: path of the CSV}}",
        ))
        .group(ArgGroup::new("given").args(["predictions", "predictions-path"]).required(true))
        .arg(
            arg("challenge-phase", "challenge_phase", "PHASE", "The part of the challenge")
                .value_parser(ChallengePhase::ALL.map(ChallengePhase::name))
                .default_value(ChallengePhase::default().name()),
        )
        .arg(
            file("dest-dir", "dest_dir", "DIR", "Folder of archives")
                .default_value("data/cvpr2020-challenge-submissions"),
        )
        .arg(
            Arg::new("validate")
                .long("validate")
                .value_name("BOOL")
                .default_value("true")
                .value_parser(BoolishValueParser::new())
                .help("Hold the files to what the challenge asks for; 0 packs them as they are"),
        )
        .arg(
            Arg::new("refresh")
                .long("refresh")
                .action(ArgAction::SetTrue)
                .help("Write an archive where there is one of this phase and these paths"),
        )
}

/// `DATASET=FILE`.
fn assignment(text: &str) -> Result<(String, PathBuf), &'static str> {
    let (dataset, file) = text.split_once('=').ok_or("DATASET=FILE expected")?;
    Ok((dataset.into(), file.into()))
}

fn run(given: &ArgMatches) -> Result<()> {
    let phase = given.get_one::<String>("challenge-phase").map_or(Ok(ChallengePhase::default()), |name| name.parse());
    let phase = phase.map_err(usage)?;
    let mut submission = match given.get_one::<PathBuf>("predictions-path") {
        Some(list) => Submission::read(phase, list).into_diagnostic()?,
        None => {
            let predictions = given.get_many::<(String, PathBuf)>("predictions").unwrap_or_default();
            Submission::new(phase, predictions.cloned()).map_err(usage)?
        }
    };
    submission.validate = given.get_one("validate").copied().unwrap_or(true);
    submission.refresh = given.get_flag("refresh");
    let folder = given.get_one::<PathBuf>("dest-dir").cloned().unwrap_or_default();
    match submission.write(&folder, SystemTime::now()).into_diagnostic()? {
        Submitted::Written(path) => say(format!("written: {}", path.display())),
        Submitted::Kept(path) => {
            say(format!("unchanged: {}; --refresh packs the files as they are now", path.display()));
        }
    }
    Ok(())
}
