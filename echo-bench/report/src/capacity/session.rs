//! A search with what its runs gave: [`Session`]. It says what to run next, takes the reports, and
//! becomes a [`Level`] of the result.

use std::time::Duration;

use super::answer::{self, Cores};
use super::judge::judge;
use super::search::{Bounds, Ending, Judged, Next, Search};
use super::{Approach, Level, RateReport, RateVerdict, RunNote};
use crate::report::{Environment, Report, Slo};
use echo_bench_engine::plan::Target;

/// A search for one level with what its runs gave.
#[derive(Debug)]
pub struct Session {
    name: String,
    levels: Vec<String>,
    slos: Vec<Slo>,
    search: Search,
    /// Every run, with its rate and from which side that was approached.
    runs: Vec<(f64, Approach, Report)>,
    notes: Vec<RunNote>,
    rates: Vec<RateReport>,
    failures: Vec<String>,
    closed_loop_per_s: Option<f64>,
}

impl Session {
    /// A search for the level of this name that has not begun.
    pub fn new(name: String, levels: Vec<String>, slos: Vec<Slo>, bounds: Bounds) -> Self {
        Self {
            name,
            levels,
            slos,
            search: Search::new(bounds),
            runs: Vec::new(),
            notes: Vec::new(),
            rates: Vec::new(),
            failures: Vec::new(),
            closed_loop_per_s: None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What to measure next.
    pub fn next(&self) -> Next {
        self.search.next()
    }

    /// The time that is left for its runs.
    pub fn left(&self) -> Duration {
        self.search.left()
    }

    /// The first of its reports.
    pub fn first(&self) -> Option<&Report> {
        self.runs.first().map(|(.., report)| report)
    }

    /// The closed loop gave this; a reason, if it gave no report.
    pub fn probed(&mut self, outcome: Result<&Report, &str>, took: Duration) {
        if let Err(reason) = outcome {
            self.failures.push(format!("closed loop: {reason}"));
        }
        self.closed_loop_per_s = outcome.ok().and_then(|report| report.summary.achieved_per_s);
        self.search.record_probe(self.closed_loop_per_s, took);
    }

    /// Whether a report says what the server does at this rate. Without a successful reply it
    /// does if all requests timed out: the server does not serve that rate. At the lowest rate it
    /// serves none, and there is nothing to search for.
    pub fn told_by(&self, rate: f64) -> impl FnOnce(&Report) -> bool + use<> {
        let may_fail = rate > self.search.lowest();
        move |report| {
            let requests = &report.summary.requests;
            requests.ok > 0 || (may_fail && requests.have_timed_out())
        }
    }

    /// A step gave this report, or a reason why there is none. What the rate comes to with it.
    pub fn stepped(
        &mut self,
        rate: f64,
        windows: u32,
        approach: Approach,
        outcome: Result<Report, String>,
        took: Duration,
    ) -> Option<&RateReport> {
        let report = match outcome {
            Ok(report) => report,
            Err(reason) => return self.failed(rate, &reason, took),
        };
        let measured_s = report.summary.measured_s;
        self.runs.push((rate, approach, report));
        let of = |side: Option<Approach>| {
            let is = |run: &&(f64, Approach, Report)| {
                run.0.total_cmp(&rate).is_eq() && side.is_none_or(|side| side == run.1)
            };
            let runs: Vec<&Report> = self.runs.iter().filter(is).map(|run| &run.2).collect();
            judge(rate, &runs, &self.slos)
        };
        let judged = of(None).and_then(|all| Ok((all, of(Some(approach))?)));
        let (mut all, side) = match judged {
            Ok(judged) => judged,
            Err(reason) => {
                self.runs.pop();
                return self.failed(rate, &reason.to_string(), took);
            }
        };
        let (verdict, from_this_side) = (all.verdict, side.verdict);
        self.search.record(rate, windows, Judged { verdict, from_this_side }, took);
        if self.search.differs(rate) {
            all.verdict = RateVerdict::Differs;
        }
        let verdict = from_this_side;
        self.notes.push(RunNote { rate_per_s: rate, measured_s, approach, verdict });
        let place = self.rates.partition_point(|known| known.rate_per_s < rate);
        match self.rates.get_mut(place) {
            Some(known) if known.rate_per_s <= rate => *known = all,
            _ => self.rates.insert(place, all),
        }
        self.rates.get(place)
    }

    fn failed(&mut self, rate: f64, reason: &str, took: Duration) -> Option<&RateReport> {
        self.failures.push(format!("{rate} requests/s: {reason}"));
        self.search.record_failure(took);
        None
    }

    /// What it comes to; `None` as its ending: it was interrupted.
    pub fn finish(&self, ending: Option<Ending>) -> Level {
        let ending = ending.unwrap_or(Ending::Interrupted);
        let bracket = self.search.interval();
        let cores = self.first().map_or_else(Cores::default, cores);
        let answer = answer::of(&bracket, ending, &self.rates, &self.slos, cores);
        Level {
            name: self.name.clone(),
            levels: self.levels.clone(),
            floors: answer::floors(&self.slos, &answer),
            answer,
            closed_loop_per_s: self.closed_loop_per_s,
            rates: self.rates.clone(),
            runs: self.notes.clone(),
            failures: self.failures.clone(),
            spent_s: self.search.spent().as_secs_f64(),
        }
    }

    /// Where it ran.
    pub fn environment(&self) -> Option<&Environment> {
        self.first().map(|report| &report.environment)
    }
}

/// The cores that the server of a run could use.
fn cores(report: &Report) -> Cores {
    let workers = match &report.plan.target {
        Target::Embedded { server } => server.workers,
        _ => None,
    };
    let is_here = workers.is_some() || report.server.is_some();
    let machine = report.environment.cores.filter(|_| is_here);
    Cores {
        workers_known: workers.is_some(),
        usable: report.plan.server_cores(machine),
        machine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::fixture::{BOUNDS, run};

    /// A run of which no request succeeded, and so many timed out.
    fn without_success(rate: f64, timeouts: u64, slos: &[Slo]) -> Report {
        let mut report = run(0, rate, 1_000, 0, slos);
        let requests = &mut report.summary.requests;
        (requests.timeout, requests.reset) = (timeouts, requests.ok - timeouts);
        requests.ok = 0;
        report.summary.answered_in_window = 0;
        report
    }

    #[test]
    fn a_rate_at_which_all_requests_time_out_has_failed_but_for_the_lowest() {
        let slos: Vec<Slo> = vec!["p99<2ms".parse().unwrap()];
        let mut session = Session::new(String::new(), Vec::new(), slos.clone(), BOUNDS);
        session.probed(Ok(&run(0, 1.0, 500, 0, &slos)), Duration::from_secs(2));
        let Next::Step { rate, windows, approach } = session.next() else { panic!("a step") };
        let silent = without_success(rate, 2_000, &slos);
        assert!(session.told_by(rate)(&silent));
        assert!(!session.told_by(BOUNDS.min_rate)(&silent), "it serves no rate");
        assert!(!session.told_by(rate)(&without_success(rate, 1_999, &slos)), "a reset");
        assert!(session.told_by(BOUNDS.min_rate)(&run(0, rate, 500, 0, &slos)));
        let took = Duration::from_secs(2);
        let judged = session.stepped(rate, windows, approach, Ok(silent), took).unwrap();
        assert_eq!(judged.verdict, RateVerdict::Failed);
        assert_eq!(judged.reason, Some(crate::capacity::RateReason::Timeouts));
        let Next::Step { rate: lower, .. } = session.next() else { panic!("a step") };
        assert!(lower < rate, "{lower}");
    }
}
