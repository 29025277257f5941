//! Allocation of connections to callers: [`PoolCore`]. Sans-I/O: its owner opens connections,
//! waits, and reports what happened. [`Pool`](super::Pool) is its async interface; the load
//! generator drives it from its own event loop.
//!
//! A *place* is the right to have one connection. Places are limited; callers without one
//! queue, and are served in order.

use std::collections::VecDeque;

use echo_net::Nanos;
use echo_net::clock::nanos;

use super::PoolOptions;
use super::counts::{Cause, PoolCounts};

/// The answer to a caller that wants a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Grant<C> {
    /// An idle connection. The owner checks it, then reports [`accept`](PoolCore::accept) or
    /// [`reject`](PoolCore::reject).
    Reuse(C),
    /// A place, taken over from this connection, which must be closed: its idle lifetime is
    /// over.
    Replace(C),
    /// A place. The owner connects, then reports [`made`](PoolCore::made) or
    /// [`not_made`](PoolCore::not_made).
    Connect,
    /// Nothing yet: the caller is queued.
    Wait,
}

#[derive(Debug)]
struct Idle<C> {
    connection: C,
    since: Nanos,
}

/// See the documentation of the module. `C` is a connection, `W` a waiting caller.
#[derive(Debug)]
pub struct PoolCore<C, W> {
    options: PoolOptions,
    idle: VecDeque<Idle<C>>,
    /// Places taken: connections in use, idle, or being opened.
    taken: usize,
    /// Waiting callers, and since when. While there are any, no place is free and no connection
    /// idle.
    waiting: VecDeque<(Nanos, W)>,
    counts: PoolCounts,
}

impl<C, W> PoolCore<C, W> {
    /// An empty pool.
    ///
    /// # Panics
    /// If `options` allow no connections.
    pub fn new(options: PoolOptions) -> Self {
        assert!(options.max_size > 0, "a pool holds at least one connection");
        Self {
            options,
            idle: VecDeque::new(),
            taken: 0,
            waiting: VecDeque::new(),
            counts: PoolCounts::default(),
        }
    }

    /// The counts so far.
    pub fn counts(&self) -> PoolCounts {
        self.counts
    }

    /// Connections that exist or are being opened.
    pub fn size(&self) -> usize {
        self.taken
    }

    /// Callers in the queue.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// `caller` wants a connection at `now`.
    pub fn ask(&mut self, caller: W, now: Nanos) -> Grant<C> {
        if let Some(grant) = self.take_idle(now) {
            return grant;
        }
        if self.taken < self.options.max_size {
            self.taken += 1;
            return Grant::Connect;
        }
        self.waiting.push_back((now, caller));
        Grant::Wait
    }

    /// A connection granted for reuse is usable.
    pub fn accept(&mut self) {
        self.counts.reused += 1;
    }

    /// A connection granted for reuse is unusable. Its place stays with the caller, which gets
    /// the next idle connection, or connects.
    pub fn reject(&mut self, cause: Cause, now: Nanos) -> Grant<C> {
        self.counts.discarded.count(cause);
        let Some(grant) = self.take_idle(now) else { return Grant::Connect };
        self.taken -= 1;
        grant
    }

    fn take_idle(&mut self, now: Nanos) -> Option<Grant<C>> {
        let Idle { connection, since } = self.idle.pop_front()?;
        let limit = self.options.idle_lifetime.map_or(Nanos::MAX, nanos);
        if now.saturating_sub(since) < limit {
            return Some(Grant::Reuse(connection));
        }
        self.counts.discarded.count(Cause::Idle);
        Some(Grant::Replace(connection))
    }

    /// The connection was opened.
    pub fn made(&mut self) {
        self.counts.created += 1;
    }

    /// Opening a connection failed. The place goes to the longest waiting caller, which must
    /// connect.
    #[must_use = "the longest waiting caller must connect"]
    pub fn not_made(&mut self) -> Option<W> {
        self.counts.connect_failures += 1;
        self.vacate()
    }

    /// Whether a connection with this many requests has reached its maximum.
    pub fn is_used_up(&self, uses: u64) -> bool {
        self.options.max_uses.is_some_and(|most| uses >= most)
    }

    /// A connection is free. It goes to the longest waiting caller, which must check it like
    /// any reused one; if nobody waits it becomes idle.
    #[must_use = "the longest waiting caller gets the connection"]
    pub fn give_back(&mut self, connection: C, now: Nanos) -> Option<(W, C)> {
        if let Some((_, caller)) = self.waiting.pop_front() {
            return Some((caller, connection));
        }
        self.idle.push_back(Idle { connection, since: now });
        None
    }

    /// A connection in use was closed. Its place goes to the longest waiting caller, which must
    /// connect.
    #[must_use = "the longest waiting caller must connect"]
    pub fn discard(&mut self, cause: Cause) -> Option<W> {
        self.counts.discarded.count(cause);
        self.vacate()
    }

    /// Removes idle connections that are `is_stale`, for instance closed by the server.
    pub fn withdraw(&mut self, cause: Cause, mut is_stale: impl FnMut(&C) -> bool) {
        let before = self.idle.len();
        self.idle.retain(|idle| !is_stale(&idle.connection));
        let gone = before - self.idle.len();
        self.taken -= gone;
        (0..gone).for_each(|_| self.counts.discarded.count(cause));
    }

    /// A granted place is not needed.
    #[must_use = "the longest waiting caller must connect"]
    pub(crate) fn vacate(&mut self) -> Option<W> {
        let next = self.waiting.pop_front();
        self.taken -= usize::from(next.is_none());
        next.map(|(_, caller)| caller)
    }

    /// Removes the next caller whose wait has timed out.
    pub fn expire(&mut self, now: Nanos) -> Option<W> {
        let (since, _) = self.waiting.front()?;
        if now.saturating_sub(*since) < nanos(self.options.wait_timeout) {
            return None;
        }
        self.counts.wait_timeouts += 1;
        self.waiting.pop_front().map(|(_, caller)| caller)
    }

    /// Removes waiting callers that are `gone`; whether there were any.
    pub fn forget(&mut self, mut gone: impl FnMut(&W) -> bool) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|(_, caller)| !gone(caller));
        self.waiting.len() < before
    }

    /// Counts a caller whose own wait timed out.
    pub(crate) fn count_wait_timeout(&mut self) {
        self.counts.wait_timeouts += 1;
    }

    /// Removes all idle connections, to be closed.
    pub fn drain(&mut self) -> impl Iterator<Item = C> {
        self.taken -= self.idle.len();
        std::mem::take(&mut self.idle).into_iter().map(|idle| idle.connection)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const OPTIONS: PoolOptions = PoolOptions {
        max_size: 2,
        wait_timeout: Duration::from_nanos(100),
        idle_lifetime: Some(Duration::from_micros(1)),
        max_uses: Some(3),
    };

    #[test]
    fn callers_are_served_in_order_and_connections_reused() {
        let mut core = PoolCore::<&str, u32>::new(OPTIONS);
        assert_eq!([core.ask(1, 0), core.ask(2, 0)], [Grant::Connect, Grant::Connect]);
        core.made();
        core.made();
        assert_eq!([core.ask(3, 0), core.ask(4, 1)], [Grant::Wait, Grant::Wait]);
        assert_eq!(core.give_back("a", 2), Some((3, "a")));
        core.accept();
        assert_eq!(core.discard(Cause::Broken), Some(4), "who is to connect");
        assert_eq!(core.not_made(), None);
        assert_eq!((core.give_back("a", 3), core.size()), (None, 1));
        assert_eq!(core.ask(5, 4), Grant::Reuse("a"));
        assert_eq!(core.reject(Cause::Closed, 4), Grant::Connect);
        let counts = core.counts();
        assert_eq!((counts.created, counts.reused, counts.connect_failures), (2, 1, 1));
        assert_eq!((counts.discarded.broken, counts.discarded.closed), (1, 1));
    }

    #[test]
    fn waits_and_idling_end() {
        let mut core = PoolCore::<&str, u32>::new(PoolOptions { max_size: 1, ..OPTIONS });
        assert_eq!([core.ask(1, 0), core.ask(2, 50)], [Grant::Connect, Grant::Wait]);
        assert_eq!(
            (core.expire(149), core.expire(150), core.expire(150)),
            (None, Some(2), None)
        );
        assert_eq!(core.give_back("a", 200), None);
        assert_eq!(core.ask(3, 1200), Grant::Replace("a"));
        assert_eq!((core.counts().discarded.idle, core.size()), (1, 1));
        assert!(!core.is_used_up(2) && core.is_used_up(3));
    }

    /// A pool with callers that follow a random script.
    #[derive(Default)]
    struct World {
        /// Callers with a connection, connecting, and waiting.
        using: Vec<(u32, u32)>,
        connecting: Vec<u32>,
        waiting: Vec<u32>,
        next: u32,
    }

    impl World {
        fn granted(&mut self, core: &mut PoolCore<u32, u32>, caller: u32, grant: &Grant<u32>) {
            match *grant {
                Grant::Reuse(connection) => {
                    core.accept();
                    self.using.push((caller, connection));
                }
                Grant::Replace(_) | Grant::Connect => self.connecting.push(caller),
                Grant::Wait => self.waiting.push(caller),
            }
        }

        fn is_to_connect(&mut self, caller: Option<u32>) {
            if let Some(caller) = caller {
                assert_eq!(self.waiting.remove(0), caller, "served out of turn");
                self.connecting.push(caller);
            }
        }
    }

    proptest! {
        #[test]
        fn places_are_never_lost_nor_doubled(
            steps in prop::collection::vec((0_u8..7, 0_u64..400), 0..200),
        ) {
            let mut core = PoolCore::new(OPTIONS);
            let mut world = World::default();
            let mut now = 0;
            for (step, pause) in steps {
                now += pause;
                world.next += 1;
                match step {
                    0 | 1 => {
                        let caller = world.next;
                        let grant = core.ask(caller, now);
                        world.granted(&mut core, caller, &grant);
                    }
                    2 => if let Some(caller) = world.connecting.pop() {
                        core.made();
                        world.using.push((caller, world.next));
                    },
                    3 => if world.connecting.pop().is_some() {
                        let next = core.not_made();
                        world.is_to_connect(next);
                    },
                    4 => if let Some((_, connection)) = world.using.pop()
                        && let Some((caller, connection)) = core.give_back(connection, now)
                    {
                        prop_assert_eq!(world.waiting.remove(0), caller);
                        world.using.push((caller, connection));
                    },
                    5 => if world.using.pop().is_some() {
                        let next = core.discard(Cause::Broken);
                        world.is_to_connect(next);
                    },
                    _ => while let Some(caller) = core.expire(now) {
                        prop_assert_eq!(world.waiting.remove(0), caller);
                    },
                }
                let held = world.using.len() + world.connecting.len();
                prop_assert!(held <= core.size() && core.size() <= OPTIONS.max_size);
                prop_assert!(world.waiting.is_empty() || held == OPTIONS.max_size);
                let distinct: BTreeSet<_> = world.using.iter().map(|(_, c)| c).collect();
                prop_assert_eq!(distinct.len(), world.using.len(), "one connection, two callers");
            }
        }
    }
}
