//! One task per connection on tokio's work-stealing runtime: [`Tokio`]; and what it shares with
//! [`local`], where each worker has its own runtime.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use echo_net::listener::Listener;
use echo_net::stop::Stage;
use tokio::task::JoinSet;

use super::Model;
use crate::context::Context;

pub(crate) mod accept;
mod launch;
pub(super) mod local;
mod task;

use accept::{accept, reached, stages};
pub(crate) use launch::launch;
use task::Tasks;

/// How long a forced stop waits for workers to leave their current task.
const FORCED_GRACE: Duration = Duration::from_millis(300);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Tokio;

impl Model for Tokio {
    fn serve(&self, listeners: Vec<Vec<Listener>>, context: &Context) -> io::Result<()> {
        super::check_listeners(&listeners, context.config.workers)?;
        // Its threads, and what accepts.
        context.readiness.expect(context.config.workers + listeners.len());
        let worker = context.clone();
        let starts = move |number| {
            worker.pin_worker(number);
            worker.readiness.serves();
        };
        let tuning = context.config.tuning;
        let runtime =
            launch(context.config.workers, |builder| tuning.apply_to(builder), starts)?;
        let outcome = context.supervise(|| runtime.block_on(serve(listeners, context)));
        runtime.shutdown_timeout(FORCED_GRACE);
        outcome
    }
}

async fn serve(listeners: Vec<Vec<Listener>>, context: &Context) -> io::Result<()> {
    let tasks = Tasks::new(context, 0);
    let mut acceptors = JoinSet::new();
    for group in listeners {
        let (tasks, context) = (Arc::clone(&tasks), context.clone());
        acceptors.spawn(async move {
            accept(group, &context, |stream, permit| {
                tasks.start(stream, permit);
                Ok(())
            })
            .await
        });
    }
    let stages = stages(&context.stop);
    let serving = async {
        // All acceptors end when a stop is requested, or when one of them fails.
        while let Some(ended) = acceptors.join_next().await {
            ended.map_err(|error| match error.try_into_panic() {
                Ok(payload) => context.panicked(payload),
                Err(error) => io::Error::other(error),
            })??;
        }
        tasks.stop_all();
        tasks.all_ended().await;
        Ok(())
    };
    tokio::select! {
        outcome = serving => outcome,
        () = reached(stages, Stage::Forced) => Ok(()),
    }
}
