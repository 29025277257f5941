//! One event loop per worker on poll(2): [`Poll`]. The kernel looks at every connection in every
//! turn, which epoll was made to avoid.

use std::io;

use echo_net::listener::Listener;
use echo_net::reactor::poll::PollReactor;

use super::{Model, event_loop};
use crate::context::Context;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Poll;

impl Model for Poll {
    fn serve(&self, listeners: Vec<Vec<Listener>>, context: &Context) -> io::Result<()> {
        event_loop::serve(listeners, context, || PollReactor::new(context.config.read_buffer))
    }
}
