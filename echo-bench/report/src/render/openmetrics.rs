//! A finished run as metrics, for the textfile collector of `node_exporter`: in the text format of
//! Prometheus that it reads. All are gauges, of the last run that was written there, but for the
//! latencies as a histogram. What was not measured is missing, and never 0.

use std::collections::BTreeMap;
use std::fmt;

use echo_metrics::{Families, Source, Times, page, seconds};
use echo_proto::terminal::one_line;

use crate::report::{LatencySummary, QUANTILES, Quantile, Report, store};

/// Upper ends of the histogram's buckets: three to a power of ten, from 1 us to 100 s.
const BOUNDS: [u64; 25] = bounds();

const fn bounds() -> [u64; 25] {
    let (mut bounds, mut power, mut place) = ([0; 25], 1000, 0);
    while place < 24 {
        bounds[place] = power;
        bounds[place + 1] = power * 2;
        bounds[place + 2] = power * 5;
        (power, place) = (power * 10, place + 3);
    }
    bounds[24] = power;
    bounds
}

/// The metrics of a run.
pub fn report(report: &Report) -> String {
    page(Run(Box::new(report.clone())))
}

struct Run(Box<Report>);

impl Source for Run {
    fn collect(&self, families: &mut Families<'_>) -> fmt::Result {
        let report = &*self.0;
        families.info(
            "echo_bench_run",
            "Load, labels and version of the run",
            &facts(report),
        )?;
        if let Ok(at) = humantime::parse_rfc3339(&report.started_at)
            && let Ok(since) = at.duration_since(std::time::UNIX_EPOCH)
        {
            let help = "When the run began, since the epoch";
            families.gauge(seconds("echo_bench_run_start_time"), help, since.as_secs_f64())?;
        }
        counts(report, families)?;
        if let Some(response) = &report.summary.latency.response {
            latencies(response, families)?;
        }
        judgements(report, families)
    }
}

/// Facts as labels. Names of the user's own are made fit; of two that are alike then, one stays.
fn facts(report: &Report) -> Vec<(String, String)> {
    let mut facts: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in &report.labels {
        let fit = |sign: char| if sign.is_ascii_alphanumeric() { sign } else { '_' };
        let name: String = key.chars().map(fit).collect();
        facts.insert(format!("label_{name}"), one_line(value));
    }
    facts.insert("version".into(), one_line(&report.tool.version));
    facts.insert("load".into(), one_line(&store::in_words(&report.plan)));
    facts.into_iter().collect()
}

fn counts(report: &Report, families: &mut Families<'_>) -> fmt::Result {
    let summary = &report.summary;
    let help = "Length of the measured window";
    families.gauge(seconds("echo_bench_run_measured"), help, summary.measured_s)?;
    families.gauges(
        "echo_bench_run_requests",
        "Requests of the measured window, by how they ended",
        "outcome",
        summary.requests.endings().map(|(ending, count)| (ending.name, count)),
    )?;
    if let Some(rate) = summary.achieved_per_s {
        let help = "Successful replies per second within the window";
        families.gauge("echo_bench_run_achieved_rate", help, rate)?;
    }
    if let Some(rate) = summary.offered_per_s {
        let help = "Requests per second that fell due (open loop)";
        families.gauge("echo_bench_run_offered_rate", help, rate)?;
    }
    let cpu = [
        ("client", summary.cpu.client_us_per_message),
        ("server", summary.cpu.server_us_per_message),
    ];
    let cpu = cpu.into_iter().filter_map(|(side, us)| Some((side, us? / 1e6)));
    families.gauges(
        seconds("echo_bench_run_cpu_per_message"),
        "CPU time per successful reply, by side",
        "side",
        cpu,
    )
}

fn latencies(response: &LatencySummary, families: &mut Families<'_>) -> fmt::Result {
    if let Some(latency) = response.latency() {
        let mut buckets: Vec<(Option<u64>, u64)> = BOUNDS.map(|end| (Some(end), 0)).to_vec();
        buckets.push((None, 0));
        for value in latency.histogram().iter_recorded() {
            let place = BOUNDS.partition_point(|end| *end < value.value_iterated_to());
            buckets[place].1 += value.count_at_value();
        }
        let help = "Response latency; unanswered requests count with their age";
        let sum_ns = response.mean_ns * response.count as f64;
        families.times("echo_bench_run_response", help, &Times { sum_ns, buckets })?;
    }
    let percentile = |known: &Quantile| known.name.trim_start_matches('p').to_owned();
    let all = || QUANTILES.iter().map(move |known| (percentile(known), known));
    let values = all().map(|(of, known)| (of, response.quantile_ns(known) as f64 / 1e9));
    families.gauges(
        seconds("echo_bench_run_response_percentile"),
        "Response latency at a percentile",
        "percentile",
        values,
    )?;
    let is_weak = |known| u64::from(response.weakness(known).is_some());
    families.gauges(
        "echo_bench_run_response_percentile_weak",
        "1: the sample is too small for a 95 % interval of the percentile",
        "percentile",
        all().map(|(of, known)| (of, is_weak(known))),
    )?;
    let is_bound = |known| u64::from(response.is_lower_bound(response.quantile_ns(known)));
    families.gauges(
        "echo_bench_run_response_percentile_lower_bound",
        "1: the true value is as large or larger, since requests were never answered",
        "percentile",
        all().map(|(of, known)| (of, is_bound(known))),
    )
}

fn judgements(report: &Report, families: &mut Families<'_>) -> fmt::Result {
    let help = "1: the verdict of the run";
    let verdict = report.verdict.to_string();
    families.gauges("echo_bench_run_verdict", help, "verdict", [(verdict, 1_u64)])?;
    if report.slos.is_empty() {
        return Ok(());
    }
    let met = report.slos.iter().map(|slo| (one_line(&slo.label()), u64::from(slo.met)));
    families.gauges(
        "echo_bench_run_objective_met",
        "1: the objective is known to be met; 0: missed or undecided",
        "objective",
        met.collect::<BTreeMap<_, _>>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_rise_by_three_to_a_power_of_ten() {
        assert_eq!(BOUNDS[..4], [1_000, 2_000, 5_000, 10_000]);
        assert_eq!(BOUNDS[24], 100_000_000_000);
        assert!(BOUNDS.is_sorted());
    }
}
