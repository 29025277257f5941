//! One task per connection on tokio's work-stealing runtime: [`Tokio`]; and what it shares with
//! [`local`], where each worker has its own runtime.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use echo_net::stop::Stage;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use super::Model;
use crate::context::Context;

pub(crate) mod accept;
pub(super) mod local;
mod task;

use accept::{accept, reached, stages};
use task::Tasks;

/// How long a forced stop waits for workers to leave their current task.
const FORCED_GRACE: Duration = Duration::from_millis(300);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Tokio;

impl Model for Tokio {
    fn serve(&self, listeners: Vec<Vec<TcpListener>>, context: &Context) -> io::Result<()> {
        super::check_listeners(&listeners, context.config.workers)?;
        let (pinning, started) = (context.clone(), AtomicUsize::new(0));
        let runtime = Builder::new_multi_thread()
            .worker_threads(context.config.workers)
            .thread_name("worker")
            .on_thread_start(move || {
                pinning.pin_worker(started.fetch_add(1, Ordering::Relaxed));
            })
            .enable_all()
            .build()?;
        let outcome = runtime.block_on(serve(listeners, context));
        runtime.shutdown_timeout(FORCED_GRACE);
        outcome
    }
}

async fn serve(listeners: Vec<Vec<TcpListener>>, context: &Context) -> io::Result<()> {
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
            ended.map_err(io::Error::other)??;
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
