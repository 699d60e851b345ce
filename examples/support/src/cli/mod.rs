//! One command line for every paper: `train`, `eval`, `params`, `rows`, `import-config`, the tools of
//! a family, and the demonstration without any of them.

mod args;
mod error;
pub mod fetch;
mod options;
pub mod prepare;
mod stop;
pub mod submission;

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::{ArgMatches, Command};
use coembed::data::Loaded;
use coembed::digest;
use coembed::files::write_atomically;
use coembed::ops::OpsDevice;
use coembed::options::{Checked, Options};
use coembed::run::{self, Evaluation, Job, Outcome, Part, Recipe, RunFolder, on_device};
use coembed::train::{Checkpoint, StateDict};
use miette::{IntoDiagnostic, Result, WrapErr, miette};

use crate::progress::Bar;
use error::{config_report, is_usage, once, usage};
use stop::Stop;

/// Splits that an example brings: what `train` and `eval` take without `--data`.
pub struct BuiltIn<R: Recipe> {
    /// The option that names a data set, which these stand in for.
    pub replaces: &'static str,
    /// What the options are for these splits.
    pub adapt: fn(&mut R::Options),
    /// Makes the splits.
    pub load: fn(&R::Options) -> Result<Loaded<R::Data>>,
}

/// A demonstration, told whether to compute on the GPU.
pub type Demo = Box<dyn FnOnce(Option<bool>) -> Result<()>>;

/// A job as a demonstration.
pub fn boxed(job: impl Job<Output = Result<()>> + 'static) -> Demo {
    Box::new(|gpu| on_device(gpu, job).into_diagnostic()?)
}

/// A command of some papers, beside those that every paper has.
pub struct Tool {
    /// Its name, help and arguments.
    pub command: fn() -> Command,
    /// What it does.
    pub run: fn(&ArgMatches) -> Result<()>,
}

/// Runs what the command line asks for; `demo` without a subcommand.
pub fn main<R: Recipe>(
    recipe: R,
    arguments: Vec<OsString>,
    built_in: Option<BuiltIn<R>>,
    tools: &[Tool],
    demo: Demo,
) -> ExitCode {
    let stop = Stop::default();
    let commands = tools.iter().map(|tool| (tool.command)());
    let matches = args::command(&recipe).subcommands(commands).get_matches_from(arguments);
    let program = Program { recipe: &recipe, built_in, stop: &stop };
    begin(&stop, &matches, || match matches.subcommand() {
        Some(("train", given)) => on_device(args::gpu(given), Train { program, given }).into_diagnostic()?,
        Some(("eval", given)) => on_device(args::gpu(given), Eval { program, given }).into_diagnostic()?,
        Some(("params", given)) => params(&recipe, given),
        Some(("rows", given)) => rows(&recipe, given),
        Some(("import-config", given)) => import(&recipe, given),
        Some((name, given)) => match tools.iter().find(|tool| (tool.command)().get_name() == name) {
            Some(tool) => (tool.run)(given),
            None => demo(args::gpu(given)),
        },
        None => demo(args::gpu(&matches)),
    })
}

/// Runs a program that is nothing but its demonstration.
pub fn demo(name: &'static str, demo: impl Job<Output = Result<()>> + 'static) -> ExitCode {
    let matches = args::demo(name).get_matches();
    begin(&Stop::default(), &matches, || boxed(demo)(args::gpu(&matches)))
}

fn begin(stop: &Stop, matches: &ArgMatches, run: impl FnOnce() -> Result<()>) -> ExitCode {
    let level = std::env::var("RUST_LOG").ok().and_then(|level| level.parse().ok());
    let log = tracing_subscriber::fmt().with_max_level(level.unwrap_or(tracing::Level::WARN));
    log.with_writer(std::io::stderr).log_internal_errors(false).init();
    match threads(matches).and_then(|()| run()).and_then(|()| said()) {
        Ok(()) => stop.exit_code(),
        Err(error) => {
            let code = if is_usage(&error) { 2 } else { 1 };
            warn(format!("{:?}", once(error)));
            ExitCode::from(code)
        }
    }
}

/// The arguments of the program.
pub fn arguments() -> Vec<OsString> {
    std::env::args_os().collect()
}

/// The arguments, where a name in the place of a subcommand stands for others.
pub fn arguments_with(name: &str, others: &[&str]) -> Vec<OsString> {
    let mut arguments = arguments();
    if arguments.get(1).is_some_and(|given| given == name) {
        arguments.splice(1..2, others.iter().map(OsString::from));
    }
    arguments
}

/// Why standard output took no more.
static UNSAID: OnceLock<std::io::Error> = OnceLock::new();

/// Writes to standard output. What it does not take does not end a training, and is an error at the end; a reader that went away is none.
pub fn say(text: impl std::fmt::Display) {
    let mut out = std::io::stdout();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    if let Err(error) = written.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
    {
        let _ = UNSAID.set(error);
    }
}

fn said() -> Result<()> {
    UNSAID.get().map_or(Ok(()), |error| Err(miette!("standard output: {error}")))
}

/// Writes to standard error, which may be gone.
pub fn warn(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// As many threads as `--threads` says, or the environment.
fn threads(matches: &ArgMatches) -> Result<()> {
    let given = matches.subcommand().map_or(matches, |(_, given)| given);
    let of_environment = || std::env::var("RAYON_NUM_THREADS").ok()?.parse().ok();
    let wanted: Option<u32> = given.get_one("threads").copied().or_else(of_environment);
    let Some(wanted) = wanted.filter(|wanted| *wanted > 0) else { return Ok(()) };
    let most = args::MOST_THREADS;
    if i64::from(wanted) > most {
        warn(format!("warning: RAYON_NUM_THREADS={wanted} is too many, {most} threads are used"));
    }
    rayon::ThreadPoolBuilder::new().num_threads(wanted.min(most as u32) as usize).build_global().into_diagnostic()
}

struct Program<'a, R: Recipe> {
    recipe: &'a R,
    built_in: Option<BuiltIn<R>>,
    stop: &'a Stop,
}

impl<R: Recipe> Program<'_, R> {
    /// The splits of a folder, or those that the example brings.
    fn load(&self, options: &Checked<R::Options>, data: Option<&Path>, part: Part) -> Result<Loaded<R::Data>> {
        let loaded = match (data, &self.built_in) {
            (Some(folder), _) => self.recipe.load(options, folder, part).into_diagnostic()?,
            (None, Some(built_in)) => (built_in.load)(options)?,
            (None, None) => return Err(usage("--data: the folder of the data is needed")),
        };
        loaded.warnings.iter().for_each(|warning| warn(format!("warning: {warning}")));
        Ok(loaded)
    }

    /// Changes options to those of the splits that the example brings, where there is no folder.
    fn adapt(&self, options: &mut R::Options, data: Option<&Path>, given: &ArgMatches) -> Result<()> {
        if let (None, Some(built_in)) = (data, &self.built_in) {
            if options::has_base(given) || options::is_given(given, built_in.replaces) {
                return Err(usage(format!(
                    "--data: these options name a data set, whose folder is needed; without --config, --row and --{} the built-in data are used",
                    built_in.replaces
                )));
            }
            (built_in.adapt)(options);
        }
        Ok(())
    }
}

/// The folder of `--data`, which must be there before anything else is asked for.
fn data_folder(given: &ArgMatches) -> Result<Option<&Path>> {
    match given.get_one::<PathBuf>("data").map(PathBuf::as_path) {
        Some(folder) if !folder.is_dir() => Err(miette!("--data {}: there is no such folder", folder.display())),
        data => Ok(data),
    }
}

struct Train<'a, R: Recipe> {
    program: Program<'a, R>,
    given: &'a ArgMatches,
}

impl<R: Recipe> Job for Train<'_, R> {
    type Output = Result<()>;

    fn run<D: OpsDevice>(self, device: D) -> Result<()> {
        let (Program { recipe, stop, .. }, given) = (&self.program, self.given);
        let data = data_folder(given)?;
        let resumed = match given.get_one::<PathBuf>("resume") {
            Some(_) if options::any_given::<R::Options>(given) => {
                return Err(usage("--resume goes on with the options of the run; give it no others"));
            }
            Some(folder) => Some(RunFolder::open(folder).into_diagnostic()?),
            None => None,
        };
        let mut options = match &resumed {
            Some(folder) => coembed::options::read(&folder.config()).map_err(config_report)?,
            None => options::of(*recipe, given, R::Options::default())?,
        };
        let own = recipe.folder(&options);
        let data = data.or(own.as_deref());
        if resumed.is_none() {
            self.program.adapt(&mut options, data, given)?;
        }
        let options = options.check().map_err(usage)?;
        let runs = given.get_one::<PathBuf>("out-dir").cloned().unwrap_or_default();
        // A short name that tells configurations apart.
        let named = || digest::sha256(options.to_ron().as_bytes())[..12].to_string();
        let name = given.get_one::<String>("name").cloned().unwrap_or_else(named);
        if resumed.is_none() {
            // Before the data are read, which may take long.
            RunFolder::place(&runs, &name).into_diagnostic()?;
        }
        let loaded = self.program.load(&options, data, Part::Training)?;
        let folder = |config: &str| resumed.map_or_else(|| RunFolder::create(&runs, &name, config), Ok);
        let fit = recipe.fit(&options);
        let mut bar = Bar::new(fit.epochs, fit.select.map(|select| select.score));
        let outcome = run::train(*recipe, &options, &loaded, &device, folder, &mut bar, stop.listen().flag())
            .into_diagnostic()?;
        match outcome {
            Outcome::Done { summary, .. } => say(summary),
            Outcome::Stopped { folder } => {
                stop.obeyed();
                let data = data.map(|data| format!(" --data {}", stop::quoted(data))).unwrap_or_default();
                let gpu = args::gpu(given).map(|gpu| format!(" --gpu {gpu}")).unwrap_or_default();
                let program = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
                let (program, folder) = (stop::quoted(&program), stop::quoted(&folder));
                say(format!("stopped; go on with:\n{program} train --resume {folder}{data}{gpu}"));
            }
        }
        Ok(())
    }
}

struct Eval<'a, R: Recipe> {
    program: Program<'a, R>,
    given: &'a ArgMatches,
}

impl<R: Recipe> Job for Eval<'_, R> {
    type Output = Result<()>;

    fn run<D: OpsDevice>(self, device: D) -> Result<()> {
        let (recipe, given) = (self.program.recipe, self.given);
        let data = data_folder(given)?;
        let path = given.get_one::<PathBuf>("checkpoint").cloned().unwrap_or_default();
        let (own, parameters, epochs) = read_checkpoint(recipe, &path)?;
        if own.is_none() && !options::has_base(given) {
            return Err(usage(format!("{}: it does not say its options; give --config or --row", path.display())));
        }
        let mut options = options::of(recipe, given, own.unwrap_or_default())?;
        let own = recipe.folder(&options);
        let data = data.or(own.as_deref());
        if let Some(on_validation) = recipe.on_validation().filter(|_| given.get_flag("validation")) {
            data.ok_or_else(|| usage("--validation needs --data"))?;
            on_validation(&mut options);
        }
        self.program.adapt(&mut options, data, given)?;
        let options = options.check_evaluation().map_err(usage).wrap_err_with(|| path.display().to_string())?;
        let wanted = recipe.exports().into_iter().filter_map(|export| {
            let file = given.get_one::<PathBuf>(export.name)?.clone();
            let folder = data.map(Path::to_path_buf).ok_or_else(|| usage(format!("--{} needs --data", export.name)));
            Some(folder.map(|folder| (export, file, folder)))
        });
        let exports = wanted.collect::<Result<Vec<_>>>()?;
        let loaded = self.program.load(&options, data, Part::Test)?;
        let (summary, evaluation) =
            run::evaluate(recipe, &options, &loaded, &device, &parameters, epochs).into_diagnostic()?;
        say(summary);
        if let Some(output) = evaluation.published_output() {
            say(output);
        }
        for (export, file, folder) in exports {
            write(&file, &(export.contents)(&folder, &evaluation).into_diagnostic()?)?;
        }
        Ok(())
    }
}

/// Options where it has them, parameters, and the epochs that they were trained for: of a checkpoint of ours or of the authors.
fn read_checkpoint<R: Recipe>(recipe: &R, path: &Path) -> Result<(Option<R::Options>, StateDict, Option<usize>)> {
    if path.extension().is_some_and(|extension| extension == "safetensors") {
        let checkpoint = Checkpoint::open(path).into_diagnostic()?;
        let name = format!("the configuration in {}", path.display());
        let options = coembed::options::parse(&name, &checkpoint.config).map_err(config_report)?;
        return Ok((Some(options), checkpoint.model, Some(checkpoint.progress.epochs)));
    }
    let none = || miette!("{}: not a .safetensors, and this paper has no other checkpoints", path.display());
    let foreign = recipe.foreign(path).ok_or_else(none)?.into_diagnostic()?;
    foreign.warnings.iter().for_each(|warning| warn(format!("warning: {warning}")));
    Ok((foreign.options, foreign.parameters, None))
}

fn write(path: &Path, contents: &[u8]) -> Result<()> {
    write_atomically(path, contents).into_diagnostic().wrap_err_with(|| path.display().to_string())
}

fn params<R: Recipe>(recipe: &R, given: &ArgMatches) -> Result<()> {
    let options = options::of(recipe, given, R::Options::default())?.check().map_err(usage)?;
    let width = |name: &str| given.get_one::<u32>(name).map_or(0, |width| *width as usize);
    let widths: Vec<usize> = recipe.widths().iter().map(|known| width(known.name)).collect();
    let count = recipe.num_parameters(&options, &widths).into_diagnostic()?;
    say(count.ok_or_else(|| miette!("this paper's parameters are only counted when a model is built"))?);
    Ok(())
}

fn rows<R: Recipe>(recipe: &R, given: &ArgMatches) -> Result<()> {
    if given.try_get_one::<bool>("links").ok().flatten().is_some_and(|links| *links) {
        say(recipe.links().trim_end());
        return Ok(());
    }
    let table = options::table(recipe, given)?;
    for row in &table.rows {
        let score = |(name, score): (&String, &f64)| match row.deviations.get(name) {
            Some(deviation) => format!("{name} {score:.1}({deviation:.1})"),
            None => format!("{name} {score}"),
        };
        let scores: Vec<String> = row.scores.iter().map(score).collect();
        let params = row.params.map(|params| format!("  {params} parameters")).unwrap_or_default();
        say(format!("{}{params}  {}", row.name, scores.join("  ")).trim_end());
    }
    Ok(())
}

fn import<R: Recipe>(recipe: &R, given: &ArgMatches) -> Result<()> {
    let path = |name| given.get_one::<PathBuf>(name).cloned().unwrap_or_default();
    let importer = recipe.importer().ok_or_else(|| miette!("this paper has no configurations of its own"))?;
    let imported = importer(&path("json"), &path("root"), given.get_flag("repair")).into_diagnostic()?;
    imported.repaired.iter().for_each(|stop| warn(format!("repaired: {stop}")));
    if !imported.ignored.is_empty() {
        warn(format!("without effect here: {}", imported.ignored.join(", ")));
    }
    match given.get_one::<PathBuf>("out") {
        Some(file) => write(file, imported.options.to_ron().as_bytes()),
        None => {
            say(imported.options.to_ron());
            Ok(())
        }
    }
}
