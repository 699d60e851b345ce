//! The shape of a program that `scripts/compare.sh` runs beside its peer: `<work> <repetitions>` as arguments; a line `time <seconds>` for
//! each repetition, at last `check <number>`, which both sides must agree on.

use std::time::{Duration, Instant};

/// Measures what it is given, and adds up.
#[derive(Default)]
pub struct Clock {
    spent: Duration,
}

impl Clock {
    /// Runs `f` on the clock, until the device is done with it.
    pub fn time<T>(&mut self, f: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = f();
        crate::device::synchronize();
        self.spent += start.elapsed();
        result
    }
}

/// One piece of work: each call does it once and returns its check number.
pub type Work = Box<dyn FnMut(&mut Clock) -> f64>;

/// Runs the work that the arguments name. Without arguments, as `cargo bench` calls it, every work three times.
pub fn main(works: &[(&str, fn() -> Work)]) {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    match arguments.as_slice() {
        [] => works.iter().for_each(|(name, work)| {
            println!("{name}");
            run(work(), 3);
        }),
        [name, repetitions] => {
            let work = works.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no work named {name}"));
            run(work.1(), repetitions.parse().expect("a number of repetitions"));
        }
        _ => panic!("arguments: <work> <repetitions>"),
    }
}

fn run(mut work: Work, repetitions: usize) {
    let mut check = work(&mut Clock::default());
    for _ in 0..repetitions {
        let mut clock = Clock::default();
        check = work(&mut clock);
        println!("time {:.9}", clock.spent.as_secs_f64());
    }
    println!("check {check:.9e}");
}
