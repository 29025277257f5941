//! Server, generator and network under faults, from seeds. `ECHO_SEED=7` runs one seed;
//! `ECHO_SEEDS=1000000` runs so many, from `ECHO_FIRST_SEED` on.

use std::panic::catch_unwind;

use echo_net::reactor::network::Fault;
use echo_robustness::chaos::{self, Happened};
use rayon::prelude::*;
use strum::VariantArray;

/// Seeds of an ordinary run.
const SEEDS: u64 = 10_000;

/// Failures that are shown.
const MOST_SHOWN: usize = 10;

/// So many seeds are enough for each thing to happen.
const ENOUGH: u64 = 5000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: not a number")))
}

fn run(seed: u64) -> Result<Happened, String> {
    let outcome = catch_unwind(|| chaos::run(seed));
    let outcome = outcome.unwrap_or_else(|_| Err("a panic, see above".into()));
    outcome.map_err(|fault| {
        format!(
            "seed {seed}: {fault}\nrun it again: ECHO_SEED={seed} cargo test -p echo-robustness \
             --test chaos"
        )
    })
}

/// Everything together, and the first failures.
#[derive(Default)]
struct Outcome {
    happened: Happened,
    failures: Vec<String>,
}

impl Outcome {
    fn with(mut self, seed: u64) -> Self {
        match run(seed) {
            Ok(happened) => self.happened += happened,
            Err(failure) => self.failures.push(failure),
        }
        self
    }

    fn and(mut self, other: Self) -> Self {
        self.happened += other.happened;
        self.failures.extend(other.failures);
        self
    }
}

#[test]
fn whatever_happens_requests_are_accounted_for_and_everything_ends() {
    let seeds = if let Some(seed) = number("ECHO_SEED") {
        seed..seed + 1
    } else {
        let first = number("ECHO_FIRST_SEED").unwrap_or(0);
        first..first + number("ECHO_SEEDS").unwrap_or(SEEDS)
    };
    let count = seeds.end - seeds.start;
    let Outcome { happened, mut failures } = seeds
        .into_par_iter()
        .fold(Outcome::default, Outcome::with)
        .reduce(Outcome::default, Outcome::and);
    println!("{count} seeds: {happened}");
    let failed = failures.len();
    failures.truncate(MOST_SHOWN);
    assert!(failed == 0, "{failed} of {count} seeds failed\n{}", failures.join("\n\n"));
    if count >= ENOUGH {
        for &fault in Fault::VARIANTS {
            assert!(happened.faults.of(fault) > 0, "{fault} never occurred in {count} seeds");
        }
        for (name, number) in happened.counts() {
            assert!(number > 0, "no {name} in {count} seeds");
        }
    }
}
