//! The arguments, made of what a recipe says of itself.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use coembed::options::{Field, Options};
use coembed::run::Recipe;

/// A core has no use for more threads than a few.
pub const MOST_THREADS: i64 = 1024;

pub fn command<R: Recipe>(recipe: &R) -> Command {
    let options = || R::Options::FIELDS.iter().flat_map(option).chain(without_effect(recipe)).collect::<Vec<_>>();
    let demo = Command::new("demo").about("The comparison on built-in data (what happens without a subcommand)");
    let train = Command::new("train")
        .about("Train once for every seed, validate, and test on the test split")
        .arg(data())
        .arg(path("out-dir", "DIR", "Folder of runs").default_value("logs/runs"))
        .arg(text("name", "NAME", "Name of this run's folder [default: from the options]"))
        .arg(path(
            "resume",
            "RUN",
            "Folder of a run to go on with, with its options: the result is that of an uninterrupted one",
        ))
        .args(bases())
        .args(options());
    let validation = recipe.on_validation().map(|_| {
        let help = "Evaluate on the list that epochs are selected by, in place of that of the test";
        Arg::new("validation").long("validation").action(ArgAction::SetTrue).help(help)
    });
    let eval = Command::new("eval")
        .about("Evaluate a checkpoint: the authors' or ours (.safetensors)")
        .arg(Arg::new("checkpoint").required(true).value_parser(value_parser!(PathBuf)))
        .arg(data())
        .args(validation)
        .args(recipe.exports().into_iter().map(|export| path(export.name, "FILE", export.doc)))
        .args(bases())
        .args(options());
    let widths = recipe.widths().into_iter().map(|width| {
        let parser = value_parser!(u32).range(1..=1 << 24);
        Arg::new(width.name)
            .long(width.name)
            .help(width.doc)
            .value_parser(parser)
            .default_value(width.published.to_string())
    });
    let params = Command::new("params")
        .about("Number of parameters, without building the model")
        .args(widths)
        .args(bases())
        .args(options());
    let mut rows = Command::new("rows").about("The published rows with their scores").arg(path(
        "config",
        "FILE",
        "Another table of rows",
    ));
    if !recipe.links().is_empty() {
        let links = Arg::new("links").long("links").action(ArgAction::SetTrue);
        rows = rows.arg(links.help("The files that the authors publish, with their links (CSV)"));
    }
    let mut command = Command::new(recipe.name())
        .version(env!("CARGO_PKG_VERSION"))
        .about("Without a subcommand: a comparison on built-in data")
        .args(device())
        .subcommands([demo, train, eval, params, rows]);
    if recipe.importer().is_some() {
        let import = Command::new("import-config")
            .about("Turn one of the authors' JSON configurations into ours")
            .arg(Arg::new("json").required(true).value_parser(value_parser!(PathBuf)))
            .arg(
                path("root", "DIR", "Root of the authors' project, which paths in `inherit_from` are relative to")
                    .default_value("."),
            )
            .arg(
                Arg::new("repair")
                    .long("repair")
                    .action(ArgAction::SetTrue)
                    .help("Go on where the authors' program stops, and say where that is"),
            )
            .arg(path("out", "FILE", "Where to write [default: standard output]"));
        command = command.subcommand(import);
    }
    command
}

/// Those of a program that is nothing but its demonstration.
pub fn demo(name: &'static str) -> Command {
    Command::new(name).version(env!("CARGO_PKG_VERSION")).args(device())
}

/// Whether to compute on the GPU, where that is said.
pub fn gpu(given: &ArgMatches) -> Option<bool> {
    given.get_one::<bool>("gpu").copied()
}

fn path(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help).value_parser(value_parser!(PathBuf))
}

fn text(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// Where data are.
fn data() -> Arg {
    path(
        "data",
        "DIR",
        "Folder in the authors' layout (docs/formats.md) [default: the folder that the options name, or built-in data]",
    )
}

fn device() -> Vec<Arg> {
    let gpu = text("gpu", "BOOL", "Compute on the GPU [default: true in a build with the feature `cuda`]");
    let threads = text("threads", "N", "Threads on the CPU [default: one for each core]");
    let threads = threads.value_parser(value_parser!(u32).range(1..=MOST_THREADS));
    vec![gpu.value_parser(BoolishValueParser::new()).global(true), threads.global(true)]
}

/// Where options begin.
fn bases() -> Vec<Arg> {
    vec![
        path("config", "FILE", "Options in RON, or with --row a table of rows"),
        text("row", "ROW", "A row of the table, by default of the paper's own (see `rows`)"),
        text("set", "FIELD=VALUE", "Changes an option, as the field of a row does").action(ArgAction::Append),
    ]
}

/// The option of a field, and those that stand for its values.
fn option(field: &'static Field) -> Vec<Arg> {
    let help = field.doc.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let mut arg = Arg::new(field.name).long(field.name.replace('_', "-")).help(help.trim().to_string());
    arg = match field.kind {
        "bool" => arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOL"),
        _ => arg.value_name("VALUE").allow_negative_numbers(true),
    };
    if field.name.contains('_') {
        arg = arg.alias(field.name);
    }
    let mut args = vec![];
    for published in field.published {
        match published.value {
            None => arg = arg.visible_alias(published.name),
            Some(value) => {
                let flag = Arg::new(published.name).long(published.name.replace('_', "-")).action(ArgAction::SetTrue);
                args.push(flag.help(format!("--{} {value}", field.name.replace('_', "-"))));
            }
        }
    }
    args.push(arg);
    args
}

/// What the published programs accept without effect.
fn without_effect<R: Recipe>(recipe: &R) -> impl Iterator<Item = Arg> {
    let arg = |name: &&'static str| {
        Arg::new(*name).long(*name).num_args(0..=1).help("Accepted and without effect, as in the published program")
    };
    recipe.without_effect().iter().map(arg).collect::<Vec<_>>().into_iter()
}
