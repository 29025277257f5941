//! Minutes of load and faults on every model, after which nothing is left of them: descriptors,
//! threads, memory and open connections are as before. Run by `tests/soak.sh`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use echo_server::model::{self, ModelKind};
use echo_test_support::deadline::PATIENCE;
use strum::VariantArray as _;

use faults::Round;
use subject::Subject;

mod faults;
mod subject;

/// Rounds in which a server takes what it then keeps: buffers, caches, threads.
const WARM_UP: u32 = 2;

/// The same number again would already show a leak of each round.
const FEWEST_ROUNDS: u32 = 2 * WARM_UP;

#[test]
#[ignore = "takes minutes: run tests/soak.sh"]
fn minutes_of_load_and_faults_leave_nothing_behind() {
    assert!(echo_net::fd_limit::raise() >= 4000, "raise the limit of open files (ulimit -n)");
    let models = models();
    let each = minutes() * 60 / models.len() as u32;
    println!("{} models, {each:?} each", models.len());
    subject::print_heading();
    let failed: Vec<String> = models
        .iter()
        .filter(|&&model| catch_unwind(AssertUnwindSafe(|| soak(model, each))).is_err())
        .map(ToString::to_string)
        .collect();
    assert!(failed.is_empty(), "not as before: {}", failed.join(", "));
}

/// All of `ECHO_SOAK_MODELS`, else all that are available here.
fn models() -> Vec<ModelKind> {
    let wanted = std::env::var("ECHO_SOAK_MODELS").unwrap_or_default();
    let is_wanted = |model: &ModelKind| {
        wanted.is_empty() || wanted.split([',', ' ']).any(|name| name == model.to_string())
    };
    let models: Vec<_> = ModelKind::VARIANTS.iter().copied().filter(is_wanted).collect();
    assert!(!models.is_empty(), "no such model: {wanted}");
    models.into_iter().filter(|&model| model::check(model).is_ok()).collect()
}

/// `ECHO_SOAK_MINUTES`, for all models together.
fn minutes() -> Duration {
    let typed = std::env::var("ECHO_SOAK_MINUTES").unwrap_or_else(|_| "30".to_owned());
    let minutes: f64 = typed.parse().unwrap_or_else(|_| panic!("{typed} is not a number"));
    Duration::from_secs_f64(minutes)
}

/// Rounds of faults for this long, then the comparison.
fn soak(model: ModelKind, time: Duration) {
    let end = Instant::now() + time;
    let mut subjects = Subject::of_each_kind(model);
    let mut rounds = 0;
    while rounds < FEWEST_ROUNDS || Instant::now() < end {
        Round { model, number: rounds, subjects: &subjects }.run();
        for subject in &mut subjects {
            subject.settle(rounds < WARM_UP);
        }
        rounds += 1;
    }
    let verdicts: Vec<_> =
        subjects.iter_mut().map(|subject| subject.compare(model, rounds)).collect();
    for subject in &mut subjects {
        let exit = subject.end(PATIENCE);
        assert_eq!(exit.code, Some(0), "{model}: {}", exit.stderr);
        let longest = exit.stderr.lines().map(str::len).max().unwrap_or_default();
        assert!(longest <= 4096, "{model}: a line of {longest} bytes in the log");
    }
    assert!(verdicts.iter().all(|&same| same), "{model} is not as before");
}
