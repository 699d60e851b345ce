//! Training: optimizers, the loop, checkpoints, seeds, logs. Models, losses and data are known through traits alone.

mod checkpoint;
pub mod distributed;
mod feature_rows;
mod fit;
mod gradients;
mod metrics_log;
mod optim;
mod schedule;
mod seed;
mod state_dict;
mod task;

pub use checkpoint::{Best, Checkpoint, CheckpointError, Progress};
pub use feature_rows::FeatureRows;
pub use fit::{BestTie, Epochs, Fit, FitError, Interval, Keep, Observer, Select, Training, Validation};
pub use metrics_log::{Line, MetricsLog};
pub use optim::{
    Adam, AdamConfig, AnyOptimizer, Kept, LookAhead, Optimizer, OptimizerConfig, OptimizerConfigError, ParameterGroup,
    RAdam, RAdamConfig, Ranger, RangerConfig, RangerState, RestoreError, RuleOptimizer, Sgd, SgdConfig, StepContext,
    Swats, SwatsConfig, SwatsRule, SwatsState, UpdateRule, Velocity,
};
pub use schedule::{AfterWarmUp, Schedule};
pub use seed::{Purpose, rng};
pub use state_dict::{LoadReport, StateDict, StateTensor, StateValues, from_torch, load, state_dict};
pub use task::{BatchNumbers, Batches, Step, StepStart, Task};
