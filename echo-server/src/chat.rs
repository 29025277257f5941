//! The chat room between connections: the [`Hub`] holds the room of
//! [`echo_proto::chat`], a [`Seat`] is one connection's place in it, and a
//! mailbox keeps the lines that wait for one member. Nothing here
//! touches a socket. Who says much while a mailbox is rather full gives its reader a moment
//! to read, and no more; nobody else waits, and a member whose mailbox runs over is let go.

mod hub;
mod mailbox;
mod pressure;
mod seat;
#[cfg(test)]
mod tests;

pub use hub::Hub;
pub use mailbox::Taken;
pub use seat::Seat;
