//! How far the numbers of a run can be trusted: [`Verdict`], and the [`Warning`]s that say
//! why, each with its cause and its remedy.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::nouns::Nouns;

mod explained;
mod generator;
mod link;
mod short;
mod words;

pub(super) use explained::Explained;
pub(super) use generator::Limit;
pub(super) use link::LinkFault;
pub(crate) use link::{LINK_LATE, LINK_OVERRUN};
pub(super) use short::{Short, Why};
pub(crate) use words::missing_parts;
use words::{
    below_offered, clamped, connections_lost, late_bounds, littles_law, no_replies, not_sharp,
    nothing_measured, parts_apart, parts_missing, server_ended, server_not_stopped,
    starved_parties, stray_replies, unbalanced, unfair, unverified,
};

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

impl Warning {
    /// Whether it takes nothing from the numbers.
    pub fn is_note(&self) -> bool {
        severity(&self.code) == Verdict::Valid
    }
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
    Interrupted {
        measured_s: f64,
    },
    NoReplies {
        silent_s: f64,
        load_s: f64,
        wrong: bool,
    },
    Starved {
        starved: u64,
        connections: u64,
    },
    Unfair {
        below_tenth: u64,
        connections: u64,
        median: u64,
    },
    LittlesLaw {
        in_flight: f64,
        expected: f64,
    },
    Kernel(Explained),
    Link(LinkFault),
    BelowOfferedRate {
        offered: f64,
        achieved: f64,
    },
    NotAllEstablished {
        requested: u32,
        established: u32,
    },
    ConnectionsLost {
        lost: u64,
        reconnects: u64,
    },
    ErrorsSeen {
        failed: u64,
        scheduled: u64,
    },
    StrayReplies {
        stray: u64,
    },
    LateBounds {
        censored: u64,
    },
    Clamped {
        values: u64,
    },
    FewSamples(Short),
    NoSteadyState {
        what: &'static str,
        change: f64,
    },
    NotSharp {
        achieved: Option<f64>,
    },
    SlowServerDrain,
    ServerEnded {
        how: String,
    },
    PartsMissing {
        numbers: Vec<u32>,
        of: u32,
    },
    PartsApart {
        skew_s: f64,
        measured_s: f64,
    },
    Unverified,
    UnaskedCertificate,
    GivenUp {
        asked: u64,
        scheduled: u64,
    },
    Unbalanced {
        scheduled: u64,
        ended: u64,
    },
    NotJudged,
    /// Of a stage of the load, by its name.
    InStage(String, Box<Finding>),
}

/// The code of every finding that says that the generator was the bottleneck; `--strict` makes
/// these an exit code.
pub const GENERATOR_LIMITED: &str = "generator-limited";

/// The codes of findings that are faults of the generator itself: what was counted is kept,
/// and a gate does not let it pass.
pub const FAULTS: [&str; 2] = [UNBALANCED, NOT_JUDGED];

/// The code of the finding that a server that was started for the run ended before it.
pub const SERVER_ENDED: &str = "server-ended";

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
        code if explained::CODES.contains(&code) => Verdict::Valid,
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
            Self::InStage(_, finding) => finding.severity(),
            // An explanation takes nothing from a number.
            Self::Kernel(_) => Verdict::Valid,
            _ => Verdict::Qualified,
        }
    }

    /// Code, cause and remedy, as in [`Warning`], in the nouns of the workload.
    pub(super) fn warning(&self, nouns: Nouns) -> Warning {
        let (code, message, remedy) = self.words(nouns);
        Warning { code: code.into(), message, remedy }
    }

    fn words(&self, nouns: Nouns) -> (&'static str, String, String) {
        if let Self::FewSamples(short) = self {
            return short.words();
        }
        if let Self::InStage(stage, finding) = self {
            let (code, message, remedy) = finding.words(nouns);
            return (code, format!("{stage}: {message}"), remedy);
        }
        let (code, message, remedy) = self.fixed(nouns);
        (code, message, remedy.into())
    }

    /// The same of findings whose remedy is always the same.
    fn fixed(&self, nouns: Nouns) -> (&'static str, String, &'static str) {
        let Nouns { counted, answer, .. } = nouns;
        match self {
            Self::Generator(limit) => limit.words(nouns),
            Self::Kernel(explained) => explained.words(nouns),
            Self::Link(fault) => fault.words(),
            Self::NothingMeasured => (
                "nothing-measured",
                nothing_measured(nouns),
                "no latency is reported; see the errors",
            ),
            Self::Interrupted { measured_s } => (
                "interrupted",
                format!("a signal ended the run after {measured_s:.1} s of its window"),
                "the numbers cover what was measured until then",
            ),
            Self::NoReplies { silent_s, load_s, wrong } => (
                "no-replies",
                no_replies(*silent_s, *load_s, *wrong, answer),
                "the numbers describe the part before; check whether the server failed",
            ),
            Self::Starved { starved, connections } => (
                "starved-connections",
                starved_parties(*starved, *connections, nouns),
                "check the server's limits and workers; the percentiles describe the others",
            ),
            Self::Unfair { below_tenth, connections, median } => (
                "unfair",
                unfair(*below_tenth, *connections, *median, nouns),
                "the median describes those served fast; see the server's scheduling",
            ),
            Self::LittlesLaw { in_flight, expected } => (
                "littles-law",
                littles_law(*in_flight, *expected, counted),
                "rate x mean latency must be the mean in flight; see failures and warm-up",
            ),
            Self::BelowOfferedRate { offered, achieved } => (
                "below-offered-rate",
                below_offered(*achieved, *offered, nouns),
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
                format!("{failed} of {scheduled} {} failed", counted.of(*scheduled)),
                "percentiles cover what succeeded, and lower bounds; see the errors",
            ),
            Self::StrayReplies { stray } => (
                "stray-replies",
                stray_replies(*stray, nouns),
                "nothing was waiting for them; see the errors",
            ),
            Self::LateBounds { censored } => (
                "lower-bounds",
                late_bounds(*censored, nouns),
                "percentiles marked >= are lower bounds; a longer --timeout or --drain tells more",
            ),
            Self::Clamped { values } => ("clamped", clamped(*values), "lower --timeout"),
            Self::FewSamples(_) | Self::InStage(..) => ("few-samples", String::new(), ""),
            Self::NoSteadyState { what, change } => (
                "no-steady-state",
                format!("{what} drifted by {:+.1} % over the window", change * 100.0),
                "raise --warmup or --duration, and look at the intervals",
            ),
            Self::GivenUp { asked, scheduled } => (
                "given-up",
                format!(
                    "no successful {} after {scheduled} of {asked} {}",
                    answer.one,
                    counted.of(*asked)
                ),
                "the run ended without the rest; see the errors",
            ),
            Self::Unbalanced { scheduled, ended } => {
                (UNBALANCED, unbalanced(*scheduled, *ended, counted), FAULT_REMEDY)
            }
            Self::NotSharp { achieved } => {
                ("until-not-reached", not_sharp(*achieved), AGAINST_NOT_SHARP)
            }
            Self::NotJudged => (NOT_JUDGED, NOT_JUDGED_CAUSE.into(), FAULT_REMEDY),
            Self::PartsMissing { numbers, of } => parts_missing(numbers, *of),
            Self::PartsApart { skew_s, measured_s } => parts_apart(*skew_s, *measured_s),
            Self::Unverified => unverified(),
            Self::UnaskedCertificate => (
                "client-certificate-unasked",
                "the server asked for no client certificate: --cert was not used".into(),
                "handshakes lack the cost of that check; have the server require it (--client-ca)",
            ),
            Self::SlowServerDrain => server_not_stopped(),
            Self::ServerEnded { how } => server_ended(how),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::small_plan::plan_with;
    use echo_bench_engine::plan::WorkloadPlan;
    use echo_bench_engine::schedule::Arrival;

    #[test]
    fn warnings_of_a_chat_are_of_deliveries_and_members() {
        let chat = plan_with(|plan| {
            plan.connections = 3;
            let arrival = Arrival::Constant;
            plan.load =
                echo_bench_engine::plan::Load::Open { rate_per_s: 10.0, arrival, pipeline: 1 };
            plan.workload = WorkloadPlan::Chat { deaf: 0 };
        });
        let own = Limit::OwnShare { quantile: "p99", share: 0.5, generator_ns: 5, late: false };
        for finding in [
            Finding::Generator(own),
            Finding::NothingMeasured,
            Finding::NoReplies { silent_s: 1.0, load_s: 2.0, wrong: true },
            Finding::Starved { starved: 1, connections: 3 },
            Finding::Unfair { below_tenth: 1, connections: 3, median: 70 },
            Finding::LittlesLaw { in_flight: 2.0, expected: 1.0 },
            Finding::Kernel(Explained::Timeouts { share: 0.1, count: 2 }),
            Finding::BelowOfferedRate { offered: 2.0, achieved: 1.0 },
            Finding::ErrorsSeen { failed: 1, scheduled: 2 },
            Finding::StrayReplies { stray: 1 },
            Finding::LateBounds { censored: 1 },
            Finding::GivenUp { asked: 3, scheduled: 1 },
            Finding::Unbalanced { scheduled: 2, ended: 1 },
        ] {
            let told = finding.warning(Nouns::of(&chat)).to_string();
            let told = told.split_once(": ").unwrap().1.to_lowercase();
            let plain = finding.warning(Nouns::default()).to_string();
            for other in ["request", "repl", "connections got"] {
                assert!(!told.contains(other), "{told}");
            }
            assert!(!plain.contains("deliver") && !plain.contains("member"), "{plain}");
        }
    }
}
