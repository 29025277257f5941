//! Whether a process takes new connections: [`Health`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use echo_net::stop::{Stage, Stop};

/// Whether a process takes new connections.
#[derive(Debug, Clone)]
pub struct Health {
    stop: Stop,
    serving: Arc<AtomicBool>,
}

/// Why a process takes no new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Unready {
    /// It does not take connections yet.
    Starting,
    /// It was asked to stop.
    Draining,
}

impl Health {
    /// Of a process that starts, and that `stop` stops.
    pub fn new(stop: Stop) -> Self {
        Self { stop, serving: Arc::default() }
    }

    /// From now on the process takes connections.
    pub fn begin(&self) {
        self.serving.store(true, Ordering::Release);
    }

    /// Whether it takes connections.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), Unready> {
        if self.stop.stage() > Stage::Running {
            Err(Unready::Draining)
        } else if self.serving.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(Unready::Starting)
        }
    }
}
