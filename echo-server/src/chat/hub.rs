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
use super::line::{Held, Line};
use super::mailbox::Mailbox;
use crate::counters::ChatCounters;

/// A room and the mailboxes of its members.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<HubState>,
    /// Mailboxes whose senders may have to pause. Locked for itself, so that a pause is not
    /// looked up under the lock of the room, and after `state` where both are.
    pressed: Mutex<Vec<Arc<Mailbox>>>,
    /// Maximum bytes queued for one member.
    queue: usize,
    /// Maximum bytes queued for all members together.
    room_queue: usize,
    held: Arc<Held>,
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
type Posted = Vec<(Audience, Line)>;

/// Effects of delivering lines.
#[derive(Debug, Default)]
struct Delivered {
    /// To wake, once no lock is held.
    wakers: Vec<Waker>,
    /// Bytes added to mailboxes above half full.
    pressing: usize,
}

impl Hub {
    /// An empty room with at most `queue` bytes queued per member, and `room_queue` for all.
    pub(crate) fn new(
        queue: usize,
        room_queue: usize,
        counters: Arc<ChatCounters>,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            pressed: Mutex::default(),
            queue,
            room_queue,
            held: Arc::default(),
            closing: AtomicBool::new(false),
            counters,
        })
    }

    /// Adds a member, whose lines have at most `max_message` bytes. The greeting is queued.
    pub(crate) fn enter(self: &Arc<Self>, max_message: usize) -> Seat {
        let mailbox = Arc::new(Mailbox::new(self.queue));
        // Nobody waits for it yet.
        let _no_waker = mailbox.push(self.line(GREETING));
        let mut state = self.lock();
        let member = state.room.enter();
        state.mailboxes.insert(member, Arc::clone(&mailbox));
        Seat::new(member, Arc::clone(self), mailbox, max_message)
    }

    /// A line for mailboxes of this room.
    pub(super) fn line(&self, text: &str) -> Line {
        Line::new(text, &self.held)
    }

    /// Processes a line of a member; returns how many bytes went into mailboxes above half
    /// full.
    pub(super) fn say(&self, member: MemberId, line: &[u8]) -> (Stay, usize) {
        let mut posted = Posted::new();
        let mut state = self.lock();
        let stay =
            state.room.say(member, line, &mut |to, text| posted.push((to, self.line(text))));
        let Delivered { wakers, pressing } = self.deliver(&mut state, posted);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.counters.count_line();
        (stay, pressing)
    }

    /// Until when a sender that fills mailboxes must pause, if at all; `waker` is called if it
    /// may resume sooner.
    pub(super) fn wait(&self, now: Nanos, waker: Option<&Waker>) -> Option<Nanos> {
        let mut until = None;
        self.pressed().retain(|mailbox| {
            let pressed = mailbox.wait(now, waker);
            until = until.max(pressed.until);
            pressed.is_felt
        });
        until
    }

    /// Removes a member; a second call does nothing.
    pub(super) fn leave(&self, member: MemberId) {
        let mut posted = Posted::new();
        let mut state = self.lock();
        self.part(&mut state, member, &mut posted);
        if self.closing.load(Ordering::Relaxed) {
            posted.clear();
        }
        let Delivered { wakers, .. } = self.deliver(&mut state, posted);
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

    fn pressed(&self) -> MutexGuard<'_, Vec<Arc<Mailbox>>> {
        self.pressed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers lines. Members whose mailbox overflows leave, which creates more lines; each
    /// leaves once.
    fn deliver(&self, state: &mut HubState, mut posted: Posted) -> Delivered {
        let (mut delivered, mut overflown) = (Delivered::default(), Vec::new());
        loop {
            for (audience, line) in posted.drain(..) {
                let mut pressed = false;
                let mut put = |to: MemberId| {
                    let Some(mailbox) = state.mailboxes.get(&to) else { return };
                    let pushed = mailbox.push(line.clone());
                    delivered.wakers.extend(pushed.waker);
                    pressed |= pushed.pressed;
                    if pushed.rose {
                        self.pressed().push(Arc::clone(mailbox));
                    }
                    if pushed.overflown {
                        overflown.push(to);
                    }
                };
                match audience {
                    Audience::Only(member) => put(member),
                    Audience::Others(but) => {
                        state.room.named().filter(|member| *member != but).for_each(put);
                    }
                }
                if pressed {
                    delivered.pressing += line.text().len();
                }
            }
            if overflown.is_empty() {
                overflown = self.cut_longest(state, &mut delivered.wakers);
            }
            if overflown.is_empty() {
                return delivered;
            }
            for member in overflown.drain(..) {
                debug!(?member, "slow chat member disconnected");
                self.counters.count_overflown();
                self.part(state, member, &mut posted);
            }
        }
    }

    /// If all queues together exceed their limit, empties the longest until some room is left;
    /// returns whose they are. Not more often than an eighth of the limit is filled: it looks at
    /// all queues.
    fn cut_longest(&self, state: &HubState, wakers: &mut Vec<Waker>) -> Vec<MemberId> {
        if self.held.bytes() <= self.room_queue {
            return Vec::new();
        }
        let length = |(member, mailbox): (&MemberId, &Arc<Mailbox>)| (mailbox.bytes(), *member);
        let mut queues: Vec<_> = state.mailboxes.iter().map(length).collect();
        queues.retain(|(bytes, _)| *bytes > 0);
        queues.sort_unstable_by(|one, other| other.cmp(one));
        let goal = self.room_queue - self.room_queue / 8;
        let mut cut = Vec::new();
        for (_, member) in queues {
            if self.held.bytes() <= goal {
                break;
            }
            wakers.extend(state.mailboxes[&member].overflow());
            cut.push(member);
        }
        cut
    }

    /// Removes a member from the room, if it is there.
    fn part(&self, state: &mut HubState, member: MemberId, posted: &mut Posted) {
        if let Some(mailbox) = state.mailboxes.remove(&member) {
            // Nobody waits for it any more.
            self.pressed().retain(|pressed| !Arc::ptr_eq(pressed, &mailbox));
        }
        state.room.leave(member, &mut |to, text| posted.push((to, self.line(text))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn looking_up_a_pause_does_not_wait_for_the_room() {
        let hub = Hub::new(100, 1000, Arc::default());
        let (done, is_done) = channel();
        let room = hub.lock();
        thread::scope(|scope| {
            scope.spawn(|| done.send(hub.wait(0, None)));
            let looked_up = is_done.recv_timeout(Duration::from_secs(10));
            drop(room);
            assert_eq!(looked_up, Ok(None));
        });
    }
}
