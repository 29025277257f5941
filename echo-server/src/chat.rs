//! The chat room shared by connections: the [`Hub`] holds the room of [`echo_proto::chat`], a
//! [`Seat`] is a connection's membership, and a mailbox queues the lines of one member. Nothing
//! here touches a socket. Backpressure applies to senders that fill a mailbox: they pause
//! briefly so that its reader can catch up. Nobody else waits, and a member whose mailbox
//! overflows is disconnected.

mod hub;
mod line;
mod mailbox;
mod pressure;
mod seat;
#[cfg(test)]
mod tests;

pub(crate) use hub::Hub;
pub(crate) use mailbox::Taken;
pub(crate) use seat::Seat;
