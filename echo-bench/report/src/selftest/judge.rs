//! Holds a report against what its run must have measured: [`Oracle::judge`].

use std::time::Duration;

use super::{Expectation, Oracle, Subject, Unit, closed_form};
use crate::report::{GENERATOR_LIMITED, LatencySummary, Report, Verdict};

/// A delay is never shorter; what is recorded is so to three digits.
const SHORTER: f64 = 0.01;

/// By so much a delay may be longer: sleeps end late.
const LONGER: f64 = 0.04;
const LONGER_NS: f64 = 300_000.0;

/// By so much the pauses between the requests of a closed loop may lower its rate.
const SLOWER: f64 = 0.07;

/// By so much the quantiles of a stall may be off.
const STALL: f64 = 0.05;

/// By so much the two sides of Little's law may differ.
const LITTLE: f64 = 0.02;

/// The quantiles by which a stall is judged.
const STALLED: [(&str, f64); 3] = [("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];

/// The least share of the time for which a generator was stopped that it must say.
const SEEN: f64 = 0.8;

impl Oracle {
    /// What was expected of this run of `subject`, and what it measured; `committed` is how many
    /// faults its server says that it injected.
    pub fn judge(self, subject: &Subject, report: &Report, committed: u64) -> Vec<Expectation> {
        let servers = |connections: u32| match subject.pool {
            None => 1,
            // A connection for each request.
            Some(0) => connections,
            Some(size) => size.min(connections),
        };
        match self {
            Self::FixedDelay { delay, depth } => batch(report, depth, servers(depth), delay),
            Self::Arrivals { delay, .. } => {
                let delay = delay.as_nanos() as f64;
                ["min", "p50", "mean"].map(|name| delayed(report, name, delay)).into()
            }
            Self::ClosedLoop { delay, connections, .. } => {
                // Without a pool each connection has a server of its own.
                let servers = subject.pool.map_or(connections, |_| servers(connections));
                closed_loop(report, connections, servers, delay)
            }
            Self::Stall { length, window, .. } => {
                let of = |(name, quantile)| {
                    let expected = closed_form::stall_ns(quantile, length, window);
                    let accepted = [expected * (1.0 - STALL), expected * (1.0 + STALL)];
                    time(report, name, expected, accepted)
                };
                STALLED.map(of).into()
            }
            Self::Starved { connections, served, .. } => {
                starved(report, (connections - served.min(connections)).into())
            }
            Self::Drop { requests, .. } => {
                // Of the last of a connection no successor reveals that it was dropped.
                let found = errors(report, &["dropped", "timeout"]);
                faults(report, ("dropped replies", found), committed, requests, committed)
            }
            Self::Corrupt { requests, .. } => {
                let found = errors(report, &["corrupt"]);
                faults(report, ("corrupt replies", found), committed, requests, committed)
            }
            Self::Duplicate { requests, .. } => {
                let found = errors(report, &["duplicated", "unsolicited"]);
                faults(report, ("second replies", found), committed, requests, 0)
            }
            Self::Frozen { length, .. } => frozen(report, length),
        }
    }
}

fn batch(report: &Report, depth: u32, servers: u32, delay: Duration) -> Vec<Expectation> {
    let quantile = |name, quantile| {
        delayed(report, name, closed_form::batch_ns(quantile, depth, servers, delay))
    };
    let mean = closed_form::batch_mean_ns(depth, servers, delay);
    vec![
        quantile("p50", 0.5),
        quantile("p99", 0.99),
        quantile("max", 1.0),
        delayed(report, "mean", mean),
    ]
}

fn closed_loop(
    report: &Report,
    connections: u32,
    servers: u32,
    delay: Duration,
) -> Vec<Expectation> {
    let rate = closed_form::rate_per_s(servers, delay);
    let (in_flight, summary) = (f64::from(connections), &report.summary);
    let little = summary.latency.response.as_ref().and_then(|response| {
        let work_ns = response.count as f64 * response.mean_ns;
        let expected = work_ns / 1e9 / summary.measured_s;
        let ratio = expected / summary.in_flight_mean?;
        ratio.is_finite().then_some(ratio)
    });
    vec![
        Expectation {
            name: "rate".into(),
            unit: Unit::PerSecond,
            expected: rate,
            accepted: [rate * (1.0 - SLOWER), rate * (1.0 + SHORTER)],
            measured: summary.achieved_per_s,
        },
        Expectation {
            name: "in flight".into(),
            unit: Unit::Number,
            expected: in_flight,
            accepted: [in_flight * (1.0 - LITTLE), in_flight * (1.0 + LITTLE)],
            measured: summary.in_flight_mean,
        },
        Expectation {
            name: "Little's law".into(),
            unit: Unit::Number,
            expected: 1.0,
            accepted: [1.0 - LITTLE, 1.0 + LITTLE],
            measured: little,
        },
    ]
}

fn starved(report: &Report, starved: u64) -> Vec<Expectation> {
    let fairness = report.summary.fairness.as_ref();
    let warned = report.warnings.iter().any(|warning| {
        warning.code == "starved-connections"
            && warning.message.starts_with(&format!("{starved} of "))
    });
    vec![
        count("starved", starved, fairness.map(|fairness| fairness.starved)),
        Expectation::yes("said so", warned),
        Expectation::yes("invalid", report.verdict == Verdict::Invalid),
    ]
}

/// Faults that were found as often as they were injected, each of which cost so many requests.
fn faults(
    report: &Report,
    (name, found): (&str, u64),
    committed: u64,
    requests: u32,
    cost: u64,
) -> Vec<Expectation> {
    let requests = u64::from(requests);
    let scheduled = report.summary.requests.scheduled;
    let ok = report.summary.requests.ok;
    vec![
        Expectation::yes("injected any", committed > 0),
        count(name, committed, Some(found)),
        count("scheduled", requests, Some(scheduled)),
        count("ok", requests.saturating_sub(cost), Some(ok)),
        Expectation::yes("not valid", report.verdict != Verdict::Valid),
    ]
}

fn frozen(report: &Report, length: Duration) -> Vec<Expectation> {
    let denied = report.threads.iter().filter_map(|thread| thread.denied);
    let stopped = length.as_secs_f64() / report.summary.measured_s.max(f64::MIN_POSITIVE);
    let expected = stopped.min(1.0);
    let warned = report.warnings.iter().any(|warning| warning.code == GENERATOR_LIMITED);
    vec![
        Expectation {
            name: "stopped".into(),
            unit: Unit::Share,
            expected,
            // Others may have kept it from running besides.
            accepted: [expected * SEEN, 1.0],
            measured: denied.reduce(f64::min),
        },
        Expectation::yes("said so", warned),
        Expectation::yes("not valid", report.verdict != Verdict::Valid),
    ]
}

/// A latency that a server which never answers early decides.
fn delayed(report: &Report, name: &str, expected: f64) -> Expectation {
    let accepted = [expected * (1.0 - SHORTER), expected * (1.0 + LONGER) + LONGER_NS];
    time(report, name, expected, accepted)
}

fn time(report: &Report, name: &str, expected: f64, accepted: [f64; 2]) -> Expectation {
    let response = report.summary.latency.response.as_ref();
    let measured = response.and_then(|response| read(response, name));
    Expectation { name: name.into(), unit: Unit::Ns, expected, accepted, measured }
}

fn read(response: &LatencySummary, name: &str) -> Option<f64> {
    Some(match name {
        "min" => response.min_ns as f64,
        "mean" => response.mean_ns,
        "p50" => response.p50_ns as f64,
        "p90" => response.p90_ns as f64,
        "p95" => response.p95_ns as f64,
        "p99" => response.p99_ns as f64,
        "max" => response.max_ns as f64,
        _ => return None,
    })
}

fn count(name: &str, expected: u64, measured: Option<u64>) -> Expectation {
    let expected = expected as f64;
    Expectation {
        name: name.into(),
        unit: Unit::Count,
        expected,
        accepted: [expected; 2],
        measured: measured.map(|count| count as f64),
    }
}

fn errors(report: &Report, kinds: &[&str]) -> u64 {
    let of_kinds = report.errors.iter().filter(|error| kinds.contains(&&*error.kind));
    of_kinds.map(|error| error.count).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selftest::oracles;

    #[test]
    fn a_stall_is_judged_where_it_has_a_closed_form() {
        for oracle in [oracles(true), oracles(false)].concat() {
            if let Oracle::Stall { at, length, window, .. } = oracle {
                let from = 1.0 - length.as_secs_f64() / window.as_secs_f64();
                assert!(STALLED.iter().all(|(_, quantile)| *quantile > from));
                assert!(at + length < window);
            }
        }
    }
}
