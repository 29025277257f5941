//! The queued lines of one member: [`Mailbox`]. Bounded: on overflow the contents are dropped
//! and nothing more is queued.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use echo_net::Nanos;
use echo_proto::Replies;

use super::line::{Line, Queued};
use super::pressure::Pressure;

/// Entries for which an empty mailbox keeps memory.
const KEPT: usize = 1024;

/// Result of queueing a line.
#[derive(Debug)]
#[must_use]
pub(super) struct Pushed {
    /// The line caused the overflow: the member must leave.
    pub(super) overflown: bool,
    /// The mailbox is above half full: the sender must [wait](Mailbox::wait).
    pub(super) pressed: bool,
    /// It was not before, or was not known to be: it must be added to those that are.
    pub(super) rose: bool,
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
    lines: VecDeque<Queued>,
    /// Of their text.
    bytes: usize,
    waker: Option<Waker>,
    /// The owner was already woken.
    told: bool,
    overflown: bool,
    pressure: Pressure,
    /// It is among those that are known to be pressed.
    listed: bool,
}

impl Contents {
    /// Drops all lines and accepts no more; returns the waker to call.
    fn overflow(&mut self) -> Option<Waker> {
        self.overflown = true;
        self.lines = VecDeque::new();
        self.bytes = 0;
        self.waker.clone()
    }
}

/// What a sender has to wait for.
#[derive(Debug)]
pub(super) struct Pressed {
    /// Until when it must pause, if at all.
    pub(super) until: Option<Nanos>,
    /// Whether the mailbox is still to be waited for.
    pub(super) is_felt: bool,
}

impl Mailbox {
    /// An empty mailbox for at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { contents: Mutex::default(), limit }
    }

    /// Queues a line, unless the mailbox has overflowed.
    pub(super) fn push(&self, line: Line) -> Pushed {
        let mut contents = self.lock();
        let refused = Pushed { overflown: false, pressed: false, rose: false, waker: None };
        if contents.overflown {
            return refused;
        }
        let length = line.text().len();
        if !contents.lines.is_empty() && contents.bytes + length > self.limit {
            return Pushed { overflown: true, waker: contents.overflow(), ..refused };
        }
        contents.bytes += length;
        contents.lines.push_back(line.queued());
        if contents.bytes > self.limit / 2 {
            contents.pressure.rise();
        }
        let pressed = contents.pressure.is_felt();
        let rose = pressed && !std::mem::replace(&mut contents.listed, pressed);
        let told = std::mem::replace(&mut contents.told, true);
        let waker = if told { None } else { contents.waker.clone() };
        Pushed { overflown: false, pressed, rose, waker }
    }

    /// The same; the waker is to be called once no lock is held.
    pub(super) fn overflow(&self) -> Option<Waker> {
        self.lock().overflow()
    }

    /// Bytes of text that are queued.
    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
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
            taken += line.text().len();
            replies.push(line.text().as_bytes());
            replies.end_message();
        }
        contents.bytes -= taken;
        let has_room = contents.bytes <= self.limit / 4;
        let waiting = if has_room { contents.pressure.fall() } else { Vec::new() };
        let all = contents.lines.is_empty();
        if all {
            contents.told = false;
            if contents.lines.capacity() > KEPT {
                contents.lines = VecDeque::new();
            }
        }
        drop(contents);
        waiting.into_iter().for_each(Waker::wake);
        if all { Taken::All } else { Taken::Some }
    }

    /// Whether and until when a sender that has filled it must pause; `waker` is called if it
    /// may resume sooner.
    pub(super) fn wait(&self, now: Nanos, waker: Option<&Waker>) -> Pressed {
        let mut contents = self.lock();
        let bytes = contents.bytes;
        let until = contents.pressure.wait(now, bytes, self.limit, waker);
        contents.listed = contents.pressure.is_felt();
        Pressed { until, is_felt: contents.listed }
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
