//! A process per worker, as Apache's prefork, PostgreSQL and gunicorn have them: [`Prefork`] is
//! what each of these processes does, [`Supervisor`] what the one does that has started them.
//! They share sockets and limits, and nothing else: what one worker does to its memory harms no
//! other.
//!
//! A worker serves many connections, with the loop of the model epoll. A worker that ends by
//! itself, or is killed, ends the whole server as in all other models: going on with the rest, or
//! a new one, would hide from a measurement that connections were lost.

use std::io;

use echo_net::listener::Listener;

use super::{Model, epoll};
use crate::context::Context;

mod supervisor;

pub(crate) use supervisor::{Supervisor, WorkerLost};

/// See the [module](self). Without a supervisor, in a program that has the server as a library, its
/// workers are threads.
#[derive(Debug)]
pub(super) struct Prefork;

impl Model for Prefork {
    fn serve(&self, listeners: Vec<Vec<Listener>>, context: &Context) -> io::Result<()> {
        epoll::Epoll.serve(listeners, context)
    }
}
