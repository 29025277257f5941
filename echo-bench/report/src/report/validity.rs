//! Whether a stored report can be that of a run: its numbers are in range, every request is
//! accounted for, and the pieces of the window are no more than the whole.

use echo_bench_engine::plan::MOST_PARTS;

use super::document::{Invalid, Stored, Within, ensure};
use super::{
    CLOCKS, GeneratorShare, IntervalReport, LatencySummary, PartsReport, Report, Requests,
    SCHEMA, StageReport, Summary, hdr, numbers,
};

/// The longest time, in seconds: what fits into 64 bits of nanoseconds.
const LONGEST_S: f64 = 18_446_744_073.0;

/// The shortest time that is one.
const SHORTEST_S: f64 = 1e-9;

/// By how much lengths may be off for being rounded when they were added up.
const ROUNDING: f64 = 1e-6;

impl Stored for Report {
    const SCHEMA: &'static str = SCHEMA;

    fn validate(&self) -> Result<(), Invalid> {
        numbers::check("plan", &self.plan)?;
        numbers::check("environment", &self.environment)?;
        numbers::check("threads", &self.threads)?;
        numbers::check("errors", &self.errors)?;
        numbers::check("slos", &self.slos)?;
        numbers::check("start", &self.start)?;
        numbers::check("parts", &self.parts)?;
        self.parts.as_ref().map_or(Ok(()), |parts| parts.validate().within("parts"))?;
        self.summary.validate().within("summary")?;
        let listed = self.errors.iter().filter_map(|error| error.requests);
        let (listed, failed) =
            (listed.fold(0, u64::saturating_add), self.summary.requests.failed());
        let reason = format_args!("{listed} add up, and {failed} requests failed");
        ensure(listed <= failed, "errors[].requests", reason)?;
        for (place, interval) in self.intervals.iter().enumerate() {
            interval.validate().within(format_args!("intervals[{place}]"))?;
        }
        for (place, stage) in self.stages.iter().enumerate() {
            stage.validate(&self.summary).within(format_args!("stages[{place}]"))?;
        }
        stages_add_up(self).within("stages")?;
        let drained = self.drained.as_ref();
        drained.map_or(Ok(()), LatencySummary::validate).within("drained")?;
        pieces_add_up(self).within("intervals")
    }
}

impl Summary {
    fn validate(&self) -> Result<(), Invalid> {
        // Clocks have checks of their own; `numbers` looks at all the rest.
        numbers::check("", self)?;
        time("measured_s", self.measured_s)?;
        all_ended(&self.requests).within("requests")?;
        let latency = &self.latency;
        for clock in &CLOCKS {
            let summary = (clock.of)(self);
            summary.map_or(Ok(()), LatencySummary::validate).within(clock.field)?;
        }
        if let Some(share) = &self.generator_share {
            share.validate().within("generator_share")?;
        }
        if let Some([low, high]) = self.until.as_ref().and_then(|until| until.interval_ns) {
            ensure(low <= high, "until.interval_ns", "no interval")?;
        }
        let scheduled = self.requests.scheduled;
        ensure(
            values(latency.response.as_ref()) <= scheduled,
            "latency.response.count",
            format_args!("more than the {scheduled} requests"),
        )
    }
}

/// Every request ended, and in one way.
fn all_ended(requests: &Requests) -> Result<(), Invalid> {
    let (scheduled, ended) = (requests.scheduled, requests.ended());
    ensure(
        scheduled == ended,
        "scheduled",
        format_args!("{scheduled}, but the requests by how they ended are {ended}"),
    )
}

impl LatencySummary {
    /// Checks that it can be the summary of its histogram.
    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        let values = hdr::count(&self.hdr).map_err(|damage| Invalid::new("hdr", damage))?;
        ensure(
            self.count == values && values > 0,
            "count",
            format_args!("{}, but the histogram holds {values}", self.count),
        )?;
        let rising = [
            ("min_ns", self.min_ns),
            ("p50_ns", self.p50_ns),
            ("p90_ns", self.p90_ns),
            ("p95_ns", self.p95_ns),
            ("p99_ns", self.p99_ns),
            ("p99_9_ns", self.p99_9_ns),
            ("p99_99_ns", self.p99_99_ns),
            ("max_ns", self.max_ns),
        ];
        for pair in rising.windows(2) {
            let [(below, low), (name, high)] = [pair[0], pair[1]];
            ensure(low <= high, name, format_args!("{high} is below {below}"))?;
        }
        ensure(
            self.max_ns <= hdr::greatest_ns(),
            "max_ns",
            format_args!("{} is more than an hour", self.max_ns),
        )?;
        let most = self.max_ns as f64;
        for (name, value) in [("mean_ns", self.mean_ns), ("stdev_ns", self.stdev_ns)] {
            ensure(
                (0.0..=most).contains(&value),
                name,
                format_args!("{value} is not from 0 to max_ns"),
            )?;
        }
        for (name, part) in [("censored", self.censored), ("clamped", self.clamped)] {
            ensure(part <= values, name, format_args!("{part} of {values} values"))?;
        }
        ensure(
            (self.censored > 0) == self.least_censored_ns.is_some(),
            "least_censored_ns",
            "does not go with censored",
        )?;
        for (name, &[low, high]) in &self.ci95 {
            let inside = low <= high && high <= self.max_ns;
            ensure(inside, format_args!("ci95.{name}"), "no interval up to max_ns")?;
        }
        for (name, &worth) in &self.independent {
            let reason = format_args!("{worth} of {values} values");
            ensure(worth <= values, format_args!("independent.{name}"), reason)?;
        }
        Ok(())
    }
}

impl GeneratorShare {
    fn validate(&self) -> Result<(), Invalid> {
        self.response.validate().within("response")?;
        self.corrected.validate().within("corrected")?;
        for (name, part) in &self.quantiles {
            let reason = format_args!("{} is no share", part.share);
            ensure((0.0..=1.0).contains(&part.share), format_args!("{name}.share"), reason)?;
        }
        Ok(())
    }
}

impl PartsReport {
    /// Every part is there once, or is missing.
    fn validate(&self) -> Result<(), Invalid> {
        let missing = self.missing.iter().map(|part| part.number);
        let mut numbers: Vec<u32> =
            self.each.iter().map(|part| part.number).chain(missing).collect();
        numbers.sort_unstable();
        let all = self.of <= MOST_PARTS && numbers.into_iter().eq(1..=self.of);
        ensure(all, "each", "not every part is there once")?;
        for (place, part) in self.each.iter().enumerate() {
            let within = |field: &str| format!("each[{place}].{field}");
            time("measured_s", part.measured_s).within(format_args!("each[{place}]"))?;
            all_ended(&part.requests).within(within("requests"))?;
            let share = part.own_share.map_or(0.0, |own| own.share);
            let reason = format_args!("{share} is no share");
            ensure((0.0..=1.0).contains(&share), within("own_share.share"), reason)?;
        }
        Ok(())
    }
}

impl IntervalReport {
    fn validate(&self) -> Result<(), Invalid> {
        numbers::check("", self)?;
        time("at_s", self.at_s)?;
        time("length_s", self.length_s)?;
        self.response.as_ref().map_or(Ok(()), LatencySummary::validate).within("response")
    }
}

impl StageReport {
    fn validate(&self, whole: &Summary) -> Result<(), Invalid> {
        numbers::check("", self)?;
        time("at_s", self.at_s.unwrap_or(0.0))?;
        time("length_s", self.length_s)?;
        // Its clocks and counts are those of a run that is this stage alone.
        self.summary(whole).validate()
    }
}

/// Every request of the window is of one stage.
fn stages_add_up(report: &Report) -> Result<(), Invalid> {
    if report.stages.is_empty() {
        return Ok(());
    }
    let known = report.plan.load.stage_ends().len();
    let in_order = report.stages.iter().zip(1..).all(|(stage, number)| stage.number == number);
    let reason = format_args!("they are not the first of the {known} of the plan");
    ensure(in_order && report.stages.len() <= known, "[].number", reason)?;
    let sum = |of: fn(&Requests) -> u64| {
        report.stages.iter().map(|stage| of(&stage.requests)).fold(0, u64::saturating_add)
    };
    let whole = &report.summary.requests;
    for (name, stages, whole) in [
        ("scheduled", sum(|requests| requests.scheduled), whole.scheduled),
        ("ok", sum(|requests| requests.ok), whole.ok),
    ] {
        let reason = format_args!("{stages} add up, and the summary has {whole}");
        ensure(stages == whole, format_args!("[].requests.{name}"), reason)?;
    }
    Ok(())
}

/// The pieces of the window hold what the whole holds; where nothing was answered right, the
/// latencies of a piece are left out.
fn pieces_add_up(report: &Report) -> Result<(), Invalid> {
    let sum = |of: fn(&IntervalReport) -> u64| {
        report.intervals.iter().map(of).fold(0, u64::saturating_add)
    };
    let Summary { requests, latency, measured_s, .. } = &report.summary;
    // A window without length has no pieces.
    if report.intervals.is_empty() && *measured_s == 0.0 {
        return Ok(());
    }
    let failed = requests.failed();
    for (name, pieces, whole) in [
        ("ok", sum(|piece| piece.ok), requests.ok),
        ("errors", sum(|piece| piece.errors), failed),
    ] {
        let reason = format_args!("{pieces} add up, and the summary has {whole}");
        ensure(pieces == whole, format_args!("[].{name}"), reason)?;
    }
    let (pieces, whole) =
        (sum(|piece| piece.answered.unwrap_or(0)), report.summary.answered_in_window);
    let reason = format_args!("{pieces} add up, and the summary has {whole}");
    ensure(pieces <= whole, "[].answered", reason)?;
    // The clocks of a load with stages are theirs, and every value is of a request.
    let is_staged = !report.stages.is_empty() && latency.response.is_none();
    let whole = if is_staged { requests.scheduled } else { values(latency.response.as_ref()) };
    let pieces = sum(|piece| values(piece.response.as_ref()));
    let pieces = pieces.saturating_add(values(report.drained.as_ref()));
    let reason = format_args!("{pieces} add up, and the summary has {whole}");
    ensure(pieces <= whole, "[].response.count", reason)?;
    let length_s: f64 = report.intervals.iter().map(|piece| piece.length_s).sum();
    let reason = format_args!("{length_s} add up, and measured_s is {measured_s}");
    ensure(length_s <= measured_s * (1.0 + ROUNDING) + ROUNDING, "[].length_s", reason)
}

fn values(clock: Option<&LatencySummary>) -> u64 {
    clock.map_or(0, |clock| clock.count)
}

fn time(field: &str, seconds: f64) -> Result<(), Invalid> {
    let fits = seconds == 0.0 || (SHORTEST_S..=LONGEST_S).contains(&seconds);
    ensure(fits, field, format_args!("{seconds} s is no time of a run"))
}
