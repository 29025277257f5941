//! One event loop per worker on Linux `io_uring`: [`Uring`].

use std::io;

use echo_net::listener::Listener;
use echo_net::reactor::uring::UringReactor;

use super::{Model, event_loop};
use crate::context::Context;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Uring;

impl Model for Uring {
    fn check(&self) -> io::Result<()> {
        Ok(UringReactor::probe()?)
    }

    fn serve(&self, listeners: Vec<Vec<Listener>>, context: &Context) -> io::Result<()> {
        event_loop::serve(listeners, context, || {
            Ok(UringReactor::new(context.config.read_buffer)?)
        })
    }
}
