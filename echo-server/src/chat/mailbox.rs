//! The queued lines of one member: [`Mailbox`]. Bounded: on overflow the contents are dropped
//! and nothing more is queued.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use echo_net::Nanos;
use echo_proto::Replies;

use super::pressure::Pressure;

/// Result of queueing a line.
#[derive(Debug)]
#[must_use]
pub(super) struct Pushed {
    /// The line caused the overflow: the member must leave.
    pub(super) overflown: bool,
    /// The mailbox is above half full: the sender must [wait](Mailbox::wait).
    pub(super) pressed: bool,
    /// To wake, once no lock is held.
    pub(super) waker: Option<Waker>,
}

/// Result of taking lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The mailbox is empty now.
    All,
    /// More is queued.
    Some,
    /// The mailbox had overflowed; its lines are lost.
    Overflown,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Mailbox {
    contents: Mutex<Contents>,
    /// Maximum bytes queued; a single line is always accepted.
    limit: usize,
}

#[derive(Debug, Default)]
struct Contents {
    /// With their newlines, shared with the other recipients.
    lines: VecDeque<Arc<str>>,
    bytes: usize,
    waker: Option<Waker>,
    /// The owner was already woken.
    told: bool,
    overflown: bool,
    pressure: Pressure,
}

impl Mailbox {
    /// An empty mailbox for at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { contents: Mutex::default(), limit }
    }

    /// Queues a line, unless the mailbox has overflowed.
    pub(super) fn push(&self, line: Arc<str>) -> Pushed {
        let mut contents = self.lock();
        if contents.overflown {
            return Pushed { overflown: false, pressed: false, waker: None };
        }
        if !contents.lines.is_empty() && contents.bytes + line.len() > self.limit {
            contents.overflown = true;
            contents.lines = VecDeque::new();
            contents.bytes = 0;
            let waker = contents.waker.clone();
            return Pushed { overflown: true, pressed: false, waker };
        }
        contents.bytes += line.len();
        contents.lines.push_back(line);
        if contents.bytes > self.limit / 2 {
            contents.pressure.rise();
        }
        let told = std::mem::replace(&mut contents.told, true);
        let waker = if told { None } else { contents.waker.clone() };
        Pushed { overflown: false, pressed: contents.pressure.is_felt(), waker }
    }

    /// Appends lines to `replies` while less than `room` bytes were appended.
    pub(super) fn take(&self, room: usize, replies: &mut Replies) -> Taken {
        let mut contents = self.lock();
        if contents.overflown {
            return Taken::Overflown;
        }
        let mut taken = 0;
        while taken < room
            && let Some(line) = contents.lines.pop_front()
        {
            taken += line.len();
            replies.push(line.as_bytes());
            replies.end_message();
        }
        contents.bytes -= taken;
        let has_room = contents.bytes <= self.limit / 4;
        let waiting = if has_room { contents.pressure.fall() } else { Vec::new() };
        let all = contents.lines.is_empty();
        if all {
            contents.told = false;
        }
        drop(contents);
        waiting.into_iter().for_each(Waker::wake);
        if all { Taken::All } else { Taken::Some }
    }

    /// Until when a sender that has filled it must pause, if at all; `waker` is called if it
    /// may resume sooner.
    pub(super) fn wait(&self, now: Nanos, waker: Option<&Waker>) -> Option<Nanos> {
        let mut contents = self.lock();
        let bytes = contents.bytes;
        contents.pressure.wait(now, bytes, self.limit, waker)
    }

    /// From now on `waker` is called when a line is queued.
    pub(super) fn wake(&self, waker: &Waker) {
        let mut contents = self.lock();
        match &mut contents.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// The registered waker.
    pub(super) fn waker(&self) -> Option<Waker> {
        self.lock().waker.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
