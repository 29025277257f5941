//! The chat room between connections: the [`Hub`] holds the room of
//! [`echo_proto::chat`], a [`Seat`] is one connection's place in it, and a
//! mailbox keeps the lines that wait for one member. Nothing here
//! touches a socket, and nobody waits for anybody: a member whose mailbox runs over is let
//! go.

mod hub;
mod mailbox;
mod seat;
#[cfg(test)]
mod tests;

pub use hub::Hub;
pub use mailbox::Taken;
pub use seat::Seat;
