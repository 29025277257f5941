//! Metrics in the text formats of Prometheus: a [`Source`] adds its [`Families`], [`Pages`] are
//! what an endpoint answers with, and [`page`] is the same for a file. Opens no socket: the HTTP
//! server is that of `echo-server`.

mod families;
mod pages;
mod process;
mod text_format;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use echo_net::stop::{Stage, Stop};

pub use families::{Families, Times};
pub use pages::{Page, Pages};
pub use process::ProcessMetrics;

/// A source of metrics.
pub trait Source: Send + Sync {
    /// Adds them, as they are now.
    ///
    /// # Errors
    /// Never: writing to memory can't fail.
    fn collect(&self, families: &mut Families<'_>) -> std::fmt::Result;
}

/// The metrics of a source in the text format of Prometheus, version 0.0.4, which the textfile
/// collector of `node_exporter` reads; nothing if they can't be encoded.
pub fn page(source: impl Source + 'static) -> String {
    Pages::new(vec![Box::new(source)], Health::new(Stop::new())).classic().unwrap_or_default()
}

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
