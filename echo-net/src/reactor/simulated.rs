//! A simulated reactor with a manual clock and scripted peers: [`SimulatedReactor`]. Minutes of
//! load take milliseconds, and results are reproducible to the nanosecond.
//!
//! The clock advances only inside [`turn`](Reactor::turn). Events due at the same instant are
//! processed in scheduling order; what they cause at that instant is processed in the next
//! turn, so that a delay of zero can't block a turn forever. There is no kernel, listener or
//! thread: it does not serve.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;

use slotmap::SlotMap;

use super::{Event, Handler, Key, Reactor};
use crate::Nanos;
use crate::send_queue::SendQueue;
use crate::socket::ConnectOptions;

mod peer;
#[cfg(test)]
mod tests;

pub use peer::{ConnectOutcome, EchoOptions, EchoPeer, Ending, Peer, Script, Window};

use peer::Act;

/// Received data that is held back while reading is paused.
#[derive(Debug)]
enum Arrival {
    /// When they arrived, too.
    Bytes(Vec<u8>, Nanos),
    End,
}

#[derive(Debug)]
enum Happening {
    Connected,
    Arrived(Arrival),
    /// Sent by the peer of another connection.
    Told(Vec<u8>),
    /// Reading was resumed with data held back.
    Readable,
    /// The send window has reopened.
    Writable,
    Broken(io::Error),
}

/// State of our side of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Open,
    /// Half-close once the queue is empty.
    Finishing,
    Finished,
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts about a socket")]
struct SimulatedSocket {
    peer: Box<dyn Peer>,
    queue: SendQueue,
    connecting: bool,
    paused: bool,
    /// The peer has half-closed, and the handler was notified.
    ended: bool,
    output: Output,
    held_back: VecDeque<Arrival>,
    /// Earliest arrival of further data: TCP preserves order.
    last_arrival: Nanos,
    /// Whether the handler may know when bytes arrived.
    stamped: bool,
}

/// See the [module](self).
pub struct SimulatedReactor {
    now: Nanos,
    connections: SlotMap<Key, SimulatedSocket>,
    peers: Box<dyn FnMut(u64) -> Box<dyn Peer>>,
    /// Connections started so far.
    begun: Vec<Key>,
    /// Pending events, by time and then by scheduling order.
    scheduled: BTreeMap<(Nanos, u64), (Key, Happening)>,
    /// Sequence number of the next event.
    number: u64,
    /// How much later than they arrive bytes are read.
    pickup: Nanos,
    /// When the bytes that the handler is being given arrived.
    arrival: Option<Nanos>,
}

impl fmt::Debug for SimulatedReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedReactor")
            .field("now", &self.now)
            .field("connections", &self.connections.len())
            .field("scheduled", &self.scheduled)
            .finish_non_exhaustive()
    }
}

impl SimulatedReactor {
    /// A reactor whose clock starts at `start`. `peers` creates the peer of connection number n
    /// (from 0).
    pub fn new(start: Nanos, peers: impl FnMut(u64) -> Box<dyn Peer> + 'static) -> Self {
        Self {
            now: start,
            connections: SlotMap::with_key(),
            peers: Box::new(peers),
            begun: Vec::new(),
            scheduled: BTreeMap::new(),
            number: 0,
            pickup: 0,
            arrival: None,
        }
    }

    /// Bytes are read so much later than they arrive, as by a thread that is always behind.
    #[must_use]
    pub fn with_pickup(self, pickup: Nanos) -> Self {
        Self { pickup, ..self }
    }

    fn schedule(&mut self, at: Nanos, key: Key, happening: Happening) {
        self.scheduled.insert((at, self.number), (key, happening));
        self.number += 1;
    }

    fn play(&mut self, key: Key, script: Script) {
        for (after, act) in script.acts {
            let Some(connection) = self.connections.get_mut(key) else { return };
            let mut at = self.now.saturating_add(after);
            let happening = match act {
                Act::Deliver(bytes) => {
                    Happening::Arrived(Arrival::Bytes(bytes, at.max(connection.last_arrival)))
                }
                Act::HalfClose => Happening::Arrived(Arrival::End),
                Act::Reset => Happening::Broken(io::ErrorKind::ConnectionReset.into()),
                Act::Tell(other, bytes) => {
                    if let Some(&other) = self.begun.get(other as usize) {
                        self.schedule(at, other, Happening::Told(bytes));
                    }
                    continue;
                }
            };
            if let Happening::Arrived(_) = happening {
                at = at.max(connection.last_arrival);
                connection.last_arrival = at;
                at = at.saturating_add(self.pickup);
            }
            self.schedule(at, key, happening);
        }
    }

    fn happen(&mut self, key: Key, happening: Happening, handler: &mut impl Handler<Self>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        match happening {
            Happening::Connected => {
                connection.connecting = false;
                let waiting =
                    !connection.queue.is_empty() || connection.output == Output::Finishing;
                let mut script = Script::default();
                connection.peer.connected(self.now, &mut script);
                self.play(key, script);
                if waiting {
                    self.schedule(self.now, key, Happening::Writable);
                }
                handler.event(self, key, Event::Connected);
            }
            Happening::Arrived(arrival) => {
                connection.held_back.push_back(arrival);
                self.read(key, handler);
            }
            Happening::Told(bytes) => {
                let mut script = Script::default();
                connection.peer.told(self.now, &bytes, &mut script);
                self.play(key, script);
            }
            Happening::Readable => self.read(key, handler),
            Happening::Writable => self.flush(key, handler),
            Happening::Broken(error) => {
                self.connections.remove(key);
                handler.event(self, key, Event::Failed(error));
            }
        }
    }

    fn read(&mut self, key: Key, handler: &mut impl Handler<Self>) {
        // Looked up each time: the handler may pause or close.
        while let Some(connection) = self.connections.get_mut(key)
            && !connection.paused
            && !connection.ended
            && let Some(arrival) = connection.held_back.pop_front()
        {
            match arrival {
                Arrival::Bytes(bytes, at) => {
                    self.arrival = connection.stamped.then_some(at);
                    handler.event(self, key, Event::Received(&bytes));
                    self.arrival = None;
                }
                Arrival::End => {
                    connection.ended = true;
                    handler.event(self, key, Event::EndOfInput);
                }
            }
        }
    }

    fn flush(&mut self, key: Key, handler: &mut impl Handler<Self>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let queued = connection.queue.len();
        let window = connection.peer.window(self.now, queued);
        let mut taken = Vec::new();
        let flushed = connection.queue.flush(limited(window, &mut taken));
        self.exchange(key, &taken, window, flushed.map(drop));
        if queued > 0 && self.connections.contains_key(key) && self.unsent(key) == 0 {
            handler.event(self, key, Event::Sent);
        }
    }

    /// Delivers accepted bytes to the peer; the rest waits for the window.
    fn exchange(&mut self, key: Key, taken: &[u8], window: Window, result: io::Result<()>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let (now, left) = (self.now, connection.queue.len());
        let mut script = Script::default();
        if !taken.is_empty() {
            connection.peer.receive(now, taken, &mut script);
        }
        if left == 0 && connection.output == Output::Finishing {
            connection.output = Output::Finished;
            connection.peer.end_of_input(now, &mut script);
        }
        self.play(key, script);
        if left > 0
            && let Some(after) = window.reopens_after
        {
            self.schedule(now.saturating_add(after), key, Happening::Writable);
        }
        if let Err(error) = result {
            self.schedule(now, key, Happening::Broken(error));
        }
    }

    /// When the next event of a live connection is due.
    fn next(&mut self) -> Option<Nanos> {
        while let Some(entry) = self.scheduled.first_entry() {
            if self.connections.contains_key(entry.get().0) {
                return Some(entry.key().0);
            }
            entry.remove();
        }
        None
    }
}

/// A kernel that accepts what fits into the window.
fn limited(
    window: Window,
    taken: &mut Vec<u8>,
) -> impl FnMut(&[u8]) -> io::Result<usize> + use<'_> {
    let mut room = window.bytes;
    move |bytes| {
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = bytes.len().min(room);
        room -= length;
        taken.extend_from_slice(&bytes[..length]);
        Ok(length)
    }
}

impl Reactor for SimulatedReactor {
    fn now(&self) -> Nanos {
        self.now
    }

    fn connect(&mut self, options: &ConnectOptions) -> io::Result<Key> {
        let mut peer = (self.peers)(self.begun.len() as u64);
        let outcome = peer.connect(self.now);
        if let ConnectOutcome::NoSocket(kind) = outcome {
            self.begun.push(Key::default());
            return Err(kind.into());
        }
        let key = self.connections.insert(SimulatedSocket {
            peer,
            queue: SendQueue::default(),
            connecting: true,
            paused: false,
            ended: false,
            output: Output::Open,
            held_back: VecDeque::new(),
            last_arrival: 0,
            stamped: options.stamps,
        });
        self.begun.push(key);
        let (after, happening) = match outcome {
            ConnectOutcome::Made { after } => (after, Happening::Connected),
            ConnectOutcome::Failed { after, kind } => (after, Happening::Broken(kind.into())),
            ConnectOutcome::NoSocket(_) | ConnectOutcome::Unanswered => return Ok(key),
        };
        self.schedule(self.now.saturating_add(after), key, happening);
        Ok(key)
    }

    fn send(&mut self, key: Key, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.output == Output::Finished {
            self.schedule(self.now, key, Happening::Broken(io::ErrorKind::BrokenPipe.into()));
            return;
        }
        if connection.connecting || !connection.queue.is_empty() {
            // The queue is flushed when the connection is established or the window reopens.
            let _ = connection.queue.send(bytes, |_| Err(io::ErrorKind::WouldBlock.into()));
            return;
        }
        let window = connection.peer.window(self.now, bytes.len());
        let mut taken = Vec::new();
        let sent = connection.queue.send(bytes, limited(window, &mut taken));
        self.exchange(key, &taken, window, sent);
    }

    fn unsent(&self, key: Key) -> usize {
        self.connections.get(key).map_or(0, |connection| connection.queue.len())
    }

    fn pause(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.paused = true;
        }
    }

    fn resume(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.paused = false;
        if !connection.held_back.is_empty() {
            self.schedule(self.now, key, Happening::Readable);
        }
    }

    fn finish(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.output == Output::Open {
            connection.output = Output::Finishing;
        }
        if !connection.connecting {
            self.exchange(key, &[], Window::SHUT, Ok(()));
        }
    }

    fn close(&mut self, key: Key) {
        self.connections.remove(key);
    }

    fn arrival(&self) -> Option<Nanos> {
        self.arrival
    }

    fn turn(
        &mut self,
        until: Option<Nanos>,
        handler: &mut impl Handler<Self>,
    ) -> io::Result<()> {
        let Some(instant) = [self.next(), until].into_iter().flatten().min() else {
            return Err(io::Error::other(
                "the simulation is stuck: nothing is scheduled and the turn has no deadline",
            ));
        };
        self.now = self.now.max(instant);
        let present = self.number;
        while let Some(entry) = self.scheduled.first_entry() {
            let (at, number) = *entry.key();
            if at > self.now || number >= present {
                break;
            }
            let (key, happening) = entry.remove();
            self.happen(key, happening, handler);
        }
        Ok(())
    }
}
