//! The way of an examination: what has to be tried out is tried, and the machine is judged. Also
//! what a run looks at before it begins: [`before_a_run`].

use std::time::{Duration, Instant};

use echo_net::cpu::{Machine, Usage};
use echo_net::{fd_limit, stamps};

use super::Exit;
use crate::cli::{DoctorArgs, ListFormat};
use crate::console::{self, print, print_styled, tell};
use crate::link;
use echo_bench_engine::plan::EngineKind;
use echo_bench_report::doctor::{Check, Doctor, Facts, Health, examine};
use echo_bench_report::render::text::{Document, on};
use echo_bench_report::report::store;

/// For how long the load of others is watched.
const WATCHED: Duration = Duration::from_secs(1);

/// A sleep whose end is timed.
const SLEEP: Duration = Duration::from_micros(200);

/// How many of them.
const SLEEPS: usize = 100;

/// What a run says of its machine before it begins, where it is a warning: nothing else in its
/// report says it.
const BEFORE_A_RUN: [&str; 3] = ["governor", "clock source", "time_wait"];

/// Examines this machine.
///
/// # Errors
/// When the result can't be printed.
pub fn doctor(args: &DoctorArgs) -> anyhow::Result<u8> {
    let doctor = Doctor::new(&tried());
    match args.format {
        ListFormat::Json => print(&store::to_json(&doctor)),
        ListFormat::Text => print_styled(&on(console::screen(), Document::Doctor(&doctor))),
    }?;
    let warned = doctor.count(Health::Warning) > 0;
    Ok(if args.strict && warned { Exit::Invalid } else { Exit::Done } as u8)
}

/// Says what of this machine disturbs a run that is about to begin.
pub(super) fn before_a_run() {
    let matters =
        |check: &Check| check.health == Health::Warning && BEFORE_A_RUN.contains(&&*check.name);
    for Check { name, value, reason, remedy, .. } in
        examine(&Facts::read()).into_iter().filter(matters)
    {
        let (reason, remedy) = (reason.unwrap_or_default(), remedy.unwrap_or_default());
        tell(&format!("note: {name} is {value}: {reason} -> {remedy}"));
    }
}

/// All that can be known.
fn tried() -> Facts {
    let (others_busy, stolen) = load_of_others().unzip();
    Facts {
        descriptors: Some(fd_limit::raise()),
        oversleep: Some(oversleep()),
        uring: Some(usable(echo_bench_engine::check(EngineKind::Uring))),
        stamps: Some(usable(stamps::probe())),
        link: Some(link::usable()),
        others_busy,
        stolen,
        ..Facts::read()
    }
}

fn usable<E: ToString>(tried: Result<(), E>) -> Result<(), String> {
    tried.map_err(|reason| reason.to_string())
}

/// Cores that others keep busy, and cores that the hypervisor takes.
fn load_of_others() -> Option<(f64, f64)> {
    let (before, own_before, began) =
        (Machine::read()?, Usage::of_self().ok()?, Instant::now());
    std::thread::sleep(WATCHED);
    let (after, own_after) = (Machine::read()?, Usage::of_self().ok()?);
    let cores = |time: Duration| time.as_secs_f64() / began.elapsed().as_secs_f64();
    let busy = after.busy.saturating_sub(before.busy);
    let others = busy.saturating_sub(own_after.since(&own_before).cpu);
    Some((cores(others), cores(after.stolen.saturating_sub(before.stolen))))
}

/// By how much short sleeps end late: the median, and the worst.
fn oversleep() -> [Duration; 2] {
    let late = |_| {
        let began = Instant::now();
        std::thread::sleep(SLEEP);
        began.elapsed().saturating_sub(SLEEP)
    };
    let mut late: Vec<Duration> = (0..SLEEPS).map(late).collect();
    late.sort_unstable();
    [late[SLEEPS / 2], late[SLEEPS - 1]]
}
