//! Promises that every protocol keeps, checked through the public `Responder` and
//! `Requester` and looped over every `ProtocolKind`: a protocol added to the enum is tested
//! here without a line more.

mod any_split;
mod connection;
mod hostile_input;
mod limits;
mod round_trip;
mod unfinished;
