//! How far the numbers of a run can be trusted: [`Verdict`], and the [`Warning`]s that say
//! why, each with its cause and its remedy.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod explained;
mod generator;

pub(super) use explained::Explained;
pub(super) use generator::Limit;

/// How far the numbers can be trusted.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Verdict {
    /// As they are.
    Valid,
    /// With the warnings in mind.
    Qualified,
    /// Not as a statement about the server.
    Invalid,
}

/// What limits the trust in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// Its name, stable.
    pub code: String,
    /// The cause.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.code, self.message, self.remedy)
    }
}

/// What was found in a run that limits the trust in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Finding {
    Generator(Limit),
    NothingMeasured,
    Interrupted { measured_s: f64 },
    NoReplies { silent_s: f64, load_s: f64, wrong: bool },
    Starved { starved: u64, connections: u64 },
    Unfair { below_tenth: u64, connections: u64, median: u64 },
    LittlesLaw { in_flight: f64, expected: f64 },
    Kernel(Explained),
    BelowOfferedRate { offered: f64, achieved: f64 },
    NotAllEstablished { requested: u32, established: u32 },
    ConnectionsLost { lost: u64, reconnects: u64 },
    ErrorsSeen { failed: u64, scheduled: u64 },
    StrayReplies { stray: u64 },
    LateBounds { censored: u64 },
    Clamped { values: u64 },
    FewSamples { quantile: &'static str, needed: u64, independent: u64 },
    NoSteadyState { what: &'static str, change: f64 },
    NotSharp { achieved: Option<f64> },
    SlowServerDrain,
    Unverified,
    GivenUp { asked: u64, scheduled: u64 },
    Unbalanced { scheduled: u64, ended: u64 },
    NotJudged,
}

/// The code of every finding that says that the generator was the bottleneck; `--strict` makes
/// these an exit code.
pub const GENERATOR_LIMITED: &str = "generator-limited";

/// The codes of findings that are faults of the generator itself: what was counted is kept,
/// and a gate does not let it pass.
pub const FAULTS: [&str; 2] = [UNBALANCED, NOT_JUDGED];

const UNBALANCED: &str = "unbalanced-counts";
const NOT_JUDGED: &str = "not-judged";
const NOT_JUDGED_CAUSE: &str = "the statistics of this run failed: counts and histograms are \
    complete, intervals and warnings are missing";
const AGAINST_NOT_SHARP: &str = "raise --duration, or ask for less with --until";
const FAULT_REMEDY: &str = "this is a fault of echo-bench: please report it with this report";

/// How grave a warning of this code is that a run has by itself.
pub(super) fn severity(code: &str) -> Verdict {
    match code {
        "no-replies" | UNBALANCED | NOT_JUDGED => Verdict::Invalid,
        "delayed-acks" | "retransmissions" | "syn-retries" => Verdict::Valid,
        _ => Verdict::Qualified,
    }
}

impl Finding {
    pub(super) fn severity(&self) -> Verdict {
        match self {
            Self::NothingMeasured
            | Self::Starved { .. }
            | Self::NoReplies { .. }
            | Self::Unbalanced { .. }
            | Self::NotJudged => Verdict::Invalid,
            Self::Generator(limit) => limit.severity(),
            // An explanation takes nothing from a number.
            Self::Kernel(_) => Verdict::Valid,
            _ => Verdict::Qualified,
        }
    }

    /// Code, cause and remedy, as in [`Warning`].
    pub(super) fn warning(&self) -> Warning {
        let (code, message, remedy) = self.words();
        Warning { code: code.into(), message, remedy: remedy.into() }
    }

    fn words(&self) -> (&'static str, String, &'static str) {
        match self {
            Self::Generator(limit) => limit.words(),
            Self::Kernel(explained) => explained.words(),
            Self::NothingMeasured => (
                "nothing-measured",
                "no request of the window got a successful reply".into(),
                "no latency is reported; see the errors",
            ),
            Self::Interrupted { measured_s } => (
                "interrupted",
                format!("a signal ended the run after {measured_s:.1} s of its window"),
                "the numbers cover what was measured until then",
            ),
            Self::NoReplies { silent_s, load_s, wrong } => (
                "no-replies",
                no_replies(*silent_s, *load_s, *wrong),
                "the numbers describe the part before; check whether the server failed",
            ),
            Self::Starved { starved, connections } => (
                "starved-connections",
                format!("{starved} of {connections} connections got no reply in the window"),
                "check the server's limits and workers; the percentiles describe the others",
            ),
            Self::Unfair { below_tenth, connections, median } => (
                "unfair",
                unfair(*below_tenth, *connections, *median),
                "the median describes the fast connections; see the server's scheduling",
            ),
            Self::LittlesLaw { in_flight, expected } => (
                "littles-law",
                littles_law(*in_flight, *expected),
                "rate x mean latency must be the mean in flight; see failures and warm-up",
            ),
            Self::BelowOfferedRate { offered, achieved } => (
                "below-offered-rate",
                format!("{achieved:.1} of {offered:.1} requests per second were answered"),
                "the server, the path or --pipeline could not keep up; latency shows the queue",
            ),
            Self::NotAllEstablished { requested, established } => (
                "not-all-established",
                format!("{established} of {requested} connections were made"),
                "check the server's connection limit, descriptors and ports on both sides",
            ),
            Self::ConnectionsLost { lost, reconnects } => {
                ("connections-lost", connections_lost(*lost, *reconnects), "see the errors")
            }
            Self::ErrorsSeen { failed, scheduled } => (
                "errors-seen",
                format!("{failed} of {scheduled} requests failed"),
                "percentiles cover successful replies and lower bounds only; see the errors",
            ),
            Self::StrayReplies { stray } => (
                "stray-replies",
                format!("{stray} replies answered no request"),
                "unsolicited replies received; see the errors",
            ),
            Self::LateBounds { censored } => (
                "lower-bounds",
                format!("{censored} requests were never answered and count with their age"),
                "percentiles marked >= are lower bounds; a longer --timeout or --drain tells more",
            ),
            Self::Clamped { values } => ("clamped", clamped(*values), "lower --timeout"),
            Self::FewSamples { quantile, needed, independent } => (
                "few-samples",
                format!("effective sample size {independent} ({quantile} needs {needed})"),
                "run longer; treat what is marked ~ as indicative",
            ),
            Self::NoSteadyState { what, change } => (
                "no-steady-state",
                format!("{what} drifted by {:+.1} % over the window", change * 100.0),
                "raise --warmup or --duration, and look at the intervals",
            ),
            Self::GivenUp { asked, scheduled } => (
                "given-up",
                format!("no successful reply after {scheduled} of {asked} requests"),
                "the run ended without the rest; see the errors",
            ),
            Self::Unbalanced { scheduled, ended } => {
                (UNBALANCED, unbalanced(*scheduled, *ended), FAULT_REMEDY)
            }
            Self::NotSharp { achieved } => {
                ("until-not-reached", not_sharp(*achieved), AGAINST_NOT_SHARP)
            }
            Self::NotJudged => (NOT_JUDGED, NOT_JUDGED_CAUSE.into(), FAULT_REMEDY),
            Self::Unverified => (
                "unverified-server",
                "--insecure: nobody checked who the server is".into(),
                "handshakes lack the cost of that check; name the certificate with --cacert",
            ),
            Self::SlowServerDrain => (
                "server-not-stopped",
                "the embedded server had to be killed".into(),
                "its summary is missing; the measured window is not touched by it",
            ),
        }
    }
}

/// Where wrong replies came, they may have come then.
fn no_replies(silent_s: f64, load_s: f64, wrong: bool) -> String {
    let replies = if wrong { "successful replies" } else { "replies" };
    format!("no {replies} for the last {silent_s:.1} s of {load_s:.1} s")
}

fn clamped(values: u64) -> String {
    format!("{values} latencies were above one hour and count as one hour")
}

fn not_sharp(achieved: Option<f64>) -> String {
    match achieved {
        Some(share) => format!(
            "the interval of the percentile of --until is +-{:.1} % at the end",
            share * 100.0
        ),
        None => "the percentile of --until has no interval at the end".into(),
    }
}

fn unfair(below_tenth: u64, connections: u64, median: u64) -> String {
    format!(
        "{below_tenth} of {connections} connections got less than a tenth of the median of \
         {median} replies"
    )
}

/// Which side is suspect: what was in flight and has no latency, or the other way round.
fn littles_law(in_flight: f64, expected: f64) -> String {
    let suspect = if in_flight > expected {
        "the latencies lack requests that were in flight"
    } else {
        "the latencies hold more than was in flight within the window"
    };
    format!("{in_flight:.1} requests in flight, but rate x latency is {expected:.1}: {suspect}")
}

fn unbalanced(scheduled: u64, ended: u64) -> String {
    format!("{scheduled} requests were scheduled and {ended} ended")
}

fn connections_lost(lost: u64, reconnects: u64) -> String {
    match reconnects {
        0 => format!("connections were lost {lost} times"),
        some => format!("connections were lost {lost} times; {some} reconnects"),
    }
}
