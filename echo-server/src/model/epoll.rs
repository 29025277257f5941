//! One event loop per worker on Linux epoll: [`Epoll`].

use std::io;
use std::net::TcpListener;

use echo_net::reactor::epoll::EpollReactor;

use super::{Model, event_loop};
use crate::context::Context;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Epoll;

impl Model for Epoll {
    fn serve(&self, listeners: Vec<Vec<TcpListener>>, context: &Context) -> io::Result<()> {
        event_loop::serve(listeners, context, || EpollReactor::new(context.config.read_buffer))
    }
}
