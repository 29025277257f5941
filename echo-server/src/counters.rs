//! Server statistics: [`Served`] counts of one worker or one read, summed up in [`Counters`],
//! which workers update without contention.

use std::iter::Sum;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use echo_proto::Replies;

use crate::response_times::{Distribution, ResponseTimes};

/// Messages and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Served {
    /// Messages answered. In a protocol without framing each read counts as one, in chat every
    /// line sent to a member.
    pub messages: u64,
    /// Bytes received on the wire.
    pub bytes_in: u64,
    /// Bytes sent on the wire.
    pub bytes_out: u64,
    /// Messages refused or truncated, failed TLS connections, and chat members disconnected for
    /// not reading.
    pub errors: u64,
}

impl Served {
    /// The counts of one read and its replies.
    #[inline]
    pub fn by(input: usize, replies: &Replies) -> Self {
        Self {
            messages: replies.messages(),
            bytes_in: input as u64,
            bytes_out: replies.bytes().len() as u64,
            errors: replies.errors(),
        }
    }
}

impl AddAssign for Served {
    #[inline]
    fn add_assign(&mut self, more: Self) {
        self.messages += more.messages;
        self.bytes_in += more.bytes_in;
        self.bytes_out += more.bytes_out;
        self.errors += more.errors;
    }
}

/// Destination of a thread's counts.
pub(crate) trait Count {
    /// Adds to the counts.
    fn count(&mut self, more: Served);
}

/// Local to the thread, and added to its [`WorkerCounters`] periodically.
impl Count for Served {
    #[inline]
    fn count(&mut self, more: Served) {
        *self += more;
    }
}

/// Immediately.
impl Count for &WorkerCounters {
    #[inline]
    fn count(&mut self, more: Served) {
        self.add(more);
    }
}

/// The counts of one worker. Two cache lines large (processors prefetch pairs), which avoids
/// false sharing.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct WorkerCounters {
    messages: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    errors: AtomicU64,
    connections: AtomicU64,
    closed: AtomicU64,
    response_times: ResponseTimes,
}

/// What a worker has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct WorkerSoFar {
    /// Messages and bytes.
    pub(crate) served: Served,
    /// Connections that it was the first to serve.
    pub(crate) connections: u64,
    /// Those that are open.
    pub(crate) active: u64,
    /// Response times.
    pub(crate) response_times: Distribution,
}

impl<'a> Sum<&'a Self> for WorkerSoFar {
    fn sum<I: Iterator<Item = &'a Self>>(workers: I) -> Self {
        workers.fold(Self::default(), |mut sum, worker| {
            sum.served += worker.served;
            sum.connections += worker.connections;
            sum.active += worker.active;
            sum.response_times += worker.response_times;
            sum
        })
    }
}

impl WorkerCounters {
    /// Adds to the counts.
    #[inline]
    pub(crate) fn add(&self, more: Served) {
        self.messages.fetch_add(more.messages, Ordering::Relaxed);
        self.bytes_in.fetch_add(more.bytes_in, Ordering::Relaxed);
        self.bytes_out.fetch_add(more.bytes_out, Ordering::Relaxed);
        if more.errors > 0 {
            self.errors.fetch_add(more.errors, Ordering::Relaxed);
        }
    }

    /// A connection is served here first.
    pub(crate) fn begin_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Such a connection has ended.
    pub(crate) fn end_connection(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    /// Where its response times go.
    pub(crate) fn response_times(&self) -> &ResponseTimes {
        &self.response_times
    }

    fn read(&self) -> WorkerSoFar {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        // In this order, so that no more have ended than have begun.
        let closed = read(&self.closed);
        let connections = read(&self.connections);
        WorkerSoFar {
            served: Served {
                messages: read(&self.messages),
                bytes_in: read(&self.bytes_in),
                bytes_out: read(&self.bytes_out),
                errors: read(&self.errors),
            },
            connections,
            active: connections.saturating_sub(closed),
            response_times: self.response_times.read(),
        }
    }
}

/// TLS statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct TlsServed {
    /// Completed handshakes.
    pub handshakes: u64,
    /// Those that resumed an earlier session.
    pub resumed: u64,
    /// Connections of peers that did not speak TLS.
    pub plaintext: u64,
    /// Handshakes that timed out.
    pub timeout: u64,
    /// Unfinished handshakes that were ended because there were too many.
    pub displaced: u64,
    /// Handshakes that ended since the client had no certificate, or an unacceptable one.
    pub client_certificate: u64,
    /// Other failed connections.
    pub failed: u64,
    /// Streams that ended without close_notify.
    pub truncated: u64,
}

impl AddAssign for TlsServed {
    fn add_assign(&mut self, more: Self) {
        self.handshakes += more.handshakes;
        self.resumed += more.resumed;
        self.plaintext += more.plaintext;
        self.timeout += more.timeout;
        self.displaced += more.displaced;
        self.client_certificate += more.client_certificate;
        self.failed += more.failed;
        self.truncated += more.truncated;
    }
}

/// [`TlsServed`], shared by all sessions. Updated once or twice per connection, so contention
/// does not matter.
#[derive(Debug, Default)]
pub(crate) struct TlsCounters {
    pub(crate) handshakes: AtomicU64,
    pub(crate) resumed: AtomicU64,
    pub(crate) plaintext: AtomicU64,
    pub(crate) timeout: AtomicU64,
    pub(crate) displaced: AtomicU64,
    pub(crate) client_certificate: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) truncated: AtomicU64,
}

impl TlsCounters {
    /// The counts so far.
    pub(crate) fn read(&self) -> TlsServed {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        TlsServed {
            handshakes: read(&self.handshakes),
            resumed: read(&self.resumed),
            plaintext: read(&self.plaintext),
            timeout: read(&self.timeout),
            displaced: read(&self.displaced),
            client_certificate: read(&self.client_certificate),
            failed: read(&self.failed),
            truncated: read(&self.truncated),
        }
    }
}

/// Chat statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct ChatServed {
    /// Lines received from members, commands included.
    pub lines: u64,
    /// Members disconnected because they did not read.
    pub overflown: u64,
}

impl AddAssign for ChatServed {
    fn add_assign(&mut self, more: Self) {
        self.lines += more.lines;
        self.overflown += more.overflown;
    }
}

/// [`ChatServed`], updated where lines are serialised by a lock anyway.
#[derive(Debug, Default)]
pub(crate) struct ChatCounters {
    lines: AtomicU64,
    overflown: AtomicU64,
}

impl ChatCounters {
    pub(crate) fn count_line(&self) {
        self.lines.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_overflown(&self) {
        self.overflown.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts so far.
    pub(crate) fn read(&self) -> ChatServed {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ChatServed { lines: read(&self.lines), overflown: read(&self.overflown) }
    }
}

/// The counts of all workers.
#[derive(Debug)]
pub(crate) struct Counters {
    workers: Box<[Arc<WorkerCounters>]>,
    tls: Arc<TlsCounters>,
    chat: Arc<ChatCounters>,
}

impl Counters {
    /// For `workers` workers, at least one.
    pub(crate) fn new(workers: usize) -> Self {
        let workers = (0..workers.max(1)).map(|_| Arc::default()).collect();
        Self { workers, tls: Arc::default(), chat: Arc::default() }
    }

    /// The counts of worker number `worker`; additional workers share them.
    pub(crate) fn worker(&self, worker: usize) -> &Arc<WorkerCounters> {
        &self.workers[worker % self.workers.len()]
    }

    /// Those of TLS.
    pub(crate) fn tls(&self) -> &Arc<TlsCounters> {
        &self.tls
    }

    /// Those of the chat.
    pub(crate) fn chat(&self) -> &Arc<ChatCounters> {
        &self.chat
    }

    /// Those of each worker.
    pub(crate) fn workers(&self) -> Vec<WorkerSoFar> {
        self.workers.iter().map(|worker| worker.read()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_sum_over_workers() {
        let counters = Counters::new(2);
        let served = Served { messages: 1, bytes_in: 2, bytes_out: 3, errors: 4 };
        for worker in [0, 1, 1] {
            counters.worker(worker).add(served);
        }
        let total: WorkerSoFar = counters.workers().iter().sum();
        assert_eq!(total.served, Served { messages: 3, bytes_in: 6, bytes_out: 9, errors: 12 });
    }
}
