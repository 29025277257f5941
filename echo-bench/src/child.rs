//! Child processes of this program that serve: on which CPUs they are started
//! ([`start_on`]), and how long they may take to stop ([`stop_limit`]).

use std::io;
use std::process::{Child, Command};
use std::time::Duration;

use echo_net::pin;
use echo_net::stop::{Stage, Stop};

/// How long a server may take to stop by itself before it is killed. It has no connection any
/// more, so that a longer time would only be added to a run whose server hangs.
pub const STOP_LIMIT: Duration = Duration::from_secs(2);

/// The same where the user has asked the run to stop, and waits.
const STOP_LIMIT_INTERRUPTED: Duration = Duration::from_millis(500);

/// How long a server may take to stop by itself at the end of a run that `stop` stops.
pub fn stop_limit(stop: &Stop) -> Duration {
    match stop.stage() {
        Stage::Running => STOP_LIMIT,
        Stage::Draining => STOP_LIMIT_INTERRUPTED,
        Stage::Forced => Duration::ZERO,
    }
}

/// Starts a child whose threads, all of them, run on `cpus` only (none: wherever they may run): it
/// inherits the affinity of the thread that starts it.
///
/// # Errors
/// When it can't be started, or may not run there.
pub fn start_on(cpus: &[usize], command: &mut Command) -> io::Result<Child> {
    if cpus.is_empty() {
        return command.spawn();
    }
    let before = pin::allowed()?;
    pin::pin_thread(cpus)?;
    let child = command.spawn();
    pin::pin_thread(&before)?;
    child
}
