//! The one room of a server: [`Hub`]. Under its lock the room decides who gets which line
//! and the lines are put into mailboxes, so that all members see the same order; waking
//! their connections comes after.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use echo_net::Nanos;
use echo_proto::chat::{Audience, GREETING, MemberId, Room, Stay};
use tracing::debug;

use super::Seat;
use super::mailbox::Mailbox;
use crate::counters::ChatCounters;

/// A room and the mailboxes of its members.
#[derive(Debug)]
pub struct Hub {
    state: Mutex<HubState>,
    /// Most bytes that may wait for one member.
    queue: usize,
    /// The server is stopping: everyone leaves, and nobody needs to be told.
    closing: AtomicBool,
    counters: Arc<ChatCounters>,
}

#[derive(Debug, Default)]
struct HubState {
    room: Room,
    mailboxes: HashMap<MemberId, Arc<Mailbox>>,
}

/// Lines on their way into mailboxes.
type Posted = Vec<(Audience, Arc<str>)>;

/// What came of putting lines into mailboxes.
#[derive(Debug, Default)]
struct Delivered {
    /// To be woken, once no lock is held.
    wakers: Vec<Waker>,
    /// Bytes that went into some mailbox that was rather full.
    pressing: usize,
}

impl Hub {
    /// An empty room, in which at most `queue` bytes may wait for one member.
    pub fn new(queue: usize, counters: Arc<ChatCounters>) -> Arc<Self> {
        let (state, closing) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { state, queue, closing, counters })
    }

    /// A newcomer's place, whose lines have at most `max_message` bytes. The greeting waits
    /// to be taken.
    pub fn enter(self: &Arc<Self>, max_message: usize) -> Seat {
        let mailbox = Arc::new(Mailbox::new(self.queue));
        // Nobody waits for it yet.
        let _no_waker = mailbox.push(GREETING.into());
        let mut state = self.lock();
        let member = state.room.enter();
        state.mailboxes.insert(member, Arc::clone(&mailbox));
        Seat::new(member, Arc::clone(self), mailbox, max_message)
    }

    /// A line of a member; how many bytes of it went into mailboxes that are rather full.
    pub(super) fn say(&self, member: MemberId, line: &[u8]) -> (Stay, usize) {
        let mut posted = Posted::new();
        let mut state = self.lock();
        let stay = state.room.say(member, line, &mut |to, line| posted.push((to, line.into())));
        let Delivered { wakers, pressing } = state.deliver(posted, &self.counters);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.counters.count_line();
        (stay, pressing)
    }

    /// Until when one that fills mailboxes is to wait, if it is; `waker` is used when that
    /// may be over sooner.
    pub(super) fn wait(&self, now: Nanos, waker: Option<&Waker>) -> Option<Nanos> {
        let state = self.lock();
        state.mailboxes.values().filter_map(|mailbox| mailbox.wait(now, waker)).max()
    }

    /// A member is gone; the second time nothing happens.
    pub(super) fn leave(&self, member: MemberId) {
        let mut posted = Posted::new();
        let mut state = self.lock();
        state.mailboxes.remove(&member);
        state.room.leave(member, &mut |to, line| posted.push((to, line.into())));
        if self.closing.load(Ordering::Relaxed) {
            posted.clear();
        }
        let Delivered { wakers, .. } = state.deliver(posted, &self.counters);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The server is stopping.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HubState {
    /// Puts lines into mailboxes. Those whose mailbox runs over leave, which makes more
    /// lines; each can do so once.
    fn deliver(&mut self, mut posted: Posted, counters: &ChatCounters) -> Delivered {
        let (mut delivered, mut overflown) = (Delivered::default(), Vec::new());
        while !posted.is_empty() {
            for (audience, line) in posted.drain(..) {
                let mut pressed = false;
                let mut put = |to: MemberId| {
                    let Some(mailbox) = self.mailboxes.get(&to) else { return };
                    let pushed = mailbox.push(Arc::clone(&line));
                    delivered.wakers.extend(pushed.waker);
                    pressed |= pushed.pressed;
                    if pushed.overflown {
                        overflown.push(to);
                    }
                };
                match audience {
                    Audience::Only(member) => put(member),
                    Audience::Others(but) => {
                        self.room.named().filter(|member| *member != but).for_each(put);
                    }
                }
                if pressed {
                    delivered.pressing += line.len();
                }
            }
            for member in overflown.drain(..) {
                debug!(?member, "a member does not read; it is let go");
                counters.count_overflown();
                self.mailboxes.remove(&member);
                self.room.leave(member, &mut |to, line| posted.push((to, line.into())));
            }
        }
        delivered
    }
}
