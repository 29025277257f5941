//! A connection that must not seem to have ended well when it was cut short: [`Guarded`].

use std::os::fd::AsFd as _;

use echo_net::socket::reset_on_close;
use echo_net::stream::Stream;

/// A connection that is reset when it is dropped, for whatever reason, before it
/// [has ended](Self::has_ended). A plain close would send FIN, which says that all was sent.
#[derive(Debug)]
pub(super) struct Guarded {
    stream: Stream,
    ended: bool,
}

impl Guarded {
    /// Has not ended.
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, ended: false }
    }

    /// The connection.
    pub(super) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Closes it in order: both directions have ended.
    pub(super) fn has_ended(mut self) {
        self.ended = true;
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if !self.ended {
            // Fails only if it is no socket.
            let _ = reset_on_close(self.stream.as_fd());
        }
    }
}
