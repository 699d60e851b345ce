//! `prepare`: the files of the relevance margin's data folder, from annotations and word vectors.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use coembed::data::relational::prepare::{
    Captions, Frame, FrameOptions, Layout, Parts, PrepareError, Report, Words, allwords, features, relational,
    relevancy, sentences,
};
use coembed::files::write_with;
use coembed::formats::Limits;
use coembed::formats::word2vec;
use coembed::train::{Purpose, rng};
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use rand::Rng;

use super::error::usage;
use super::{Tool, say, warn};

/// The subcommand.
pub const TOOL: Tool = Tool { command, run };

fn command() -> Command {
    let file = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help).value_parser(value_parser!(PathBuf))
    };
    let sub = |name: &'static str, about: &'static str| {
        Command::new(name)
            .about(about)
            .arg(
                Arg::new("frame")
                    .value_name("FRAME")
                    .required(true)
                    .value_parser(value_parser!(PathBuf))
                    .help("Annotated segments: a pickled data frame, or a CSV file of the same columns"),
            )
            .arg(file("out-dir", "DIR", "Folder to write to, which must exist").default_value("."))
    };
    let own_text = || {
        Arg::new("own-text").long("own-text").action(ArgAction::SetTrue).help(
            "epic: captions that are added for a class have their own text, not that of another segment as published",
        )
    };
    let layout = || {
        Arg::new("layout")
            .long("layout")
            .value_parser(["epic", "multi-vn"])
            .default_value("epic")
            .help("Layout of the annotations: that of EPIC-Kitchens-100, or lists of verbs and nouns (YouCook2)")
    };
    let parts = || {
        let part = |name: &'static str, no: &'static str, help: &'static str| {
            let given = Arg::new(name).long(name).action(ArgAction::SetTrue).overrides_with(no).hide(true);
            [given, Arg::new(no).long(no).action(ArgAction::SetTrue).overrides_with(name).help(help)]
        };
        [
            part("caption", "no-caption", "Without the file of captions"),
            part("verb", "no-verb", "Without the file of verbs"),
            part("noun", "no-noun", "Without the file of nouns"),
        ]
        .concat()
    };
    let no_class = || {
        let no = Arg::new("no-class").long("no-class").action(ArgAction::SetTrue).overrides_with("class");
        let class = Arg::new("class").long("class").action(ArgAction::SetTrue).overrides_with("no-class").hide(true);
        [no.help("epic: ids of words in the place of classes; files are called no-class_*"), class]
    };
    let captions =
        || file("sentence-dataframe", "FRAME", "A frame of captions in the place of the list made of the segments");
    let model = || {
        [
            file("model", "FILE", "Word vectors in the format of word2vec, .bin or .txt").required(true),
            Arg::new("seed")
                .long("seed")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .default_value("0")
                .help("Seed of the vectors of unknown words, which the published scripts draw without one"),
        ]
    };
    let subcommands = [
        sub("sentences", "The list of captions as a frame, sentence_FRAME (create_sentence_df; epic alone)").arg(own_text()),
        sub(
            "features",
            "Text features, {caption,verb,noun}_features_FRAME (create_feature_files; multi-vn: create_multiVNs_feature_files)",
        )
        .arg(layout())
        .args(model())
        .arg(own_text())
        .arg(captions())
        .args(parts())
        .args(no_class()),
        sub("allwords", "Vectors of all words of captions, caption_allwords_features_FRAME (create_allwords_feature_files)")
            .arg(layout())
            .args(model())
            .arg(own_text())
            .arg(captions())
            .args(parts())
            .args(no_class()),
        sub(
            "relational",
            "Relational dictionaries, {caption,verb,noun}_relational_FRAME (create_relational_files; multi-vn: create_multiVNs_relational_files)",
        )
        .arg(layout())
        .arg(captions())
        .args(parts())
        .args(no_class())
        .arg(
            Arg::new("all-noun-classes")
                .long("all-noun-classes")
                .action(ArgAction::SetTrue)
                .help("epic: {caption,noun}_allnouns_relational_FRAME, with the classes of all nouns; multi-vn never has others"),
        ),
        sub(
            "relevancy",
            "Relevance matrices, {caption,verb,noun}_prova_relevancy_FRAME (create_relevancy_files; multi-vn: create_multiVNs_relevancy_files)",
        )
        .arg(layout())
        .args(parts()),
    ];
    Command::new("prepare")
        .about("The files that training reads, from annotations and word vectors, as the published scripts make them")
        .after_help("docs/formats.md says where the files of training lie, and under which names.")
        .subcommand_required(true)
        .subcommands(subcommands)
}

fn run(given: &ArgMatches) -> Result<()> {
    let Some((what, given)) = given.subcommand() else { return Ok(()) };
    let flag = |name: &str| given.try_get_one::<bool>(name).ok().flatten().is_some_and(|set| *set);
    let path = |name: &str| given.try_get_one::<PathBuf>(name).ok().flatten();
    let folder = path("out-dir").cloned().unwrap_or_default();
    if !folder.is_dir() {
        return Err(miette!("--out-dir {}: there is no such folder", folder.display()));
    }
    let multi_vn = given.try_get_one::<String>("layout").ok().flatten().is_some_and(|layout| layout == "multi-vn");
    let layout = if multi_vn { Layout::VerbsAndNouns } else { Layout::Nouns };
    let parts = Parts { caption: !flag("no-caption"), verb: !flag("no-verb"), noun: !flag("no-noun") };
    let (no_class, all_nouns) = (flag("no-class"), flag("all-noun-classes"));
    for (name, set) in [("no-class", no_class), ("all-noun-classes", all_nouns)] {
        if set && multi_vn {
            return Err(usage(format!("--{name} is of the layout epic alone")));
        }
    }
    let limits = Limits::default();
    let options = FrameOptions {
        layout,
        no_class,
        own_text: flag("own-text"),
        by_narration_id: what == "sentences",
        limits: limits.clone(),
    };
    let frame = Frame::open(path("frame").map_or(Path::new(""), PathBuf::as_path), &options).into_diagnostic()?;
    let mut warnings = frame.warnings.clone();
    let captions = path("sentence-dataframe").filter(|_| !no_class);
    if no_class && path("sentence-dataframe").is_some() {
        warnings.push("--sentence-dataframe is without effect beside --no-class".into());
    }
    let wordings = |parts: Parts, warnings: &mut Vec<String>| {
        let wordings = match captions {
            Some(path) => Captions::open_wordings(path, layout, parts, &limits)?,
            None => Captions::wordings(&frame),
        };
        warnings.extend(wordings.warnings.iter().cloned());
        Ok::<_, PrepareError>(wordings)
    };
    let report = match what {
        "sentences" => sentences(&frame).into_diagnostic()?,
        "features" | "allwords" => {
            let model = word2vec::from_path(path("model").map_or(Path::new(""), PathBuf::as_path), &limits);
            let model = model.into_diagnostic()?;
            let seed = given.get_one("seed").copied().unwrap_or_default();
            let mut random = rng(seed, Purpose::Words, 0, 0);
            let mut words = Words::new(&model, |row| row.iter_mut().for_each(|value| *value = random.random()));
            let report = match what {
                "features" => {
                    let wordings = wordings(parts, &mut warnings).into_diagnostic()?;
                    features(&wordings, &mut words, parts).into_diagnostic()?.files(&frame)
                }
                _ if !parts.caption => Report::default(),
                _ => {
                    let parts = Parts { verb: false, noun: false, ..parts };
                    allwords(&frame, &wordings(parts, &mut warnings).into_diagnostic()?, &mut words)
                }
            };
            drawn(words.draws());
            report
        }
        "relational" => {
            let tags = match captions {
                Some(path) => Captions::open_tags(path, layout, &limits).into_diagnostic()?,
                None => Captions::tags(&frame),
            };
            warnings.extend(tags.warnings.iter().cloned());
            relational(&frame, &tags, parts, all_nouns).into_diagnostic()?
        }
        _ => relevancy(&frame, parts),
    };
    warnings.iter().chain(&report.warnings).for_each(|warning| warn(format!("warning: {warning}")));
    for file in &report.files {
        let path = folder.join(&file.name);
        write_with(&path, |out| file.write(out)).into_diagnostic().wrap_err_with(|| path.display().to_string())?;
        say(path.display());
    }
    if report.files.is_empty() {
        say("nothing to write");
    }
    Ok(())
}

/// Reports what random vectors stand for.
fn drawn(draws: &[Option<String>]) {
    let unknown: Vec<String> = draws.iter().flatten().map(|word| format!("{word:?}")).collect();
    say(format!(
        "{} unknown words with random vectors{}{}",
        unknown.len(),
        if unknown.is_empty() { "" } else { ": " },
        unknown.join(", ")
    ));
    let empty = draws.len() - unknown.len();
    if empty > 0 {
        say(format!("{empty} lists without words, each with a random vector of its own"));
    }
}
