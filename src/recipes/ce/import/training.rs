//! Loss, optimizer, epochs, test and teachers of a configuration.

use std::num::{NonZeroU32, NonZeroUsize};

use super::section::{EntryError, Section};
use crate::ops::WeightDecay;
use crate::recipes::ce::Options;
use crate::train::{
    AdamConfig, LookAhead, OptimizerConfig, RAdamConfig, RangerConfig, Schedule, SgdConfig, SwatsConfig,
};

pub(super) fn read_loss(options: &mut Options, top: &mut Section, ignored: &mut Vec<String>) -> Result<(), EntryError> {
    let mut loss = top.section("loss")?;
    match loss.string("type", "MaxMarginRankingLoss")?.as_str() {
        "MaxMarginRankingLoss" => {}
        other @ ("BCEWithLogitsLoss" | "CrossEntropyLoss") => {
            return Err(loss.error("type", format!("{other}: not supported, as no published data set has targets")));
        }
        other => return Err(loss.error("type", format!("MaxMarginRankingLoss expected, found {other:?}"))),
    }
    let mut args = loss.section("args")?;
    options.margin = args.float("margin", 1.0)? as f32;
    options.fix_norm = args.flag_or("fix_norm", true)?;
    args.finish(&[], ignored)
}

/// Gives the step size, in whose terms the floor of the schedule is.
pub(super) fn read_optimizer(
    options: &mut Options,
    top: &mut Section,
    ignored: &mut Vec<String>,
) -> Result<f32, EntryError> {
    let mut optimizer = top.section("optimizer")?;
    let mut args = optimizer.section("args")?;
    let kind = optimizer.string("type", "Ranger")?;
    // Of the optimizers' arguments in the published program this alone is not the same for all.
    let default_decay = if kind == "AdamW" { 1e-2 } else { 0.0 };
    let (learning_rate, weight_decay) =
        (args.float("lr", 1e-3)? as f32, args.float("weight_decay", default_decay)? as f32);
    let moments = |args: &mut Section, beta1, beta2, eps: f32| {
        let (beta1, beta2) = args.pair("betas", (beta1, beta2))?;
        Ok::<_, EntryError>((beta1, beta2, args.float("eps", eps.into())? as f32))
    };
    options.optimizer = match kind.as_str() {
        "Ranger" => {
            let default = RangerConfig::default();
            let (beta1, beta2, eps) = moments(&mut args, default.beta1, default.beta2, default.eps)?;
            let every = args.optional("k")?.map_or(Some(default.look_ahead.steps), NonZeroU32::new);
            let steps = every.ok_or_else(|| args.error("k", "at least 1"))?;
            let look_ahead = LookAhead { steps, alpha: args.float("alpha", default.look_ahead.alpha.into())? as f32 };
            if args.float("N_sma_threshhold", 5.0)? != 5.0 {
                return Err(args.error("N_sma_threshhold", "5 expected"));
            }
            OptimizerConfig::Ranger(RangerConfig {
                learning_rate,
                beta1,
                beta2,
                eps,
                weight_decay,
                look_ahead,
                ..default
            })
        }
        "RAdam" => {
            let default = RAdamConfig::default();
            let (beta1, beta2, eps) = moments(&mut args, default.beta1, default.beta2, default.eps)?;
            OptimizerConfig::RAdam(RAdamConfig { learning_rate, beta1, beta2, eps, weight_decay, ..default })
        }
        "Adam" | "AdamW" => {
            let default = AdamConfig::default();
            let (beta1, beta2, eps) = moments(&mut args, default.beta1, default.beta2, default.eps)?;
            let decay = if kind == "Adam" { WeightDecay::Penalty } else { WeightDecay::Decoupled };
            let weight_decay = decay(weight_decay);
            OptimizerConfig::Adam(AdamConfig { learning_rate, beta1, beta2, eps, weight_decay, ..default })
        }
        "SWATS" => {
            let default = SwatsConfig::default();
            let (beta1, beta2, eps) = moments(&mut args, default.beta1, default.beta2, default.eps)?;
            OptimizerConfig::Swats(SwatsConfig { learning_rate, beta1, beta2, eps, weight_decay, ..default })
        }
        "SGD" if weight_decay == 0.0 => {
            let momentum = args.float("momentum", 0.0)? as f32;
            OptimizerConfig::Sgd(SgdConfig { learning_rate, momentum, ..SgdConfig::default() })
        }
        other => {
            let known = "Ranger, RAdam, Adam, AdamW, SWATS, or SGD without decay";
            return Err(optimizer.error("type", format!("{known} expected, found {other:?}")));
        }
    };
    for unsupported in ["amsgrad", "nesterov"] {
        if args.flag(unsupported)? {
            return Err(args.error(unsupported, "not supported"));
        }
    }
    args.finish(&[], ignored)?;
    Ok(learning_rate)
}

pub(super) fn read_trainer(
    options: &mut Options,
    top: &mut Section,
    ignored: &mut Vec<String>,
) -> Result<(), EntryError> {
    let mut trainer = top.section("trainer")?;
    for key in ["epochs", "save_dir"] {
        if !trainer.has(key) {
            let reason =
                "missing, where the published program stops (KeyError): is this a template that others inherit from?";
            return Err(trainer.error(key, reason));
        }
    }
    options.epochs = trainer.number("epochs", options.epochs)?;
    if trainer.number("val_freq", 1)? != 1 {
        return Err(trainer.error("val_freq", "every epoch is validated: 1 expected"));
    }
    options.save_period = trainer.number("save_period", 1)?;
    options.save_only_best = trainer.flag_or("save_only_best", true)?;
    options.skip_first_n_saves = trainer.number("skip_first_n_saves", 0)?;
    options.num_keep_ckpts = trainer.number("num_keep_ckpts", options.num_keep_ckpts)?;
    if options.save_period > options.epochs {
        let reason = format!("{} of {} epochs: the published program stops", options.save_period, options.epochs);
        return Err(trainer.error("save_period", reason));
    }
    let monitor = trainer.string("monitor", "off")?;
    options.monitor = match monitor.split_once(' ') {
        Some(("max", name)) => Some(name.to_string()),
        _ if monitor == "off" => None,
        _ => return Err(trainer.error("monitor", format!("max NAME or off expected, found {monitor:?}"))),
    };
    trainer.finish(&["save_dir", "early_stop", "include_optim_in_ckpts", "verbosity", "tensorboard"], ignored)
}

/// After the trainer, whose epochs are the default period.
pub(super) fn read_schedule(
    options: &mut Options,
    top: &mut Section,
    learning_rate: f32,
    ignored: &mut Vec<String>,
) -> Result<(), EntryError> {
    let mut schedule = top.section("lr_scheduler")?;
    let mut args = schedule.section("args")?;
    options.schedule = match schedule.string("type", "StepLR")?.as_str() {
        "StepLR" => Schedule::StepDecay {
            epochs: NonZeroUsize::new(args.number("step_size", 1)?)
                .ok_or_else(|| args.error("step_size", "at least 1"))?,
            gamma: args.float("gamma", 0.1)?,
        },
        // As published: whatever is not StepLR is the cosine with restarts.
        _ => {
            if learning_rate == 0.0 {
                return Err(schedule.error("type", "a cosine of a learning rate of 0"));
            }
            let positive = |args: &mut Section, key: &str, default| {
                NonZeroUsize::new(args.number(key, default)?).ok_or_else(|| args.error(key, "at least 1"))
            };
            Schedule::CosineRestarts {
                period: positive(&mut args, "T_max", options.epochs)?,
                multiplier: positive(&mut args, "T_mult", 1)?,
                floor: args.float("eta_min", 0.0)? / f64::from(learning_rate),
            }
        }
    };
    args.finish(&[], ignored)
}

pub(super) fn read_test(options: &mut Options, top: &mut Section, ignored: &mut Vec<String>) -> Result<(), EntryError> {
    let mut settings = top.section_or_false("eval_settings")?;
    let mut loader = settings.section("data_loader")?;
    let mut data = loader.section("args")?;
    options.test_split = data.optional_string("split_name")?;
    options.test_split_captions = match data.number("num_test_captions", 0)? {
        0 => None,
        captions => Some(captions),
    };
    data.finish(&["num_workers"], ignored)?;
    loader.finish(&[], ignored)?;
    settings.finish(&["disable_gpu", "tester"], ignored)
}

pub(super) fn read_teachers(
    options: &mut Options,
    top: &mut Section,
    ignored: &mut Vec<String>,
) -> Result<(), EntryError> {
    let distil = top.flag("distil_loss")?;
    let mut teachers = top.section("distil_params")?;
    if distil {
        // As published: put together as text.
        let base = teachers.string("base_path", "")?;
        options.teachers = teachers.names("teachers")?.iter().map(|name| format!("{base}{name}").into()).collect();
        if options.teachers.is_empty() {
            return Err(teachers.error("teachers", "distil_loss needs teachers"));
        }
        teachers.finish(&["moee"], ignored)?;
    } else if !teachers.is_empty() {
        // As published: teachers without the loss are loaded and not used.
        ignored.push("distil_params".into());
    }
    Ok(())
}
