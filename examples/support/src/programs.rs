//! The programs of the papers, compiled here: an edit in an example compiles the example alone.

use std::ffi::OsString;
use std::process::ExitCode;

use coembed::recipes::ce::CollaborativeExpertsRecipe;
use coembed::recipes::relmargin::RelMargin;
use coembed::recipes::tca::TcaRecipe;
use coembed::run::Job;
use miette::Result;

use crate::cli::{self, BuiltIn, Demo};

/// JPoSE and MMEN; without a folder on the splits that the example brings.
pub fn relevance_margin(
    arguments: Vec<OsString>,
    built_in: BuiltIn<RelMargin>,
    demo: impl Job<Output = Result<()>> + 'static,
) -> ExitCode {
    fn program(arguments: Vec<OsString>, built_in: BuiltIn<RelMargin>, demo: Demo) -> ExitCode {
        cli::main(RelMargin, arguments, Some(built_in), &[cli::prepare::TOOL], demo)
    }
    program(arguments, built_in, cli::boxed(demo))
}

/// The networks of Collaborative Experts or of TeachText.
pub fn collaborative_experts(
    recipe: CollaborativeExpertsRecipe,
    demo: impl Job<Output = Result<()>> + 'static,
) -> ExitCode {
    fn program(recipe: CollaborativeExpertsRecipe, demo: Demo) -> ExitCode {
        cli::main(recipe, cli::arguments(), None, &[cli::fetch::TOOL, cli::submission::TOOL], demo)
    }
    program(recipe, cli::boxed(demo))
}

/// Temporal Context Aggregation.
pub fn temporal_context_aggregation(demo: impl Job<Output = Result<()>> + 'static) -> ExitCode {
    fn program(demo: Demo) -> ExitCode {
        cli::main(TcaRecipe, cli::arguments(), None, &[], demo)
    }
    program(cli::boxed(demo))
}
