//! The unfinished end of a byte stream, kept until more arrives: [`CarryOver`]. A message that
//! arrives complete is never copied.

/// Capacity above this is freed, so that an idle connection does not hold the memory of a long
/// message.
const KEPT_CAPACITY: usize = 4096;

/// Capacity above this is freed also while the beginning of the next message is there. It is more
/// than reads of the default size need, so that a stream of messages allocates nothing.
const MOST_KEPT: usize = 64 * 1024;

/// Longer than any message: 1 TiB.
const MOST: u64 = 1 << 40;

/// `limit`, capped so that adding an announced length to an offset never overflows.
pub(crate) fn possible(limit: usize) -> usize {
    limit.min(usize::try_from(MOST).unwrap_or(isize::MAX.unsigned_abs()))
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct CarryOver(Vec<u8>);

impl CarryOver {
    /// Calls `cut` with all unconsumed bytes, `input` last, and keeps those after the number of
    /// bytes that it reports as consumed.
    pub(crate) fn feed<E>(
        &mut self,
        input: &[u8],
        cut: impl FnOnce(&[u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        if self.0.is_empty() {
            let used = cut(input)?;
            self.0.extend_from_slice(&input[used..]);
            return Ok(());
        }
        self.0.extend_from_slice(input);
        let used = cut(&self.0)?;
        if used == self.0.len() && self.0.capacity() > KEPT_CAPACITY {
            self.0 = Vec::new();
        }
        self.0.drain(..used.min(self.0.len()));
        // The beginning of the next message does not keep the memory of a long one either.
        if used > 0 && self.0.capacity() > MOST_KEPT && self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to(KEPT_CAPACITY);
        }
        Ok(())
    }

    /// The bytes kept so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_used_up_is_shown_again_before_what_comes() {
        let mut carry = CarryOver::default();
        let mut feed = |input: &str, used| {
            let mut shown = String::new();
            let fed: Result<(), ()> = carry.feed(input.as_bytes(), |bytes| {
                shown = String::from_utf8_lossy(bytes).into_owned();
                Ok(used)
            });
            assert_eq!(fed, Ok(()));
            shown
        };
        assert_eq!(feed("abc", 1), "abc");
        assert_eq!(feed("d", 0), "bcd");
        assert_eq!(feed("e", 4), "bcde");
        assert_eq!(feed("f", 1), "f");
        assert!(carry.bytes().is_empty());
    }

    #[test]
    fn the_memory_of_a_long_message_is_given_back() {
        let mut carry = CarryOver::default();
        let fed: Result<(), ()> = carry.feed(&vec![0; 1 << 20], |_| Ok(0));
        assert_eq!((fed, carry.bytes().len()), (Ok(()), 1 << 20));
        let fed: Result<(), ()> = carry.feed(&[0], |bytes| Ok(bytes.len()));
        assert_eq!((fed, carry.0.capacity()), (Ok(()), 0));
        let fed: Result<(), ()> = carry.feed(&vec![0; 1 << 20], |_| Ok(0));
        assert_eq!(fed, Ok(()));
        let fed: Result<(), ()> = carry.feed(b"x", |bytes| Ok(bytes.len() - 1));
        assert_eq!((fed, carry.bytes()), (Ok(()), &b"x"[..]));
        assert!(carry.0.capacity() <= 2 * KEPT_CAPACITY, "with a byte of the next message");
    }
}
