//! `docs/from-the-published-code.md` against the programs: what it says to type is taken, and no published option that they know is left out.
//!
//! In a table's last column code that begins with a program's name is a command line, code that begins with `--` is an option of the program that
//! the section's heading names, and where that column is called `option here` any other word in code is an option of a configuration. Lines that
//! begin with `Only here` are read like it. The first column has the published names.

#[path = "support/program.rs"]
mod program;

use std::collections::BTreeSet;
use std::process::Command;

use coembed::options::{Field, Options as _};
use coembed::recipes::ce::{self, CollaborativeExpertsRecipe};
use coembed::recipes::relmargin::{self, RelMargin};
use coembed::recipes::tca::{self, TcaRecipe};
use coembed::run::Recipe;
use program::program;
use serde_json::Value;

const PAGE: &str = include_str!("../docs/from-the-published-code.md");
const IMPORT: &str = concat!(
    include_str!("../src/recipes/ce/import/mod.rs"),
    include_str!("../src/recipes/ce/import/experts.rs"),
    include_str!("../src/recipes/ce/import/training.rs"),
);
const ARGS_TXT: &str = include_str!("../src/recipes/relmargin/args_txt.rs");

const COMMANDS: &str = "train,eval,params,rows,import-config,fetch,submission,prepare features,prepare relational,prepare relevancy,prepare sentences";

/// A row of a table, or a line of what is only here.
struct Line {
    program: &'static str,
    published: Vec<&'static str>,
    here: Vec<&'static str>,
    options: bool,
}

fn code(text: &'static str) -> Vec<&'static str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn lines() -> Vec<Line> {
    let (mut lines, mut program, mut options) = (vec![], "", false);
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            program = code(heading).first().copied().unwrap_or_default();
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match cells[..] {
            ["", "published" | "published key", _, last, ""] => options = last == "option here",
            ["", first, _, here, ""] => lines.push(Line { program, published: code(first), here: code(here), options }),
            [only] if only.starts_with("Only here") => {
                lines.push(Line { program, published: vec![], here: code(only), options: false })
            }
            _ => assert!(!line.starts_with('|'), "a row of another number of columns: {line}"),
        }
    }
    lines
}

/// What the program says to a command line, up to running it: nothing if it takes it. Text in single quotes is one argument.
fn refused(line: &str) -> Option<String> {
    let parts = line.split('\'').enumerate();
    let mut words = parts.flat_map(|(n, part)| if n % 2 == 1 { vec![part] } else { part.split_whitespace().collect() });
    let output = Command::new(program(words.next()?)).args(words).arg("--help").output().unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

fn is_option(program: &str, option: &str) -> bool {
    let of = |command| refused(&format!("{program} {command} {option}"));
    COMMANDS.split(',').any(|command| of(command).is_none_or(|said| said.contains("a value is required")))
}

/// Names of all options of a configuration, those inside others too.
fn keys(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| {
            into.insert(key.clone());
            keys(value, into);
        }),
        Value::Array(items) => items.iter().for_each(|item| keys(item, into)),
        _ => {}
    }
}

#[test]
fn what_the_page_says_to_type_is_taken() {
    let mut known = BTreeSet::new();
    let [experts, teachtext] =
        [CollaborativeExpertsRecipe::CollaborativeExperts, CollaborativeExpertsRecipe::TeachText];
    let (experts, teachtext, margin) = (experts.rows().unwrap(), teachtext.rows().unwrap(), RelMargin.rows().unwrap());
    let rows = experts.rows.iter().chain(&teachtext.rows).map(|row| row.name.as_str());
    let rows = rows.chain(margin.rows.iter().map(|row| row.name.as_str()));
    let videos = TcaRecipe.rows().unwrap();
    let rows: BTreeSet<&str> = rows.chain(videos.rows.iter().map(|row| row.name.as_str())).collect();
    keys(&serde_json::to_value(experts.options("msrvtt-train-full-ce").unwrap()).unwrap(), &mut known);
    known.extend(published(ce::Options::FIELDS));
    let (mut wrong, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for Line { program, here, options, .. } in lines() {
        for code in here.into_iter().filter(|code| seen.insert((program, options, *code))) {
            let word = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
            let row = code.split_once("--row ").and_then(|(_, row)| row.split(' ').next());
            let is_known = |part: &str| part == "NAME" || known.contains(part);
            let taken = match code.split(' ').next() {
                Some("ce" | "teachtext" | "jpose_relmargin" | "tca") => refused(code).is_none(),
                Some(flag) if flag.starts_with("--") => is_option(program, code),
                _ => !options || !code.chars().all(word) || code.split('.').all(is_known),
            };
            if !taken || row.is_some_and(|row| !rows.contains(row)) {
                wrong.insert(format!("{program}: `{code}`"));
            }
        }
    }
    assert!(seen.len() > 200, "the tables are not found");
    assert!(wrong.is_empty(), "the page names what no program takes: {wrong:#?}");
}

/// Names of options in published programs.
fn published(fields: &[Field]) -> Vec<String> {
    fields.iter().flat_map(|field| field.published).map(|published| published.name.to_string()).collect()
}

/// Names as they stand in a configuration, each part of a path.
fn names<'a>(code: impl IntoIterator<Item = &'a &'static str>) -> BTreeSet<String> {
    let words = code.into_iter().flat_map(|code| code.split([' ', '.', '=', ':']));
    words.map(|word| word.trim_start_matches('-').replace('-', "_")).collect()
}

/// Texts of a source file that are keys of published configurations: what its readers of entries are asked for, and its lists of names.
fn keys_of(source: &'static str) -> BTreeSet<String> {
    const READERS: &str = "section section_or_false string optional_string flag flag_or number float optional names pair error contains_key remove has";
    let pieces: Vec<&str> = source.split("#[cfg(test)]").next().unwrap_or_default().split('"').collect();
    let (mut found, mut list) = (BTreeSet::new(), false);
    for pair in pieces.chunks_exact(2) {
        let before = pair[0].trim_end();
        list = before.ends_with("= [") || before.ends_with("&[") || (list && before == ",");
        let reader = before.strip_suffix('(').and_then(|call| call.rsplit(['.', ' ']).next());
        let read = reader.is_some_and(|reader| READERS.split(' ').any(|known| known == reader));
        if (list || read || before.ends_with("&mut args,")) && !pair[1].contains([' ', '(']) {
            found.insert(pair[1].replace('-', "_"));
        }
    }
    found
}

#[test]
fn no_published_option_is_left_out() {
    let fields =
        [(relmargin::Options::FIELDS, "jpose_relmargin"), (ce::Options::FIELDS, "ce"), (tca::Options::FIELDS, "tca")];
    let without_effect = RelMargin.without_effect().iter().map(|name| name.replace('-', "_"));
    // `args.txt` has the options under their names.
    let of_args = relmargin::Options::FIELDS.iter().map(|field| field.name.to_string());
    let (args, import) = (keys_of(ARGS_TXT).into_iter().chain(without_effect).chain(of_args), keys_of(IMPORT));
    assert!(import.len() > 100 && import.contains("aggregate_axis") && import.contains("geometric_mlp"), "{import:?}");
    let of_videos = TcaRecipe.without_effect().iter().map(|name| name.replace('-', "_")).collect();
    let mut missing = BTreeSet::new();
    for ((fields, program), listed) in fields.into_iter().zip([args.collect(), import, of_videos]) {
        let lines: Vec<Line> = lines().into_iter().filter(|line| line.program == program).collect();
        let first = names(lines.iter().flat_map(|line| &line.published));
        let here = names(lines.iter().flat_map(|line| &line.here));
        let own = names(lines.iter().filter(|line| line.published.is_empty()).flat_map(|line| &line.here));
        let stated =
            published(fields).into_iter().chain(listed).filter(|name| !first.contains(name) && !own.contains(name));
        missing.extend(stated.map(|name| format!("{program}: the published {name}")));
        let unnamed = fields.iter().filter(|field| !here.contains(field.name));
        missing.extend(unnamed.map(|field| format!("{program}: our option {}", field.name)));
    }
    assert!(missing.is_empty(), "the page has no line for: {missing:#?}");
}
