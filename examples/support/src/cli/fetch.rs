//! `fetch`: published archives of features, unpacked into the layout that `--data` takes.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use coembed::data::experts::{
    FeatureArchive, Fetch, FetchLimits, FetchProgress, Fetched, Release, UnpackLimits, Unpacked,
};
use indicatif::{ProgressBar, ProgressStyle};
use miette::{IntoDiagnostic, Result};

use super::error::usage;
use super::{Tool, say};

/// The command of the papers on sets of experts.
pub const TOOL: Tool = Tool { command, run };

fn command() -> Command {
    let limits = UnpackLimits::default();
    let arg = |name: &'static str, value| Arg::new(name).long(name).value_name(value);
    Command::new("fetch")
        .about("Fetch a published archive of features, check its sum, and unpack it (docs/formats.md)")
        .after_help(published())
        .arg(arg("dataset", "NAME").required(true).help("Data set, by its name in the published script"))
        .arg(arg("release", "NAME").default_value(Release::default().name()).help("Release of the features"))
        .arg(
            arg("root", "DIR")
                .default_value(".")
                .value_parser(value_parser!(PathBuf))
                .help("Folder of the project, in which data/NAME is made"),
        )
        .arg(
            arg("from", "URL")
                .visible_aliases(["root-url", "root_url"])
                .help("Another root of the addresses [default: the published one of the release]"),
        )
        .arg(arg("access-code", "CODE").alias("access_code").help("The code that the owners of LSMDC give out"))
        .arg(arg("dry-run", "").action(ArgAction::SetTrue).help("Only say what would be fetched, and where to"))
        .arg(arg("keep-archive", "").action(ArgAction::SetTrue).help("Keep the archive after it was unpacked"))
        .arg(
            arg("max-bytes", "N")
                .default_value(limits.bytes.to_string())
                .value_parser(value_parser!(u64))
                .help("Most bytes that are unpacked"),
        )
        .arg(
            arg("max-members", "N")
                .default_value(limits.members.to_string())
                .value_parser(value_parser!(u32))
                .help("Most members and folders that are unpacked"),
        )
}

/// Which data sets there are of each release.
fn published() -> String {
    let mut lines: Vec<(Release, String)> = vec![];
    for (dataset, release) in FeatureArchive::all() {
        match lines.iter_mut().find(|(known, _)| *known == release) {
            Some((_, line)) => line.push_str(&format!(", {dataset}")),
            None => lines.push((release, format!("  {}: {dataset}", release.name()))),
        }
    }
    let lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
    format!("Published:\n{}", lines.join("\n"))
}

fn run(given: &ArgMatches) -> Result<()> {
    let text = |name| given.get_one::<String>(name).map(String::as_str);
    let release = text("release").unwrap_or_default().parse().map_err(usage)?;
    let archive = FeatureArchive::new(text("dataset").unwrap_or_default(), release, text("access-code"));
    let root = given.get_one::<PathBuf>("root").cloned().unwrap_or_default();
    let mut fetch = Fetch::new(archive.map_err(usage)?, &root, text("from")).map_err(usage)?;
    fetch.keep_archive = given.get_flag("keep-archive");
    say(&fetch);
    if given.get_flag("dry-run") {
        return Ok(());
    }
    let mut limits = FetchLimits::default();
    limits.unpack.bytes = given.get_one("max-bytes").copied().unwrap_or(limits.unpack.bytes);
    limits.unpack.members = given.get_one("max-members").copied().unwrap_or(limits.unpack.members);
    let bar = Bar::new();
    let fetched = fetch.run(limits, |progress| bar.show(progress)).into_diagnostic()?;
    bar.0.finish_and_clear();
    match fetched {
        Fetched::Before => say("it had been unpacked before"),
        Fetched::Unpacked(Unpacked { sum, files, bytes }, kept) => {
            let published = if fetch.archive().sums().is_empty() { "none is published" } else { "as published" };
            say(format!("unpacked {files} files, {bytes} bytes; SHA-1 {sum}, {published}"));
            kept.iter().for_each(|path| say(format!("the archive is kept: {}", path.display())));
        }
    }
    Ok(())
}

/// Bytes that have come, then those that were unpacked; nothing where there is no terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{wide_msg} {bar:30} {bytes}/{total_bytes} {eta}");
        Self(ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    fn show(&self, progress: FetchProgress<'_>) {
        match progress {
            FetchProgress::Received(there, all) => {
                self.0.set_message("fetching");
                self.0.set_length(all.unwrap_or(there));
                self.0.set_position(there);
            }
            FetchProgress::Unpacking(member, bytes) => {
                self.0.set_message(format!("unpacking {member:?}"));
                self.0.set_length(bytes);
                self.0.set_position(bytes);
            }
        }
    }
}
