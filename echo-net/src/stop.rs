//! Graceful and immediate stop: [`Stop`], a latch that any thread may read or advance. Waiting
//! until everything *has* stopped is the caller's task.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How urgently to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Running.
    Running,
    /// Accept nothing new, finish what was received.
    Draining,
    /// Abort what is unfinished.
    Forced,
}

type Listener = Box<dyn Fn(Stage) + Send + Sync>;

#[derive(Default)]
struct StopState {
    stage: AtomicU8,
    listeners: Mutex<Vec<Listener>>,
}

/// A latch that goes from running to draining to forced and never back. Clones share it.
#[derive(Clone, Default)]
pub struct Stop {
    shared: Arc<StopState>,
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("stage", &self.stage()).finish()
    }
}

impl Stop {
    /// A latch at [`Stage::Running`].
    pub fn new() -> Self {
        Self::default()
    }

    /// The current stage.
    pub fn stage(&self) -> Stage {
        match self.shared.stage.load(Ordering::Acquire) {
            0 => Stage::Running,
            1 => Stage::Draining,
            _ => Stage::Forced,
        }
    }

    /// Requests a graceful stop; a second call requests an immediate one.
    pub fn ask(&self) {
        match self.stage() {
            Stage::Running => self.advance(Stage::Draining),
            _ => self.advance(Stage::Forced),
        }
    }

    /// Advances to `stage` if it is not there yet, and calls every listener.
    pub fn advance(&self, stage: Stage) {
        let listeners = self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shared.stage.fetch_max(stage as u8, Ordering::AcqRel) < stage as u8 {
            for listener in listeners.iter() {
                listener(stage);
            }
        }
    }

    /// A latch that advances with this one, and also on its own.
    #[must_use]
    pub fn follower(&self) -> Self {
        let follower = Self::new();
        let advanced = follower.clone();
        self.on_advance(move |stage| advanced.advance(stage));
        follower
    }

    /// Calls `listener` at each advance, and at once if one has already happened. It runs on
    /// the advancing thread and must not block or call back into this latch.
    pub fn on_advance(&self, listener: impl Fn(Stage) + Send + Sync + 'static) {
        let mut listeners =
            self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let stage = self.stage();
        if stage > Stage::Running {
            listener(stage);
        }
        listeners.push(Box::new(listener));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_twice_forces_and_listeners_hear_each_stage_once() {
        let stop = Stop::new();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        stop.on_advance(move |stage| sink.lock().unwrap().push(stage));
        for _ in 0..3 {
            stop.ask();
        }
        assert_eq!(*heard.lock().unwrap(), [Stage::Draining, Stage::Forced]);
    }

    #[test]
    fn a_follower_advances_with_its_latch_and_the_latch_not_with_it() {
        let stop = Stop::new();
        let [first, second] = [stop.follower(), stop.follower()];
        first.advance(Stage::Forced);
        assert_eq!((stop.stage(), second.stage()), (Stage::Running, Stage::Running));
        stop.ask();
        assert_eq!((first.stage(), second.stage()), (Stage::Forced, Stage::Draining));
        assert_eq!(stop.follower().stage(), Stage::Draining);
    }

    #[test]
    fn a_late_listener_hears_the_present_stage() {
        let stop = Stop::new();
        stop.advance(Stage::Forced);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        stop.on_advance(move |stage| sink.lock().unwrap().push(stage));
        assert_eq!(*heard.lock().unwrap(), [Stage::Forced]);
    }
}
