//! How a program ends: [`Exit`], by a run's report or by an error.

use echo_bench_engine::{EngineError, RunRecord, ThreadError};
use echo_bench_report::report::{self, Report, SloVerdict, Verdict};
use echo_net::signals::Received;

use crate::outlet::InvalidOutlet;

/// How a program ends. Part of the interface: scripts rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Done = 0,
    /// The run could not be made, or requests failed.
    Failed = 1,
    /// What was typed makes no sense.
    Usage = 2,
    /// An objective was missed.
    Missed = 3,
    /// Nothing was measured, or (strict) the generator was the bottleneck or an objective is
    /// undecided.
    Invalid = 4,
    /// A thread of the generator panicked, which is a bug.
    Panicked = 101,
}

/// A command line that contradicts itself.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub struct UsageError(anyhow::Error);

impl UsageError {
    pub(super) fn new(reason: impl Into<anyhow::Error>) -> Self {
        Self(reason.into())
    }
}

/// The exit code of an error.
pub fn code_of(error: &anyhow::Error) -> Exit {
    if error.is::<UsageError>() || error.is::<InvalidOutlet>() {
        return Exit::Usage;
    }
    match error.downcast_ref() {
        Some(EngineError::Thread(ThreadError::Panicked(_))) => Exit::Panicked,
        _ => Exit::Failed,
    }
}

/// The exit code of a run.
pub(super) fn exit_code(
    report: &Report,
    record: &RunRecord,
    received: &Received,
    strict: bool,
) -> u8 {
    if record.interrupted {
        return received.exit_code().unwrap_or(Exit::Failed as u8);
    }
    exit_of(report, strict) as u8
}

/// How a run ends by its report alone, if no signal ended it.
pub(super) fn exit_of(report: &Report, strict: bool) -> Exit {
    let requests = &report.summary.requests;
    let connections = &report.summary.connections;
    let warned = |codes: &[&str]| {
        report.warnings.iter().any(|warning| codes.contains(&warning.code.as_str()))
    };
    let invalid = report.verdict == Verdict::Invalid || warned(&[report::GENERATOR_LIMITED]);
    let objective = |verdict| report.slos.iter().any(|slo| slo.verdict() == verdict);
    if requests.ok == 0 || warned(&report::FAULTS) || (strict && invalid) {
        Exit::Invalid
    } else if objective(SloVerdict::Missed) {
        Exit::Missed
    } else if strict && objective(SloVerdict::Undecided) {
        Exit::Invalid
    } else if requests.ok < requests.scheduled
        || !report.errors.is_empty()
        || warned(&[report::SERVER_ENDED])
        || connections.established < connections.requested
    {
        Exit::Failed
    } else {
        Exit::Done
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_panic_of_a_generator_thread_is_no_ordinary_failure() {
        let code = |error: ThreadError| {
            code_of(&anyhow::Error::from(EngineError::from(error)).context("running"))
        };
        assert_eq!(code(ThreadError::Panicked("why".into())), Exit::Panicked);
        assert_eq!(code(ThreadError::Failed(std::io::ErrorKind::Other.into())), Exit::Failed);
        assert_eq!(Exit::Panicked as u8, 101, "as any Rust program that panics");
        let usage = Err::<(), _>(UsageError::new(anyhow::anyhow!("no such flag")));
        assert_eq!(code_of(&usage.context("reading flags").unwrap_err()), Exit::Usage);
    }
}
