//! The process that has started the workers: [`Supervisor`]. It serves nobody itself.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use echo_net::listener::Listener;
use echo_net::stop::Stage;

use crate::context::Context;
use crate::model::Model;
use crate::processes::{Assignment, Ended, Processes, Told};

/// How long workers may take to end once they are forced to; then they are killed.
const FORCED_LIMIT: Duration = Duration::from_secs(3);

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Supervisor {
    /// The workers, which wait for their assignment.
    pub(crate) processes: Arc<Processes>,
    /// What they serve with.
    pub(crate) assignment: Assignment,
}

/// A worker has ended without a word, since it was killed or aborted, or does not end.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0}, so the server has stopped; what it has counted since its last report is missing from the \
     statistics"
)]
pub(crate) struct WorkerLost(String);

impl Model for Supervisor {
    fn serve(&self, listeners: Vec<Vec<Listener>>, context: &Context) -> io::Result<()> {
        // The workers have them. Kept open here, connections would be queued that nobody accepts.
        drop(listeners);
        let processes = &self.processes;
        context.readiness.expect(1);
        processes.serve(&self.assignment)?;
        let told = Arc::clone(processes);
        context.stop.on_advance(move |stage| told.advance(stage));
        let all_serve = |told: &[Told]| {
            let failed = told.iter().any(has_failed);
            let is_known = failed || told.iter().all(|told| told.serves || told.is_gone);
            is_known.then(|| !failed && told.iter().all(|told| told.serves))
        };
        let forced = || context.is_forced().then_some(false);
        if processes.wait_for(None, |told| all_serve(told).or_else(forced)) == Some(true) {
            context.readiness.serves();
        }
        let forced = || context.is_forced().then_some(None);
        let first = processes.wait_for(None, |told| over(told).map(Some).or_else(forced));
        let over = match first.flatten() {
            None => processes.wait_for(Some(FORCED_LIMIT), over),
            known => known,
        };
        let lost = |number| Err(io::Error::other(WorkerLost(processes.exit_cause(number))));
        let (number, cause) = match over {
            Some(Over::All) => return Ok(()),
            Some(Over::Failed(number, cause)) => (number, cause),
            None => {
                let left = lost(processes.first_left());
                processes.kill();
                return left;
            }
        };
        context.stop.advance(Stage::Forced);
        let gone = |told: &[Told]| told.iter().all(|told| told.is_gone).then_some(());
        let _ = processes.wait_for(Some(FORCED_LIMIT), gone);
        match cause {
            Some(Ended::Panicked(cause)) => Err(context.panicked(Box::new(cause))),
            Some(Ended::Failed(reason)) => Err(io::Error::other(reason)),
            _ => lost(number),
        }
    }
}

/// The end of the workers.
enum Over {
    /// All have ended as they were told to.
    All,
    /// That one has ended by itself, with what it could say.
    Failed(usize, Option<Ended>),
}

fn over(told: &[Told]) -> Option<Over> {
    if let Some(number) = told.iter().position(has_failed) {
        return Some(Over::Failed(number, told[number].ended.clone()));
    }
    told.iter().all(|told| told.is_gone).then_some(Over::All)
}

/// Whether a worker has ended for another reason than that it was told to.
fn has_failed(told: &Told) -> bool {
    told.is_gone && told.ended != Some(Ended::Stopped)
}
