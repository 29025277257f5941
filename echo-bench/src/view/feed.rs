//! How runs reach the view: [`Feed`], the sending end, and who turns what is heard of a run into
//! events: [`Watched`] of a run of this process, [`Followed`] by the lines of another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use echo_bench_engine::plan::Plan;
use echo_bench_engine::record::Interval;
use echo_bench_engine::{Beat, Connected};
use echo_bench_report::report::partial::{
    Following, PartialError, Pieces, Said, intervals_per_piece,
};

use super::event::{Begun, Event, Moment, Session};

/// The sending end. Who measures does not wait for the view: what finds no room is counted and
/// left out.
#[derive(Debug, Clone)]
pub struct Feed {
    events: SyncSender<Event>,
    lost: Arc<AtomicU64>,
    cpu_ns: Arc<AtomicU64>,
    is_patient: bool,
}

impl Feed {
    pub(super) fn new(
        events: SyncSender<Event>,
        lost: Arc<AtomicU64>,
        cpu_ns: Arc<AtomicU64>,
    ) -> Self {
        Self { events, lost, cpu_ns, is_patient: false }
    }

    /// The same for who has nothing to lose by waiting for the view.
    #[must_use]
    pub fn patient(self) -> Self {
        Self { is_patient: true, ..self }
    }

    /// Tells the view.
    pub fn tell(&self, event: Event) {
        if self.is_patient {
            // Without a view there is nobody to be told.
            drop(self.events.send(event));
            return;
        }
        match self.events.try_send(event) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How several runs go.
    pub fn session(
        &self,
        what: &'static str,
        done: usize,
        of: Option<usize>,
        left: Option<Duration>,
    ) {
        self.tell(Event::Session(Session { what, done, of, left }));
    }

    /// CPU time that the view has used, as it said last.
    pub fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu_ns.load(Ordering::Relaxed))
    }
}

/// A run of this process.
#[derive(Debug)]
pub struct Watched {
    feed: Feed,
    pieces: Pieces,
    piece_ns: u64,
}

impl Watched {
    /// One that begins.
    pub fn new(feed: Feed, plan: &Plan) -> Self {
        let together = intervals_per_piece(plan);
        let name = String::new();
        // Intervals that are added up are as long as a plan may say, or nearly.
        let piecewise = plan.with(|plan| plan.interval_ns *= together);
        let plan_of_pieces = piecewise.unwrap_or_else(|_| plan.clone());
        let piece_ns = plan_of_pieces.interval_ns;
        feed.tell(Event::Begun(Box::new(Begun { plan: plan_of_pieces, name })));
        Self { feed, pieces: Pieces::of(plan), piece_ns }
    }

    /// Length of a piece.
    pub(super) fn piece_ns(&self) -> u64 {
        self.piece_ns
    }

    /// The connections are made.
    pub fn connected(&self, connected: &Connected<'_>) {
        self.feed.tell(Event::Connected(connected.established));
    }

    /// How it stands.
    pub fn beat(&self, beat: &Beat) {
        self.feed.tell(Event::Moment(Moment {
            at: beat.at,
            phase: beat.phase,
            left_ns: beat.left_ns,
            established: beat.established,
            failed: beat.failed,
            replies: beat.responses.count(),
        }));
        self.feed.tell(Event::Sums(beat.sums));
    }

    /// An interval is whole.
    pub fn interval(&mut self, interval: &Interval) {
        if let Some(piece) = self.pieces.add(interval) {
            self.feed.tell(Event::Measured(Box::new(piece)));
        }
    }
}

/// A run of another process, by its lines.
#[derive(Debug)]
pub struct Followed {
    feed: Feed,
    name: String,
    following: Following,
}

impl Followed {
    /// One of which nothing is known yet; `name` tells it from others.
    pub fn new(feed: Feed, name: impl Into<String>) -> Self {
        Self { feed, name: name.into(), following: Following::default() }
    }

    /// Takes in its next line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn line(&mut self, line: &str) -> Result<(), PartialError> {
        match self.following.line(line)? {
            Said::Begun { plan, established } => {
                let name = self.name.clone();
                self.feed.tell(Event::Begun(Box::new(Begun { plan: *plan, name })));
                self.feed.tell(Event::Connected(established));
            }
            Said::Measured(measured) => {
                self.feed.tell(Event::Measured(Box::new(measured.interval)));
                self.feed.tell(Event::Sums(measured.sums.unwrap_or_default()));
            }
        }
        Ok(())
    }
}
