//! Since when a message has been unfinished: [`MessageClock`]. It is not renewed by further bytes,
//! and reads no clock itself.

use echo_net::Nanos;

use super::NEVER;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct MessageClock {
    /// When its first bytes arrived; [`NEVER`] between messages.
    since: Nanos,
    /// Its bytes so far.
    bytes: usize,
}

impl MessageClock {
    /// Between messages.
    pub(super) fn new() -> Self {
        Self { since: NEVER, bytes: 0 }
    }

    /// `received` bytes of messages were read, after which `unfinished` bytes are those of an
    /// incomplete message.
    #[inline]
    pub(super) fn received(&mut self, now: Nanos, received: usize, unfinished: usize) {
        // Otherwise a message was completed, and the incomplete one is another.
        let is_the_same = self.bytes > 0 && unfinished == self.bytes + received;
        self.bytes = unfinished;
        if unfinished == 0 {
            self.since = NEVER;
        } else if !is_the_same {
            self.since = now;
        }
    }

    /// The server did not read meanwhile, which is not the peer's fault.
    #[inline]
    pub(super) fn renew(&mut self, now: Nanos) {
        if self.since != NEVER {
            self.since = now;
        }
    }

    /// When the message is late.
    #[inline]
    pub(super) fn late_at(&self, timeout: Nanos) -> Nanos {
        self.since.saturating_add(timeout)
    }

    /// Bytes of the incomplete message.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_the_first_byte_of_the_message_that_is_incomplete() {
        let mut clock = MessageClock::new();
        for (now, received, unfinished, since) in [
            (1, 5, 0, NEVER),
            (2, 3, 3, 2),
            (3, 1, 4, 2),
            (4, 0, 4, 2),
            // It ended, and the next one began, in one read.
            (5, 6, 4, 5),
            (6, 1, 1, 6),
            (7, 9, 0, NEVER),
        ] {
            clock.received(now, received, unfinished);
            assert_eq!(clock.late_at(0), since, "{now}");
        }
        clock.renew(8);
        assert_eq!(clock.late_at(10), NEVER);
        clock.received(9, 1, 1);
        clock.renew(10);
        assert_eq!(clock.late_at(10), 20);
    }
}
