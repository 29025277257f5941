//! The chat room of a server: [`Hub`]. Recipients are chosen and mailboxes filled under one
//! lock, so that all members see the same order; their connections are woken afterwards.

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
pub(crate) struct Hub {
    state: Mutex<HubState>,
    /// Maximum bytes queued for one member.
    queue: usize,
    /// The server is stopping: members leave without announcement.
    closing: AtomicBool,
    counters: Arc<ChatCounters>,
}

#[derive(Debug, Default)]
struct HubState {
    room: Room,
    mailboxes: HashMap<MemberId, Arc<Mailbox>>,
}

/// Lines to be put into mailboxes.
type Posted = Vec<(Audience, Arc<str>)>;

/// Effects of delivering lines.
#[derive(Debug, Default)]
struct Delivered {
    /// To wake, once no lock is held.
    wakers: Vec<Waker>,
    /// Bytes added to mailboxes above half full.
    pressing: usize,
}

impl Hub {
    /// An empty room with at most `queue` bytes queued per member.
    pub(crate) fn new(queue: usize, counters: Arc<ChatCounters>) -> Arc<Self> {
        let (state, closing) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { state, queue, closing, counters })
    }

    /// Adds a member, whose lines have at most `max_message` bytes. The greeting is queued.
    pub(crate) fn enter(self: &Arc<Self>, max_message: usize) -> Seat {
        let mailbox = Arc::new(Mailbox::new(self.queue));
        // Nobody waits for it yet.
        let _no_waker = mailbox.push(GREETING.into());
        let mut state = self.lock();
        let member = state.room.enter();
        state.mailboxes.insert(member, Arc::clone(&mailbox));
        Seat::new(member, Arc::clone(self), mailbox, max_message)
    }

    /// Processes a line of a member; returns how many bytes went into mailboxes above half
    /// full.
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

    /// Until when a sender that fills mailboxes must pause, if at all; `waker` is called if it
    /// may resume sooner.
    pub(super) fn wait(&self, now: Nanos, waker: Option<&Waker>) -> Option<Nanos> {
        let state = self.lock();
        state.mailboxes.values().filter_map(|mailbox| mailbox.wait(now, waker)).max()
    }

    /// Removes a member; a second call does nothing.
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
    /// Delivers lines. Members whose mailbox overflows leave, which creates more lines; each
    /// leaves once.
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
                debug!(?member, "slow chat member disconnected");
                counters.count_overflown();
                self.mailboxes.remove(&member);
                self.room.leave(member, &mut |to, line| posted.push((to, line.into())));
            }
        }
        delivered
    }
}
