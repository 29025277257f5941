//! The lines that wait for one member: [`Mailbox`]. Bounded; whoever reads too slowly finds
//! it overflown, and gets nothing more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use echo_net::Nanos;
use echo_proto::Replies;

use super::pressure::Pressure;

/// What came of putting a line into a mailbox.
#[derive(Debug)]
#[must_use]
pub(super) struct Pushed {
    /// The line was too much, for the first time: the member is to leave.
    pub(super) overflown: bool,
    /// The mailbox is rather full: whoever goes on is to [wait](Mailbox::wait).
    pub(super) pressed: bool,
    /// To be woken, once no lock is held.
    pub(super) waker: Option<Waker>,
}

/// What was in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Everything was taken.
    All,
    /// There is more than there was room for.
    Some,
    /// The member read too slowly, and its lines are lost.
    Overflown,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Mailbox {
    contents: Mutex<Contents>,
    /// Most bytes that may wait; one line may always.
    limit: usize,
}

#[derive(Debug, Default)]
struct Contents {
    /// Each with its newline, and shared with the other members who get it.
    lines: VecDeque<Arc<str>>,
    bytes: usize,
    waker: Option<Waker>,
    /// The owner knows that there is something to take.
    told: bool,
    overflown: bool,
    pressure: Pressure,
}

impl Mailbox {
    /// Empty, for at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { contents: Mutex::default(), limit }
    }

    /// Puts a line in, unless it has run over.
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

    /// Appends lines to `replies` while less than `room` bytes of them were appended.
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

    /// Until when one that has filled it is to wait, if it is; `waker` is used when that is
    /// over sooner.
    pub(super) fn wait(&self, now: Nanos, waker: Option<&Waker>) -> Option<Nanos> {
        let mut contents = self.lock();
        let bytes = contents.bytes;
        contents.pressure.wait(now, bytes, self.limit, waker)
    }

    /// From now on `waker` is used when there is something new to take.
    pub(super) fn wake(&self, waker: &Waker) {
        let mut contents = self.lock();
        match &mut contents.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// The waker that is used.
    pub(super) fn waker(&self) -> Option<Waker> {
        self.lock().waker.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
