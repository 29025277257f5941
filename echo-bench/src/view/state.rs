//! What the view shows: [`View`], a state that events and keys change, and nothing else. It knows
//! no terminal, no clock and no thread.

use super::clock::Clock;
use super::event::{Event, Session};
use super::run::Run;

/// Most remarks that are kept for the screen; the terminal gets all of them when the view ends.
const MOST_NOTES: usize = 100;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// Hold the picture, or go on with it.
    Pause,
    /// The next clock.
    Clock,
    /// What the keys are.
    Help,
    /// Back from the help.
    Back,
    /// Stop the run in order, as SIGINT does.
    Stop,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct View {
    now: Shown,
    /// The picture that is held.
    held: Option<Box<Shown>>,
    clock: Clock,
    help: bool,
    stops: u32,
    notes: Vec<String>,
    /// Events that found no room, because the terminal was too slow.
    lost: u64,
    /// Cores that the view keeps busy.
    busy: Option<f64>,
}

/// All that is held with the picture.
#[derive(Debug, Clone, Default)]
struct Shown {
    run: Option<Run>,
    session: Option<Session>,
    parts: Option<u32>,
}

impl View {
    /// Takes in what was heard.
    pub(super) fn hear(&mut self, event: Event) {
        match event {
            Event::Begun(begun) => self.now.run = Some(Run::new(&begun)),
            Event::Session(session) => self.now.session = Some(session),
            Event::Parts(parts) => self.now.parts = Some(parts),
            Event::Connected(_) | Event::Moment(_) | Event::Measured(_) | Event::Sums(_) => {
                if let Some(run) = &mut self.now.run {
                    run.hear(event);
                }
            }
        }
    }

    /// Takes in remarks.
    pub(super) fn note(&mut self, notes: impl IntoIterator<Item = String>) {
        self.notes.extend(notes);
        self.notes.drain(..self.notes.len().saturating_sub(MOST_NOTES));
    }

    /// Takes in what the view itself costs, and how many events it has missed.
    pub(super) fn cost(&mut self, busy: Option<f64>, lost: u64) {
        (self.busy, self.lost) = (busy, lost);
    }

    /// Does what a key asks for that concerns the picture. Whether the run is to be stopped.
    pub(super) fn press(&mut self, key: Key) -> bool {
        match key {
            Key::Pause => {
                self.held = match self.held.take() {
                    Some(_) => None,
                    None => Some(Box::new(self.now.clone())),
                };
            }
            Key::Clock => self.next_clock(),
            Key::Help => self.help = !self.help,
            Key::Back => self.help = false,
            Key::Stop => self.stops += 1,
        }
        key == Key::Stop
    }

    fn next_clock(&mut self) {
        let mut clock = self.clock.next();
        while clock != Clock::Response && !self.run().is_some_and(|run| run.has(clock)) {
            clock = clock.next();
        }
        self.clock = clock;
    }

    fn shown(&self) -> &Shown {
        self.held.as_deref().unwrap_or(&self.now)
    }

    /// The run that is shown, once there is one.
    pub(super) fn run(&self) -> Option<&Run> {
        self.shown().run.as_ref()
    }

    /// How several runs go, if there are several.
    pub(super) fn session(&self) -> Option<&Session> {
        self.shown().session.as_ref()
    }

    /// How many processes are at work together, if there are several.
    pub(super) fn parts(&self) -> Option<u32> {
        self.shown().parts
    }

    /// The clock that is shown. A run of a closed loop has one.
    pub(super) fn clock(&self) -> Clock {
        let has = |run: &Run| run.has(self.clock);
        if self.run().is_none_or(has) { self.clock } else { Clock::Response }
    }

    /// Whether the picture is held.
    pub(super) fn is_paused(&self) -> bool {
        self.held.is_some()
    }

    /// Whether the keys are explained.
    pub(super) fn is_help(&self) -> bool {
        self.help
    }

    /// How often it was asked to stop.
    pub(super) fn stops(&self) -> u32 {
        self.stops
    }

    /// Remarks, the latest last.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Events that the view has missed.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Cores that the view keeps busy.
    pub(super) fn busy(&self) -> Option<f64> {
        self.busy
    }
}

#[cfg(test)]
pub(super) mod tests;
