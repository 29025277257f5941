//! A single-threaded tokio runtime per worker, one task per connection: [`TokioLocal`]. Tasks
//! never move to another thread.
//!
//! With one group of listeners the first worker accepts and distributes the sockets in
//! rotation; with one per worker, or where all share one, each accepts for itself.

use std::io;

use echo_net::listener::Listener;
use echo_net::stop::Stage;
use echo_net::stream::{DetachedStream, Stream};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::accept::{accept, reached, stages};
use super::task::Tasks;
use crate::admission::Permit;
use crate::context::Context;
use crate::model::{self, Model};

/// An admitted socket on its way to another worker.
type Handoff = (DetachedStream, Permit);

/// See the [module](self).
#[derive(Debug)]
pub(in crate::model) struct TokioLocal;

impl Model for TokioLocal {
    fn serve(&self, listeners: Vec<Vec<Listener>>, context: &Context) -> io::Result<()> {
        let workers = context.config.workers;
        let listeners = model::listeners_of_workers(listeners, &context.config)?;
        let keep_own = listeners.len() == workers;
        let mut listeners = listeners.into_iter();
        let (outboxes, inboxes): (Vec<_>, Vec<_>) =
            (0..workers).map(|_| unbounded_channel()).unzip();
        context.readiness.expect(workers);
        std::thread::scope(|scope| {
            let threads: Vec<_> = inboxes
                .into_iter()
                .enumerate()
                .map(|(number, inbox)| {
                    let listeners = listeners.next().unwrap_or_default();
                    let hands_off = !listeners.is_empty() && !keep_own;
                    let outboxes = if hands_off { outboxes.clone() } else { Vec::new() };
                    let worker = LocalRuntime { number, context, listeners, outboxes, inbox };
                    model::start_worker(scope, number, context, || worker.run())
                })
                .collect();
            // Now only accepting workers hold senders: an inbox closes when they have all
            // ended.
            drop(outboxes);
            model::join_all(threads)
        })
    }
}

struct LocalRuntime<'a> {
    number: usize,
    context: &'a Context,
    listeners: Vec<Listener>,
    /// Senders to all workers; none if this one keeps what it accepts.
    outboxes: Vec<UnboundedSender<Handoff>>,
    inbox: UnboundedReceiver<Handoff>,
}

impl LocalRuntime<'_> {
    fn run(self) -> io::Result<()> {
        self.context.pin_worker(self.number);
        let mut builder = Builder::new_current_thread();
        self.context.config.tuning.apply_to(&mut builder);
        let runtime = builder.enable_all().build()?;
        let forced = reached(stages(&self.context.stop), Stage::Forced);
        runtime.block_on(async {
            tokio::select! {
                outcome = self.serve() => outcome,
                () = forced => Ok(()),
            }
        })
    }

    async fn serve(self) -> io::Result<()> {
        let Self { number, context, listeners, outboxes, mut inbox } = self;
        let tasks = Tasks::new(context, number);
        let accepting = async {
            if listeners.is_empty() {
                context.readiness.serves();
                return Ok(());
            }
            let mut turn = number;
            let outcome = accept(listeners, context, |stream, permit| {
                match outboxes.get(turn) {
                    Some(outbox) if turn != number => {
                        // A worker that has ended early has forced the stop of all.
                        let _ = outbox.send((stream.detach()?, permit));
                    }
                    _ => tasks.start(stream, permit),
                }
                turn = (turn + 1) % outboxes.len().max(1);
                Ok(())
            });
            let outcome = outcome.await;
            drop(outboxes);
            outcome
        };
        let receiving = async {
            while let Some((stream, permit)) = inbox.recv().await {
                tasks.start(Stream::attach(stream)?, permit);
            }
            Ok(())
        };
        let stopping = async {
            reached(stages(&context.stop), Stage::Draining).await;
            tasks.stop_all();
            Ok(())
        };
        tokio::try_join!(accepting, receiving, stopping)?;
        tasks.all_ended().await;
        Ok(())
    }
}
