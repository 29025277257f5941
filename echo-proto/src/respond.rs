//! The server's side of a protocol: [`Respond`]. Refuses to know how bytes arrive or leave.

use std::time::SystemTime;

use crate::replies::Replies;

/// Tells the time of day. Protocols that answer with it are given one, since nothing here
/// looks at a clock by itself.
pub type WallClock = fn() -> SystemTime;

/// Whether a connection goes on after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// Keep reading.
    Open,
    /// Send what was replied, shut down the write side, and discard what still arrives for
    /// a bounded time before closing: a plain close with unread input makes the kernel send
    /// a reset, which can destroy the last reply (RFC 9293 section 3.6.1).
    Finish,
}

/// The server's side of one connection of a protocol.
pub trait Respond {
    /// Takes all of `input` and appends the replies to the messages that it completes.
    ///
    /// Any split of the same stream into calls gives the same replies. After
    /// [`Flow::Finish`] every further input is ignored.
    fn receive(&mut self, input: &[u8], replies: &mut Replies) -> Flow;

    /// The peer has half-closed: answers what a protocol answers without a terminator.
    fn end_of_input(&mut self, replies: &mut Replies);
}
