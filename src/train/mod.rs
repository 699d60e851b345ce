//! Training: optimizers, the loop, checkpoints, seeds, logs. Models, losses and data are known through traits alone.

mod checkpoint;
mod fit;
mod metrics_log;
mod optim;
mod schedule;
mod seed;
mod state_dict;

pub use checkpoint::{Checkpoint, CheckpointError, Progress};
pub(crate) use fit::fires;
pub use fit::{BestTie, Fit, FitError, Observer, Rolling, Step, Task};
pub use metrics_log::MetricsLog;
pub use optim::{
    Adam, AdamConfig, AnyOptimizer, ConfigError, Kept, LookAhead, Optimizer, OptimizerConfig, ParameterGroup, RAdam,
    RAdamConfig, Ranger, RangerConfig, RangerState, RestoreError, RuleOptimizer, Sgd, SgdConfig, StepContext, Swats,
    SwatsConfig, SwatsRule, SwatsState, UpdateRule, Velocity,
};
pub use schedule::Schedule;
pub use seed::{Purpose, rng};
pub use state_dict::{LoadReport, StateDict, StateTensor, StateValues, from_torch, load, state_dict};
