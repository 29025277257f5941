//! Where `--stream` leads: [`Stream`] of a run, [`SharedStream`] of several. Lines are written by a
//! thread of their own, so that a reader that is slow, or a disk, keeps nobody waiting: neither
//! the threads that measure nor the one that gathers. What can't be written is said once, and
//! the runs go on.

mod shared;
mod writer;

use std::path::Path;

use echo_bench_engine::plan::Plan;
use echo_bench_engine::record::Interval;
use echo_bench_report::report::{Circumstances, Report};
use echo_bench_report::stream::{Beginning, Event, Failure, Measured, Outcome};
use echo_net::Nanos;

pub(crate) use shared::SharedStream;
use writer::{Place, Writer};

/// The lines of a run.
#[derive(Debug)]
pub(crate) struct Stream {
    plan: Option<Plan>,
    writer: Writer,
    has_ended: bool,
}

impl Stream {
    /// Lines to a place that was typed.
    ///
    /// # Errors
    /// When it can't be written to.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let writer = Writer::start(Place::open(path)?)?;
        Ok(Self { plan: None, writer, has_ended: false })
    }

    /// The run begins.
    pub(crate) fn begin(&mut self, plan: &Plan, circumstances: &Circumstances) {
        self.plan = Some(plan.clone());
        self.writer.say(Event::Plan(Box::new(Beginning::new(plan, circumstances))));
    }

    /// An interval is over, after so long if that is known.
    pub(crate) fn interval(&mut self, interval: &Interval, lasted_ns: Option<Nanos>) {
        let plan = self.plan.as_ref();
        let measured = plan.and_then(|plan| Measured::new(plan, interval, lasted_ns));
        if let Some(measured) = measured {
            self.writer.say(Event::Interval(Box::new(measured)));
        }
    }

    /// The run has a report.
    pub(crate) fn end(&mut self, report: &Report) {
        self.has_ended = true;
        self.say_last(|left_out| Event::Summary(Box::new(Outcome::new(report, left_out))));
    }

    /// Ends, with the reason where the run has no report; whether all that was wanted is written.
    pub(crate) fn close(mut self, failed: Option<&anyhow::Error>) -> bool {
        if !self.has_ended {
            let reason = failed.map_or("the run was interrupted".into(), |e| format!("{e:#}"));
            self.say_last(|lines_left_out| Event::Failed(Failure { reason, lines_left_out }));
        }
        self.writer.close()
    }

    /// What is last is not left out as long as somebody reads.
    fn say_last(&mut self, event: impl FnOnce(u64) -> Event) {
        self.writer.wait_for_room();
        self.writer.say(event(self.writer.left_out()));
    }
}
