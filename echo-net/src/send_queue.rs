//! Output that the kernel did not accept yet: [`SendQueue`]. Used by the reactor and by the
//! concurrency models that write to non-blocking sockets themselves. Allocates only while
//! something is queued.

use std::io;

/// Bytes that wait for the socket to become writable again.
#[derive(Debug, Default)]
pub struct SendQueue {
    bytes: Vec<u8>,
    /// How many of `bytes` were already written.
    taken: usize,
}

impl SendQueue {
    /// Passes `bytes` to `write`, as much as it accepts, and queues the rest; writes nothing if
    /// something is already queued.
    ///
    /// # Errors
    /// Those of `write`, except [`io::ErrorKind::WouldBlock`] and
    /// [`io::ErrorKind::Interrupted`], which are handled here.
    pub fn send(
        &mut self,
        mut bytes: &[u8],
        write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        if self.is_empty() {
            bytes = &bytes[write_some(bytes, write)?..];
        }
        // Compacts a queue that is never empty. What is moved is at most as much as was written
        // since, so each byte is moved once.
        if self.taken > self.len() {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Passes queued bytes to `write`; whether the queue is empty afterwards.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn flush(&mut self, write: impl FnMut(&[u8]) -> io::Result<usize>) -> io::Result<bool> {
        self.taken += write_some(&self.bytes[self.taken..], write)?;
        if self.taken < self.bytes.len() {
            return Ok(false);
        }
        *self = Self::default();
        Ok(true)
    }

    /// Queued bytes.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Bytes that it takes of the memory.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Writes until all is accepted or the socket would block; returns the number of bytes.
fn write_some(
    bytes: &[u8],
    mut write: impl FnMut(&[u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut taken = 0;
    while taken < bytes.len() {
        match write(&bytes[taken..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => taken += written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket that accepts at most `room` bytes before it would block.
    fn socket(sink: &mut Vec<u8>, mut room: usize) -> impl FnMut(&[u8]) -> io::Result<usize> {
        move |bytes| {
            if room == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let taken = bytes.len().min(room).min(2);
            room -= taken;
            sink.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }
    }

    #[test]
    fn keeps_order_over_partial_writes() {
        let mut sink = Vec::new();
        let mut queue = SendQueue::default();
        queue.send(b"abcde", socket(&mut sink, 3)).unwrap();
        assert_eq!(queue.len(), 2);
        queue.send(b"fg", |_| panic!("must not write past what is queued")).unwrap();
        assert!(!queue.flush(socket(&mut sink, 1)).unwrap());
        assert!(queue.flush(socket(&mut sink, 9)).unwrap());
        assert_eq!(sink, b"abcdefg");
        assert!(queue.is_empty());
    }

    #[test]
    fn keeps_only_what_waits_however_long_it_is_never_empty() {
        let mut sink = Vec::new();
        let mut queue = SendQueue::default();
        queue.send(&[b'a'; 100], socket(&mut sink, 0)).unwrap();
        for _ in 0..1000 {
            assert!(!queue.flush(socket(&mut sink, 90)).unwrap());
            queue.send(&[b'b'; 90], |_| panic!("something is queued")).unwrap();
        }
        assert_eq!(queue.len(), 100);
        assert!(queue.bytes.len() < 1000, "{} bytes are kept", queue.bytes.len());
        assert_eq!(sink.len(), 90 * 1000);
        assert!(sink.iter().position(|byte| *byte == b'b') == Some(100));
    }
}
