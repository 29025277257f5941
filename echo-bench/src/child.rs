//! Child processes of this program that serve: on which CPUs they are started
//! ([`start_on`]), and how long they may take to stop ([`STOP_LIMIT`]).

use std::io;
use std::process::{Child, Command};
use std::time::Duration;

use echo_net::pin;

/// How long a server may take to stop by itself before it is killed.
pub const STOP_LIMIT: Duration = Duration::from_secs(5);

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
