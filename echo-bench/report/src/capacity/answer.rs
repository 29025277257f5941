//! What a search comes to: the [`answer`](of), what limits the server there, and how searches
//! [`compare`].

use super::judge::{deciding, used};
use super::search::{Bracket, Ending};
use super::{
    Answer, Ended, Level, LevelComparison, Limit, LimitKind, RateReason, RateReport,
    RateVerdict,
};
use crate::report::{Slo, SloOutcome, SloVerdict};

/// Cores, or a link, as busy as this are taken to be used up: the rest goes to waiting in between.
const BUSY: f64 = 0.85;

/// A server of unknown workers that keeps this much of one core busy works on one alone.
const ONE_CORE: std::ops::RangeInclusive<f64> = 0.9..=1.05;

/// Cores that a server can use.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cores {
    /// Whether its number of workers is known.
    pub workers_known: bool,
    /// Those that it may keep busy: no more than it has workers, and CPUs to run on.
    pub usable: Option<usize>,
    /// Those of the machine, where the server runs on it.
    pub machine: Option<usize>,
}

/// What a search comes to that ended so, with all its `rates`.
pub fn of(
    bracket: &Bracket,
    ending: Ending,
    rates: &[RateReport],
    slos: &[Slo],
    cores: Cores,
) -> Answer {
    let at = |end: Option<f64>| {
        end.and_then(|end| rates.iter().find(|rate| rate.rate_per_s.total_cmp(&end).is_eq()))
    };
    let ended = match (ending, bracket.high, bracket.generator) {
        // More time would not have shown more.
        (Ending::Budget, None, Some(limit)) if !is_open_below(rates, limit) => Ended::Generator,
        _ => ending.into(),
    };
    // The rate that fails next above those that pass; without one, where nothing more is learned.
    let decisive = at(bracket.high)
        .or_else(|| at(bracket.generator).filter(|_| ended == Ended::Generator));
    let decided_by = decisive
        .filter(|rate| rate.fails_by_objective())
        .and_then(|rate| deciding(slos, &rate.slos))
        .map(|(slo, _)| slo.to_string());
    Answer {
        rate_per_s: estimate(bracket, rates, slos),
        low_per_s: bracket.low,
        high_per_s: bracket.high,
        ended,
        decided_by,
        limit: decisive.and_then(|rate| limit(rate, cores)),
    }
}

/// Whether a rate below `limit` is undecided.
fn is_open_below(rates: &[RateReport], limit: f64) -> bool {
    let undecided = |rate: &&RateReport| rate.verdict == RateVerdict::Undecided;
    rates.iter().filter(undecided).any(|rate| rate.rate_per_s < limit)
}

impl From<Ending> for Ended {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Precise => Self::Precise,
            Ending::Undecided => Self::Undecided,
            Ending::Budget => Self::Budget,
            Ending::AtMost => Self::AtMaxRate,
            Ending::AtLeast => Self::AtMinRate,
            Ending::Generator => Self::Generator,
            Ending::Broken => Self::Broken,
            Ending::Interrupted => Self::Interrupted,
        }
    }
}

/// Where what is measured reaches its limit: between the first two rates of the interval of which
/// one is below and the other at or beyond it, both on logarithmic scales.
fn estimate(bracket: &Bracket, rates: &[RateReport], slos: &[Slo]) -> Option<f64> {
    let (low, high) = (bracket.low?, bracket.high?);
    let middle = (low * high).sqrt();
    let near = rates.iter().filter(|rate| (low..=high).contains(&rate.rate_per_s));
    let load = |rate: &RateReport| {
        let used = rate.slos.iter().filter_map(|outcome| {
            let slo = slos.iter().find(|slo| slo.to_string() == outcome.slo)?;
            used(slo, outcome)
        });
        let most = used.fold(0.0, f64::max);
        Some((rate.rate_per_s.ln(), most.ln())).filter(|(_, load)| load.is_finite())
    };
    let points: Option<Vec<(f64, f64)>> = near.map(load).collect();
    let crossing = points.and_then(|points| {
        let pair = points.windows(2).find(|pair| pair[0].1 < 0.0 && pair[1].1 >= 0.0)?;
        let share = -pair[0].1 / (pair[1].1 - pair[0].1);
        Some((pair[0].0 + share * (pair[1].0 - pair[0].0)).exp())
    });
    Some(crossing.unwrap_or(middle).clamp(low, high))
}

/// What was used up at a rate that failed, or why it failed; `None` if that is not known.
fn limit(rate: &RateReport, cores: Cores) -> Option<Limit> {
    let busy = rate.server_busy;
    let machine = cores.machine.map(|cores| cores as f64);
    let one = !cores.workers_known && busy.is_some_and(|busy| ONE_CORE.contains(&busy));
    let server_cores = if one { Some(1.0) } else { cores.usable.map(|cores| cores as f64) };
    let used_up = |busy: f64, of: Option<f64>| {
        of.is_some_and(|cores| cores > 0.0 && busy >= BUSY * cores)
    };
    let both = busy.map(|busy| busy + rate.client_busy.unwrap_or(0.0));
    let kind = match rate.reason {
        Some(RateReason::Generator) => LimitKind::Generator,
        Some(RateReason::Link) => LimitKind::Forwarder,
        _ if rate.is_limited_by_link() => LimitKind::Link,
        _ if busy.is_some_and(|busy| used_up(busy, server_cores)) => LimitKind::ServerCpu,
        _ if both.is_some_and(|both| used_up(both, machine)) => LimitKind::MachineCpu,
        Some(RateReason::Timeouts) => LimitKind::Timeouts,
        Some(RateReason::Backlog) => LimitKind::Backlog,
        _ if busy.is_some() => LimitKind::NotCpu,
        _ => return None,
    };
    Some(Limit { kind, server_busy: busy, server_cores })
}

impl RateReport {
    /// Whether an objective decides that it fails. Older reports have no reason.
    fn fails_by_objective(&self) -> bool {
        match self.reason {
            Some(reason) => reason == RateReason::Objective,
            None => self.backlog.is_none(),
        }
    }

    /// Whether as much went through the emulated link as fits, or more came than its queue holds.
    fn is_limited_by_link(&self) -> bool {
        self.link_busy.is_some_and(|busy| busy >= BUSY)
            || self.link_dropped.is_some_and(|dropped| dropped > 0)
    }
}

/// What becomes of the objectives on throughput: floors of the answer, judged on its interval.
pub fn floors(slos: &[Slo], answer: &Answer) -> Vec<SloOutcome> {
    let floor = |slo: &Slo| {
        let least = slo.least_per_s()? as f64;
        let met = answer.low_per_s.is_some_and(|low| low > least);
        let missed = answer.high_per_s.is_some_and(|high| high <= least);
        let outcome = match (met, missed) {
            (true, _) => SloVerdict::Met,
            (_, true) => SloVerdict::Missed,
            _ => SloVerdict::Undecided,
        };
        Some(SloOutcome {
            measured: answer.rate_per_s.or(answer.low_per_s),
            interval: answer.low_per_s.zip(answer.high_per_s).map(|(low, high)| [low, high]),
            met,
            outcome: Some(outcome),
            ..slo.unknown()
        })
    };
    slos.iter().filter_map(floor).collect()
}

/// Each search against the first.
pub fn compare(levels: &[Level]) -> Vec<LevelComparison> {
    let Some((first, others)) = levels.split_first() else { return Vec::new() };
    let (base, by) = (&first.answer, |a: Option<f64>, b: Option<f64>| Some(a? / b?));
    others
        .iter()
        .enumerate()
        .map(|(place, Level { answer, .. })| LevelComparison {
            base: 0,
            level: place + 1,
            ratio: by(answer.rate_per_s, base.rate_per_s),
            interval: [
                by(answer.low_per_s, base.high_per_s),
                by(answer.high_per_s, base.low_per_s),
            ],
        })
        .collect()
}

#[cfg(test)]
mod tests;
