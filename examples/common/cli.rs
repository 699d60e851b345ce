//! The subcommands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::args::{CaptionArg, DatasetArg, PlaceArgs, TrainingArgs};

#[derive(Parser)]
#[command(about = "JPoSE and MMEN with the relevance-based margin", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Subcommand)]
#[allow(clippy::large_enum_variant)]
pub enum Command {
    /// Compare fixed and relevance margin on the built-in data (what happens without a subcommand)
    Demo,
    /// Train, validate after every epoch, evaluate on the test split
    Train {
        #[command(flatten)]
        run: RunArgs,
        /// Folder of a run to go on with; its configuration is used
        #[arg(long, value_name = "RUN", conflicts_with_all = ["name", "config"])]
        resume: Option<PathBuf>,
    },
    /// Train MMEN (short for train --model mmen --caption-type)
    Mmen {
        /// Which text is embedded
        #[arg(value_name = "CAPTION_TYPE")]
        text: CaptionArg,
        #[command(flatten)]
        run: RunArgs,
    },
    /// Evaluate a checkpoint: the authors' .pth (with its args.txt) or ours (.safetensors)
    Eval {
        checkpoint: PathBuf,
        #[command(flatten)]
        place: PlaceArgs,
        /// Data set, where args.txt does not name it
        #[arg(long, value_enum)]
        dataset: Option<DatasetArg>,
        /// The first 1024 video features, where args.txt does not say so
        #[arg(long)]
        rgb: bool,
        /// The first 2048 video features
        #[arg(long)]
        rgb_flow: bool,
        /// Write a submission to the EPIC-Kitchens-100 challenge
        #[arg(long, value_name = "FILE")]
        challenge_submission: Option<PathBuf>,
        /// Accepted and without effect, as in the published program (the checkpoint decides)
        #[arg(long)]
        comb_func: Option<String>,
        /// Accepted and without effect, as in the published program
        #[arg(long = "dcg_ind")]
        dcg_ind: bool,
    },
    /// Number of parameters of a configuration, without building it
    Params {
        #[command(flatten)]
        training: TrainingArgs,
        /// Width of the video features
        #[arg(long, default_value_t = 3072, value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
        video_width: u32,
        /// Width of the text features
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
        text_width: u32,
    },
}

/// A training.
#[derive(Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub training: TrainingArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Folder of runs
    #[arg(long, default_value = "logs/runs")]
    pub out_dir: PathBuf,
    /// Name of this run's folder [default: from the configuration]
    #[arg(long)]
    pub name: Option<String>,
}
