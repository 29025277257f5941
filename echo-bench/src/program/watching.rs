//! Who hears how a run goes, and when it begins: [`Watching`], [`Pace`].

use std::time::{Duration, SystemTime};

use echo_net::{Nanos, clock};

use super::partial_file::PartialFile;
use super::printed_lines::PrintedLines;
use crate::fleet::Beats;
use crate::live_metrics::LiveMetrics;
use crate::progress::Progress;
use crate::stream::Stream;
use crate::view::Feed;
use echo_bench_engine::record::{Interval, Phase};
use echo_bench_engine::{Beat, Connected, Observer, SoFar};
use echo_bench_fleet::Allow;
use echo_bench_report::report::{StartReport, UntilWatch};

/// When a run begins, and who is told how it goes.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When its load is to begin, if not as soon as it can.
    pub(super) begins_at: Option<SystemTime>,
    pub(super) beats: Option<Beats>,
    /// Whether whoever has started this process is told of each piece of the window.
    pub(super) pieces: bool,
    /// Which addresses it may load, if not all.
    pub(super) permitted: Option<Allow>,
}

/// Who hears how a run goes.
pub(super) struct Watching<'a> {
    pub(super) progress: Progress,
    pub(super) partial: Option<PartialFile>,
    pub(super) stream: Option<&'a mut Stream>,
    pub(super) metrics: Option<LiveMetrics>,
    pub(super) until: Option<UntilWatch>,
    pub(super) pace: Pace,
    pub(super) view: Option<ViewCost>,
    pub(super) lines: Option<PrintedLines>,
}

/// What the view costs while the window lasts, as far as looks at the run tell.
#[derive(Debug)]
pub(super) struct ViewCost {
    feed: Feed,
    /// The first and the last look: when, and the CPU time until then.
    looks: Option<[(Nanos, Duration); 2]>,
}

impl ViewCost {
    pub(super) fn of(feed: Feed) -> Self {
        Self { feed, looks: None }
    }

    fn look(&mut self, beat: &Beat) {
        if beat.phase == Phase::Window {
            let now = (beat.at, self.feed.cpu());
            let [first, _] = self.looks.unwrap_or([now; 2]);
            self.looks = Some([first, now]);
        }
    }

    /// Cores that it kept busy.
    pub(super) fn busy(&self) -> Option<f64> {
        let [(from, before), (to, after)] = self.looks.filter(|[from, to]| to.0 > from.0)?;
        let used = after.saturating_sub(before);
        Some(used.as_nanos() as f64 / to.saturating_sub(from) as f64)
    }
}

impl Observer for Watching<'_> {
    fn connected(&mut self, connected: &Connected<'_>) {
        self.progress.connected(connected);
        self.partial.iter_mut().for_each(|partial| partial.connected(connected));
        self.lines.iter_mut().for_each(|lines| lines.connected(connected));
        self.metrics.iter().for_each(LiveMetrics::connected);
    }

    fn interval(&mut self, interval: &Interval, lasted_ns: Option<Nanos>) {
        self.progress.interval(interval, lasted_ns);
        self.partial.iter_mut().for_each(|partial| partial.interval(interval, lasted_ns));
        self.lines.iter_mut().for_each(|lines| lines.interval(interval, lasted_ns));
        self.metrics.iter().for_each(|metrics| metrics.interval(interval));
        self.stream.iter_mut().for_each(|stream| stream.interval(interval, lasted_ns));
        self.pace.beats.iter_mut().for_each(|beats| beats.interval(interval));
    }

    fn begins_at(&mut self) -> Nanos {
        let wait = self.pace.begins_at.map(|at| at.duration_since(SystemTime::now()));
        let wait = wait.and_then(Result::ok).unwrap_or_default();
        clock::now().saturating_add(clock::nanos(wait))
    }

    fn beat(&mut self, beat: &Beat) {
        self.progress.beat(beat);
        self.partial.iter_mut().for_each(|partial| partial.beat(beat));
        self.lines.iter_mut().for_each(|lines| lines.beat(beat));
        self.view.iter_mut().for_each(|view| view.look(beat));
        self.metrics.iter().for_each(|metrics| metrics.beat(beat));
    }

    fn is_enough(&mut self, so_far: &SoFar<'_>) -> bool {
        self.until.as_mut().is_some_and(|until| until.is_enough(so_far))
    }
}

/// When a load began that was to begin at a time of day.
pub(super) fn start_of(
    wanted: Option<SystemTime>,
    began: Option<SystemTime>,
) -> Option<StartReport> {
    let (wanted, began) = wanted.zip(began)?;
    let told = |at: SystemTime| humantime::format_rfc3339_nanos(at).to_string();
    let late = began.duration_since(wanted).unwrap_or_default();
    Some(StartReport {
        wanted_at: told(wanted),
        began_at: told(began),
        late_ns: clock::nanos(late),
    })
}

/// The time of day at an instant of the past.
pub(super) fn wall_clock(instant: Nanos) -> Option<SystemTime> {
    let ago = Duration::from_nanos(clock::now().saturating_sub(instant));
    SystemTime::now().checked_sub(ago)
}
