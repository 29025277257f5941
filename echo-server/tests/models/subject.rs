//! What is tested: [`Subject`], a model, once more with a kernel thread if it can have one.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::thread;

use echo_net::reactor::uring::kernel_thread;
use echo_server::{Config, ModelKind, Tuning, model};
use strum::VariantArray;

use super::PATIENCE;

/// A model, in one of its ways.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    model: ModelKind,
    /// With `--uring-sqpoll`.
    is_polled: bool,
}

impl Subject {
    fn all() -> impl Iterator<Item = Self> {
        let plain = ModelKind::VARIANTS.iter().map(|&model| Self::from(model));
        let can = ModelKind::VARIANTS.iter().filter(|model| model.can_sqpoll());
        plain.chain(can.map(|&model| Self { model, is_polled: true }))
    }

    /// All of `ECHO_TEST_MODELS`, like `epoll,uring-sqpoll`; else all.
    pub(crate) fn wanted() -> Vec<Self> {
        let typed = std::env::var("ECHO_TEST_MODELS").unwrap_or_default();
        let is_wanted = move |subject: &Self| {
            typed.is_empty() || typed.split(',').any(|name| name == subject.to_string())
        };
        let wanted: Vec<Self> = Self::all().filter(is_wanted).collect();
        assert!(!wanted.is_empty(), "ECHO_TEST_MODELS names no model of this build");
        wanted
    }

    /// Checks that this machine has it.
    pub(crate) fn check(self) -> io::Result<()> {
        model::check(self.model)?;
        if !self.is_polled {
            return Ok(());
        }
        if cores() < 2 {
            return Err(io::Error::other("no CPU is left for a kernel thread"));
        }
        Ok(kernel_thread::probe()?)
    }

    /// So many workers, or as many as leave what else it needs.
    pub(crate) fn workers(self, number: usize) -> usize {
        if self.is_polled { number.min(cores() - 1) } else { number }
    }

    /// Two workers, if it can have them.
    pub(crate) fn config(self) -> Config {
        Config {
            model: self.model,
            workers: self.workers(2),
            tuning: Tuning { uring_sqpoll: self.is_polled, ..Tuning::default() },
            drain_timeout: PATIENCE,
            ..Config::default()
        }
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

impl From<ModelKind> for Subject {
    fn from(model: ModelKind) -> Self {
        Self { model, is_polled: false }
    }
}

impl Deref for Subject {
    type Target = ModelKind;

    fn deref(&self) -> &ModelKind {
        &self.model
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let polled = if self.is_polled { "-sqpoll" } else { "" };
        write!(f, "{}{polled}", self.model)
    }
}
