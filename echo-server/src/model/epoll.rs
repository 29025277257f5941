//! One event loop per worker on Linux epoll: [`Epoll`].

use std::io;

use echo_net::listener::Listener;
use echo_net::reactor::epoll::{self, Edge, EpollReactor, Level, Oneshot};

use super::{Model, event_loop};
use crate::context::Context;
use crate::tuning::{Accept, Trigger};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Epoll;

impl Model for Epoll {
    // A reactor of its own for each trigger, so that none is asked for per message.
    fn serve(&self, listeners: Vec<Vec<Listener>>, context: &Context) -> io::Result<()> {
        match context.config.tuning.trigger {
            Trigger::Level => serve::<Level>(listeners, context),
            Trigger::Edge => serve::<Edge>(listeners, context),
            Trigger::Oneshot => serve::<Oneshot>(listeners, context),
        }
    }
}

fn serve<T: epoll::Trigger>(
    listeners: Vec<Vec<Listener>>,
    context: &Context,
) -> io::Result<()> {
    event_loop::serve(listeners, context, || {
        let mut reactor = EpollReactor::<T>::triggered(context.config.read_buffer)?;
        if context.config.tuning.accept == Accept::Exclusive {
            reactor.listen_exclusively();
        }
        Ok(reactor)
    })
}
