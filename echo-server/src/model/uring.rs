//! One event loop per worker on Linux `io_uring`: [`Uring`]. Each has a ring; a kernel thread, if one
//! is asked for, serves all of them.

use std::io;
use std::sync::Arc;

use echo_net::listener::Listener;
use echo_net::reactor::uring::UringReactor;

use super::{Model, event_loop};
use crate::context::Context;
use crate::sqpoll;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Uring;

impl Model for Uring {
    fn check(&self) -> io::Result<()> {
        Ok(UringReactor::probe()?)
    }

    fn serve(&self, listeners: Vec<Vec<Listener>>, context: &Context) -> io::Result<()> {
        let read_buffer = context.config.read_buffer;
        if !context.config.tuning.uring_sqpoll {
            return event_loop::serve(listeners, context, || {
                Ok(UringReactor::new(read_buffer)?)
            });
        }
        let thread = Arc::new(sqpoll::start(&context.config)?);
        context.sqpoll.begins(&thread);
        let outcome = event_loop::serve(listeners, context, || {
            Ok(UringReactor::served_by(&thread, read_buffer)?)
        });
        context.sqpoll.ends();
        outcome
    }
}
