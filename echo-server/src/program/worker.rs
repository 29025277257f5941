//! A worker process of `echo-server`: [`run`]. It has the command line of the process that started
//! it, and gets from that one where it listens and what it may use; what concerns people (the ready
//! line, the summary, signals, metrics) is that one's.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::Context as _;
use echo_net::stop::Stop;
use echo_net::{fd_limit, signals};

use super::{FAILED, Reported, WorkerPanicked, cause_of, code_of};
use crate::cli::ServerArgs;
use crate::config::Config;
use crate::logging::LogStyle;
use crate::occupied::Sharing;
use crate::processes::{Ended, WorkerSide};
use crate::sandbox::{self, Needs};
use crate::server::Server;

/// Serves until it is told to end.
///
/// # Errors
/// When it can't serve.
pub(super) fn run(args: &ServerArgs, side: WorkerSide) -> anyhow::Result<()> {
    signals::leave_to_parent();
    match signals::end_with_parent(Some(side.parent)) {
        // It could not start all of its workers, and has said so.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Reported(FAILED).into());
        }
        watching => watching.context("watching the parent process")?,
    }
    let reporter = side.reporter();
    let Err(error) = serve(args, side) else {
        reporter.ended(Ended::Stopped);
        return Ok(());
    };
    reporter.ended(match error.downcast_ref::<WorkerPanicked>() {
        Some(WorkerPanicked(cause)) => Ended::Panicked(cause.clone()),
        None => Ended::Failed(format!("{error:#}")),
    });
    Err(Reported(code_of(&error)).into())
}

fn serve(args: &ServerArgs, mut side: WorkerSide) -> anyhow::Result<()> {
    let mut config = Config::try_from(args)?;
    LogStyle::from(args).begin();
    fd_limit::raise();
    let assigned = side.assignment().context("getting the assignment")?;
    config.workers = 1;
    config.tls = args.tls.identity_with(assigned.certificate.as_ref())?;
    config.max_conns = Some(assigned.limit);
    config.max_buffered = Some(assigned.max_buffered);
    config.cpus = config.cpu_of(side.number).into_iter().collect();
    // The process that started it counts this time for all of them.
    config.drain_timeout = std::time::Duration::MAX;
    // Before there are threads: each has its own restrictions, and inherits those of its parent.
    if !args.no_sandbox {
        sandbox::enter(&Needs::default());
    }
    let (stop, reporter) = (Stop::new(), side.reporter());
    let sharing = Sharing {
        occupied: std::sync::Arc::clone(&side.occupied),
        processes: assigned.workers as u64,
    };
    let server = Server::sharing(config, &stop, sharing);
    let serving = reporter.clone();
    let server = server.when_ready(move || serving.serves());
    let watch = server.watch();
    let listeners = vec![std::mem::take(&mut side.listeners)];
    let counted = watch.clone();
    side.follow(stop, move || counted.context().snapshot()).context("starting a thread")?;
    let were_passed = assigned.were_passed;
    let run = || if were_passed { server.run(listeners) } else { server.run_on_own(listeners) };
    let result = catch_unwind(AssertUnwindSafe(run));
    reporter.counted(watch.context().snapshot());
    result.map_err(|payload| WorkerPanicked(cause_of(&*payload)))?.context("serving").map(drop)
}
