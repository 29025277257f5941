//! Metrics of this process, and of those that it has serve, named as those of all Prometheus
//! clients: [`ProcessMetrics`].

use std::fmt;

use echo_net::own_process::OwnProcess;

use crate::families::{Families, bytes, seconds};
use crate::source::Source;

/// CPU, memory, descriptors and threads of a process, or of several as one.
pub struct ProcessMetrics(Box<dyn Fn() -> OwnProcess + Send + Sync>);

impl Default for ProcessMetrics {
    /// Of this process.
    fn default() -> Self {
        Self::of(OwnProcess::read)
    }
}

impl ProcessMetrics {
    /// What `read` says each time.
    pub fn of(read: impl Fn() -> OwnProcess + Send + Sync + 'static) -> Self {
        Self(Box::new(read))
    }
}

impl fmt::Debug for ProcessMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessMetrics").finish_non_exhaustive()
    }
}

impl Source for ProcessMetrics {
    fn collect(&self, families: &mut Families<'_>) -> fmt::Result {
        let OwnProcess { cpu, resident_bytes, open_fds, max_fds, threads, started } =
            (self.0)();
        if let Some(cpu) = cpu {
            let help = "CPU time of this process, user and system";
            families.counter(seconds("process_cpu"), help, cpu.as_secs_f64())?;
        }
        if let Some(resident) = resident_bytes {
            families.gauge(bytes("process_resident_memory"), "Resident set size", resident)?;
        }
        if let Some(count) = open_fds {
            families.gauge("process_open_fds", "Open file descriptors", count)?;
        }
        if let Some(most) = max_fds {
            families.gauge("process_max_fds", "Limit of open file descriptors", most)?;
        }
        if let Some(threads) = threads {
            families.gauge("process_threads", "Threads", threads)?;
        }
        if let Some(started) = started {
            let help = "Start time of this process, since the epoch";
            families.gauge(seconds("process_start_time"), help, started.as_secs_f64())?;
        }
        Ok(())
    }
}
