//! Settings of some models, for comparison: [`Tuning`]: the notification mode of epoll, how
//! connections are distributed to workers, intervals of tokio's scheduler, who submits the requests
//! of `io_uring`.

use std::num::NonZeroU32;

use crate::model_kind::ModelKind;

/// Notification mode of epoll (epoll(7)).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Trigger {
    /// Level-triggered: events for as long as a socket is ready; one read per event.
    #[default]
    Level,
    /// Edge-triggered (`EPOLLET`): one event when a socket becomes ready; reads until a short read.
    Edge,
    /// One-shot (`EPOLLONESHOT`): re-armed by `epoll_ctl` after every event.
    Oneshot,
}

/// How connections are distributed to workers.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Accept {
    /// One thread accepts and dispatches connections to the workers.
    #[default]
    Handoff,
    /// All workers wait on one listener, and a connection wakes all that sleep (thundering herd).
    Shared,
    /// All workers wait on one listener, and a connection wakes one (`EPOLLEXCLUSIVE`).
    Exclusive,
    /// One listener per worker on the same port (`SO_REUSEPORT`): the kernel chooses by a hash of
    /// the addresses and ports.
    Reuseport,
}

/// Settings of some models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tuning {
    /// Notification mode of epoll, for [`ModelKind::Epoll`].
    pub trigger: Trigger,
    /// How connections are distributed to workers. With [`Accept::Reuseport`] the server needs a group of
    /// listeners per worker, else one group.
    pub accept: Accept,
    /// Task polls between two polls for I/O events; `None`: tokio's default.
    pub tokio_event_interval: Option<NonZeroU32>,
    /// Task polls between two polls of the global task queue; `None`: tokio's default.
    pub tokio_global_queue_interval: Option<NonZeroU32>,
    /// A kernel thread submits and completes the requests of all workers of [`ModelKind::Uring`],
    /// on a CPU that they leave over.
    pub uring_sqpoll: bool,
}

impl Tuning {
    /// Applies the intervals of the scheduler.
    pub(crate) fn apply_to(&self, builder: &mut tokio::runtime::Builder) {
        if let Some(interval) = self.tokio_event_interval {
            builder.event_interval(interval.get());
        }
        if let Some(interval) = self.tokio_global_queue_interval {
            builder.global_queue_interval(interval.get());
        }
    }
}

impl ModelKind {
    /// Whether the model has this notification mode.
    pub fn can_trigger(self, trigger: Trigger) -> bool {
        match trigger {
            Trigger::Level | Trigger::Edge | Trigger::Oneshot => self == Self::Epoll,
        }
    }

    /// Whether the model can distribute connections in this way.
    pub fn can_accept(self, accept: Accept) -> bool {
        match accept {
            Accept::Handoff => !self.has_processes(),
            Accept::Shared => {
                matches!(self, Self::Epoll | Self::Poll | Self::Prefork | Self::TokioLocal)
            }
            Accept::Exclusive => matches!(self, Self::Epoll | Self::Prefork),
            Accept::Reuseport => self.shares_listeners(),
        }
    }

    /// How the model distributes connections unless told otherwise. Between processes nothing is
    /// passed on, so each accepts its own.
    pub fn default_accept(self) -> Accept {
        if self.has_processes() { Accept::Exclusive } else { Accept::default() }
    }

    /// Whether it runs on tokio.
    pub fn is_tokio(self) -> bool {
        matches!(self, Self::Tokio | Self::TokioLocal)
    }

    /// Whether a kernel thread can submit its requests.
    pub fn can_sqpoll(self) -> bool {
        self == Self::Uring
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::VariantArray;

    #[test]
    fn every_model_can_do_what_is_the_default() {
        for model in ModelKind::VARIANTS {
            assert!(model.can_accept(model.default_accept()), "{model}");
        }
        for accept in Accept::VARIANTS {
            assert!(ModelKind::Epoll.can_accept(*accept), "{accept}");
            assert_eq!(accept.to_string().parse(), Ok(*accept));
        }
    }
}
