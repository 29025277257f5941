//! What is kept of a run while it goes, so that a generator that is killed leaves something:
//! [`Header`], then a [`Piece`] of the measured window a line, as JSON. [`read`] makes the
//! report of the run until then, and [`Following`] reads line by line while it goes. Such a file
//! is as little trusted as a report: whatever does not add up is refused, with its line.

mod following;
mod lines;

use serde::{Deserialize, Serialize};

use echo_net::Nanos;
use echo_net::clock::SECOND;

use super::numbers::LARGEST_COUNT;
use super::{Circumstances, LatencySummary, Report, Tool, build};
use echo_bench_engine::plan::{Plan, StopRule};
use echo_bench_engine::record::{
    Errors, Interval, Latencies, Latency, OpenClocks, Packed, StagePart, Tally,
};
use echo_bench_engine::{Connected, Handshakes, IntervalRecord, RunRecord, Sums};

pub use following::{Following, Measured, Said};
pub use lines::{Lines, Pieces};

/// The name and version of the shape of a line of its own.
const SCHEMA: &str = "echo-bench.partial/1";

/// How such a file begins.
const BEGINNING: &str = r#"{"schema":"echo-bench.partial/"#;

/// The first line: what is known when the load begins.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    schema: String,
    tool: Tool,
    plan: Plan,
    #[serde(flatten)]
    circumstances: Circumstances,
    established: u32,
    connect_phase_ns: Nanos,
    connect: Option<LatencySummary>,
    tls: Option<LatencySummary>,
    tls_resumed: Option<LatencySummary>,
    #[serde(default)]
    login: Option<LatencySummary>,
}

/// Any other line: what was measured in a piece of the window.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Piece {
    /// Its place, from 0.
    index: u64,
    tally: Tally,
    errors: Errors,
    response: Option<LatencySummary>,
    wait: Option<LatencySummary>,
    service: Option<LatencySummary>,
    lateness: Option<LatencySummary>,
    /// The same by the stage of the load, where there are stages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    stages: Vec<StagePiece>,
    /// What has added up over the window by then, for whoever watches the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sums: Option<Sums>,
}

/// What was measured of the requests of a stage in a piece of the window.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct StagePiece {
    stage: u32,
    tally: Tally,
    response: Option<LatencySummary>,
    wait: Option<LatencySummary>,
    service: Option<LatencySummary>,
    lateness: Option<LatencySummary>,
}

/// What is wrong with a record of a run.
#[derive(Debug, thiserror::Error)]
pub enum PartialError {
    /// A line is no JSON of its shape.
    #[error("line {line}: {reason}")]
    Shape {
        /// Which, from 1.
        line: u64,
        /// Why.
        reason: serde_json::Error,
    },
    /// A line holds numbers that can't be.
    #[error("line {line}: {reason}")]
    Numbers {
        /// Which, from 1.
        line: u64,
        /// Why.
        reason: String,
    },
    /// The run ended before anything was measured.
    #[error("the run ended before the first interval was whole: nothing was measured")]
    Nothing,
}

/// How many intervals of a plan are written as one piece. Writing costs a bounded share of
/// the time: it happens at most once a second, however short the intervals are.
pub fn intervals_per_piece(plan: &Plan) -> u64 {
    (SECOND / plan.interval_ns.max(1)).max(1)
}

impl Header {
    /// Of a run that begins its load.
    fn new(plan: &Plan, circumstances: &Circumstances, connected: &Connected<'_>) -> Self {
        Self {
            schema: SCHEMA.into(),
            tool: Tool::this(),
            plan: plan.clone(),
            circumstances: circumstances.clone(),
            established: connected.established,
            connect_phase_ns: connected.phase_ns,
            connect: packed(connected.connect),
            tls: packed(&connected.handshakes.full),
            tls_resumed: packed(&connected.handshakes.resumed),
            login: packed(&connected.handshakes.login),
        }
    }

    /// The record of a run in which nothing has been measured yet.
    fn record(&self) -> Result<RunRecord, String> {
        if self.schema != SCHEMA {
            return Err(format!("this version reads `{SCHEMA}`"));
        }
        self.plan.check().map_err(|error| error.to_string())?;
        if self.established > self.plan.connections_at_start() {
            return Err("more connections are made than asked for".into());
        }
        Ok(RunRecord {
            established: self.established,
            set_up_connect: unpacked(self.connect.as_ref())?,
            set_up_handshakes: Handshakes {
                full: unpacked(self.tls.as_ref())?,
                resumed: unpacked(self.tls_resumed.as_ref())?,
                login: unpacked(self.login.as_ref())?,
            },
            connect_phase_ns: self.connect_phase_ns,
            // The last that is known of them.
            alive_at_end: self.established,
            total: Interval::new(0, self.plan.has_waits()),
            interrupted: true,
            stage_pieces: vec![Vec::new(); self.plan.load.stage_ends().len()],
            ..RunRecord::default()
        })
    }
}

impl Piece {
    /// The piece that begins with the plan's interval number `index` x the intervals of it.
    fn new(index: u64, measured: &Interval, sums: Option<Sums>) -> Self {
        let (response, open) = (measured.latencies.whole(), &measured.latencies.open);
        let open = open.as_deref();
        Self {
            index,
            tally: measured.tally,
            errors: measured.errors.clone(),
            response: packed(&response),
            wait: open.and_then(|open| packed(&open.wait)),
            service: open.and_then(|open| packed(&open.service)),
            lateness: open.and_then(|open| packed(&open.lateness)),
            stages: measured.stages.iter().map(StagePiece::new).collect(),
            sums,
        }
    }

    /// What was measured in it, with the clocks of an `open` loop or without, if that can be.
    fn measured(self, open: bool) -> Result<Interval, String> {
        let response = unpacked(self.response.as_ref())?;
        let open = open.then(|| {
            Ok::<_, String>(Box::new(OpenClocks {
                wait: unpacked(self.wait.as_ref())?,
                service: unpacked(self.service.as_ref())?,
                lateness: unpacked(self.lateness.as_ref())?,
            }))
        });
        let open = open.transpose()?;
        let counts = self.errors.iter().flat_map(|one| [one.count, one.requests]);
        if self.tally.counts().chain(counts).any(|count| count > LARGEST_COUNT) {
            return Err("a count is above 2^53".into());
        }
        let stages = self.stages.into_iter().map(StagePiece::part).collect::<Result<_, _>>()?;
        let latencies = Latencies { response, drained: None, open };
        let (index, tally, errors) = (self.index, self.tally, self.errors);
        Ok(Interval { index, tally, errors, latencies, stages })
    }

    /// Adds it to what was measured before it.
    fn add_to(self, record: &mut RunRecord) -> Result<(), String> {
        let index = record.intervals.len() as u64;
        if self.index != index {
            return Err(format!("interval {} where {index} is expected", self.index));
        }
        let measured = self.measured(record.total.latencies.open.is_some())?;
        for part in &measured.stages {
            let pieces = record.stage_pieces.get_mut(part.stage as usize);
            let pieces = pieces.ok_or("a stage that the load has not")?;
            pieces.extend(part.latencies.iter().map(|of| Packed::new(&of.response)));
        }
        let packed = Packed::new(&measured.latencies.response);
        let tally = measured.tally;
        record.total += &measured;
        let (total, errors) = (&record.total, record.total.errors.total());
        let values = total.latencies.response.count();
        let of_stages = total.stages.iter().flat_map(|part| part.tally.counts());
        let counts = total.tally.counts().chain(of_stages).chain([errors, values]);
        if counts.into_iter().any(|sum| sum > LARGEST_COUNT) {
            return Err("the counts add up to more than 2^53".into());
        }
        if record.total.errors.iter().any(|one| one.requests > one.count) {
            return Err("more requests failed than failures were counted".into());
        }
        record.pieces.push(packed.clone());
        record.intervals.push(IntervalRecord { index, tally, response: packed });
        Ok(())
    }
}

impl StagePiece {
    fn new(part: &StagePart) -> Self {
        let latencies = part.latencies.as_deref();
        let open = latencies.and_then(|latencies| latencies.open.as_deref());
        Self {
            stage: part.stage,
            tally: part.tally,
            response: latencies.and_then(|latencies| packed(&latencies.whole())),
            wait: open.and_then(|open| packed(&open.wait)),
            service: open.and_then(|open| packed(&open.service)),
            lateness: open.and_then(|open| packed(&open.lateness)),
        }
    }

    fn part(self) -> Result<StagePart, String> {
        if self.tally.counts().any(|count| count > LARGEST_COUNT) {
            return Err("a count of a stage is above 2^53".into());
        }
        let open = OpenClocks {
            wait: unpacked(self.wait.as_ref())?,
            service: unpacked(self.service.as_ref())?,
            lateness: unpacked(self.lateness.as_ref())?,
        };
        let response = unpacked(self.response.as_ref())?;
        let is_timed = response.count() > 0;
        let latencies = Latencies { response, drained: None, open: Some(Box::new(open)) };
        let latencies = is_timed.then(|| Box::new(latencies));
        Ok(StagePart { stage: self.stage, tally: self.tally, latencies })
    }
}

fn packed(latency: &Latency) -> Option<LatencySummary> {
    // How sure the values are is judged when all are there.
    LatencySummary::with_independent(latency, |_| 0)
}

fn unpacked(stored: Option<&LatencySummary>) -> Result<Latency, String> {
    let Some(stored) = stored else { return Ok(Latency::default()) };
    let latency = stored.latency().ok_or("a histogram can't be read")?;
    if latency.count() > LARGEST_COUNT
        || latency.censored().max(latency.clamped()) > latency.count()
    {
        return Err("a histogram's counts do not add up".into());
    }
    Ok(latency)
}

/// Whether a text is the record of a run and not JSON of one piece.
pub(crate) fn is_partial(text: &str) -> bool {
    text.starts_with(BEGINNING)
}

/// The report of a run until the last piece that was written whole, as one that was
/// interrupted. What was asked for by then and not answered is in flight, without an age.
///
/// # Errors
/// What is wrong with the text.
pub fn read(text: &str) -> Result<Report, PartialError> {
    // The process may have ended in the middle of a line.
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let mut lines = (1..).zip(lines);
    let (_, first) = lines.next().ok_or(PartialError::Nothing)?;
    let header: Header = serde_json::from_str(first)
        .map_err(|reason| PartialError::Shape { line: 1, reason })?;
    let wrong = |line| move |reason| PartialError::Numbers { line, reason };
    let mut record = header.record().map_err(wrong(1))?;
    for (line, text) in lines {
        let piece: Piece = serde_json::from_str(text)
            .map_err(|reason| PartialError::Shape { line, reason })?;
        piece.add_to(&mut record).map_err(wrong(line))?;
    }
    let together = intervals_per_piece(&header.plan);
    let plan = header.plan.with(|plan| plan.interval_ns *= together);
    let plan = plan.map_err(|error| error.to_string()).map_err(wrong(1))?;
    let pieces = record.intervals.len() as u64;
    if pieces == 0 {
        return Err(PartialError::Nothing);
    }
    let whole_ns = pieces.checked_mul(plan.interval_ns);
    let whole_ns = whole_ns.ok_or("its intervals are too long".into()).map_err(wrong(1))?;
    record.measured_ns = match plan.stop {
        StopRule::Duration { duration_ns } => whole_ns.min(duration_ns),
        StopRule::Requests { .. } => whole_ns,
    };
    let tally = &mut record.total.tally;
    tally.scheduled = tally.scheduled.max(tally.ended());
    let in_flight = tally.scheduled - tally.ended();
    tally.in_flight += in_flight;
    for part in &mut record.total.stages {
        part.tally.scheduled = part.tally.scheduled.max(part.tally.ended());
        part.tally.in_flight += part.tally.scheduled - part.tally.ended();
    }
    // They ended with the run, and so in its last interval.
    if let Some(last) = record.intervals.last_mut() {
        last.tally.in_flight += in_flight;
    }
    let report = build(&plan, &record, header.circumstances);
    Ok(Report { tool: header.tool, plan: header.plan, ..report })
}

#[cfg(test)]
mod tests;
