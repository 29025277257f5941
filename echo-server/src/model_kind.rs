//! The names of the concurrency models, and their properties: [`ModelKind`]. The models
//! themselves are in [`model`](crate::model).

/// The concurrency models, as they are named in flags and reports.
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
pub enum ModelKind {
    /// One blocking thread per connection.
    Threads,
    /// Worker threads that take ready connections from one shared epoll.
    Pool,
    /// One event loop per worker, each with its own connections. The default: it serves its
    /// connections in turn, so that none waits long for the others.
    #[default]
    Epoll,
    /// The same on poll(2), which looks at every connection in every turn.
    Poll,
    /// The same on `io_uring` with multishot accept and receive.
    Uring,
    /// A process per worker, each with an event loop on epoll.
    Prefork,
    /// One task per connection on tokio's work-stealing runtime.
    Tokio,
    /// One task per connection, on a single-threaded tokio runtime per worker.
    TokioLocal,
    /// One task per connection, on a compio runtime (`io_uring`) per worker.
    #[cfg(feature = "compio")]
    Compio,
}

impl ModelKind {
    /// Whether the number of workers can be set; a thread per connection has none.
    pub(crate) fn has_workers(self) -> bool {
        self != Self::Threads
    }

    /// Whether each worker can have its own listener.
    pub fn shares_listeners(self) -> bool {
        matches!(
            self,
            Self::Epoll
                | Self::Poll
                | Self::Prefork
                | Self::Uring
                | Self::Tokio
                | Self::TokioLocal
        )
    }

    /// Whether each worker is one thread for the whole run, so that it can have a CPU of its
    /// own. The others start threads as they need them.
    pub fn has_fixed_threads(self) -> bool {
        !matches!(self, Self::Threads | Self::Tokio)
    }

    /// Whether its workers can busy-poll instead of sleeping.
    pub fn can_busy_poll(self) -> bool {
        matches!(self, Self::Epoll | Self::Poll | Self::Prefork | Self::Uring)
    }

    /// Whether each worker is a process, so that workers share nothing but sockets and limits. A
    /// chat then has one worker: its members have to meet.
    pub fn has_processes(self) -> bool {
        self == Self::Prefork
    }
}
