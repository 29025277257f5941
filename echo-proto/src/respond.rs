//! The server's side of a protocol: [`Respond`]. Independent of how bytes arrive or leave.

use std::time::SystemTime;

use crate::replies::Replies;

/// Returns the time of day, for protocols that report it; this crate reads no clock itself.
pub type WallClock = fn() -> SystemTime;

/// Whether a connection continues after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// Keep reading.
    Open,
    /// Send the replies, shut down the write side, and discard further input for a bounded time
    /// before closing: a plain close with unread input makes the kernel send a RST, which can
    /// destroy the last reply (RFC 9293 section 3.6.1).
    Finish,
}

/// The server's side of one connection of a protocol.
pub trait Respond {
    /// Consumes all of `input` and appends the replies to the messages that it completes.
    ///
    /// Any fragmentation of the same stream gives the same replies. After [`Flow::Finish`] all
    /// input is ignored.
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow;

    /// The peer has half-closed: replies to a last message without terminator, where the
    /// protocol allows it.
    fn end_of_input(&mut self, replies: &mut Replies);

    /// Bytes of a message that has begun and is not complete. 0 between messages, and in a
    /// protocol without messages.
    fn unfinished(&self) -> usize;

    /// The rest of an unfinished message did not arrive in time: appends the error reply, and
    /// ignores all further input as after [`Flow::Finish`].
    fn time_out(&mut self, replies: &mut Replies);
}
