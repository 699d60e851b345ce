use coembed::blocks::{Availability, CollaborativeGating, OwnExperts, Phase};
use coembed::ops::OpError;
use coembed::prelude::{Const, Cpu, NoneTape};

fn gate(
    gating: &CollaborativeGating<Const<768>, Cpu>,
    experts: OwnExperts<usize, Cpu, NoneTape>,
    available: &Availability,
) -> Result<(), OpError> {
    gating.forward(experts, available, Phase::Evaluation)?;
    Ok(())
}

fn main() {}
