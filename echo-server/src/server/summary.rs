//! Statistics of a server: [`ServerSummary`].

use std::fmt;
use std::time::Duration;

use echo_net::settings::TimeSpan;
use echo_net::socket::EffectiveOptions;

use crate::context::Context;
use crate::counted::counted;
use crate::counters::{ChatServed, Served, TlsServed, WorkerSoFar};
use crate::limits::LimitsServed;
use crate::server::SocketSummary;
use crate::sqpoll::SqpollSummary;

/// More workers than this are summed up in a line of text.
const MOST_LISTED: usize = 8;

/// Statistics of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct ServerSummary {
    /// Connections admitted.
    pub connections: u64,
    /// Connections refused.
    pub refused: u64,
    /// Connections aborted by the stop, with a reset: replies were pending when it was forced,
    /// or a transfer without messages was running.
    pub cut: u64,
    /// Connections ended at other limits.
    pub limits: LimitsServed,
    /// Messages and bytes.
    #[serde(flatten)]
    pub served: Served,
    /// Mean time from a message's arrival in this process until its reply was handed to the
    /// kernel, in nanoseconds, from a sample of the messages; `None` without messages.
    pub response_time_mean_ns: Option<u64>,
    /// The same statistics of each worker; `None` for a model without workers.
    pub per_worker: Option<Vec<WorkerSummary>>,
    /// Options of the first connection, read back; `None` without one.
    pub socket: Option<SocketSummary>,
    /// The kernel thread, with [`uring_sqpoll`](crate::Tuning::uring_sqpoll).
    pub uring_sqpoll: Option<SqpollSummary>,
    /// TLS statistics, with TLS.
    pub tls: Option<TlsServed>,
    /// Chat statistics, with the chat protocol.
    pub chat: Option<ChatServed>,
}

/// Statistics of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct WorkerSummary {
    /// Connections that it was the first to serve.
    pub connections: u64,
    /// Messages answered.
    pub messages: u64,
    /// As in [`ServerSummary`].
    pub response_time_mean_ns: Option<u64>,
}

impl From<&WorkerSoFar> for WorkerSummary {
    fn from(worker: &WorkerSoFar) -> Self {
        Self {
            connections: worker.connections,
            messages: worker.served.messages,
            response_time_mean_ns: worker.response_times.mean_ns(),
        }
    }
}

impl ServerSummary {
    /// The statistics of a server so far.
    pub(super) fn of(context: &Context) -> Self {
        let Context { config, admission, .. } = context;
        let so_far = context.snapshot();
        let total = so_far.total();
        let has_workers = config.model.has_workers();
        Self {
            connections: so_far.connections,
            refused: so_far.refused(),
            cut: so_far.cut,
            limits: so_far.limits,
            served: total.served,
            response_time_mean_ns: total.response_times.mean_ns(),
            per_worker: has_workers
                .then(|| so_far.workers.iter().map(WorkerSummary::from).collect()),
            socket: so_far.first_options.map(|of_connection| {
                // A connection does not say it.
                let fastopen = admission.opens_fast.get().copied();
                let effective = EffectiveOptions { fastopen, ..of_connection };
                SocketSummary::new(&config.socket, effective)
            }),
            uring_sqpoll: context.sqpoll.summary(),
            tls: config.tls.as_ref().map(|_| so_far.tls),
            chat: config.protocol.is_chat().then_some(so_far.chat),
        }
    }
}

impl fmt::Display for ServerSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, refused, cut, limits, served, tls, chat, .. } = self;
        let Served { messages, bytes_in, bytes_out, errors } = served;
        write!(
            f,
            "{}, {refused} refused, {}, {} in, {} out, {}, {cut} aborted",
            counted(*connections, "connection"),
            counted(*messages, "message"),
            counted(*bytes_in, "byte"),
            counted(*bytes_out, "byte"),
            counted(*errors, "error"),
        )?;
        limits.fmt(f)?;
        if let Some(mean) = self.response_time_mean_ns {
            write!(f, "; mean response time {}", rounded(mean))?;
        }
        if let Some(workers) = &self.per_worker
            && *connections > 0
            && workers.len() > 1
        {
            write!(f, "; per worker: {}", per_worker(workers))?;
        }
        if let Some(socket) = self.socket.as_ref().filter(|socket| socket.is_told()) {
            write!(f, "; sockets: {socket}")?;
        }
        if let Some(thread) = &self.uring_sqpoll {
            write!(f, "; kernel thread of io_uring: {thread}")?;
        }
        if let Some(tls) = tls {
            let TlsServed { handshakes, resumed, plaintext, failed, truncated, .. } = tls;
            let timeout = tls.timeout + tls.displaced;
            let handshakes = counted(*handshakes, "handshake");
            write!(
                f,
                "; TLS: {handshakes} ({resumed} resumed), {plaintext} plaintext, \
                 {timeout} timed out, {failed} failed, {truncated} truncated"
            )?;
            if tls.client_certificate > 0 {
                write!(f, ", {} refused for their certificate", tls.client_certificate)?;
            }
        }
        if let Some(ChatServed { lines, overflown }) = chat {
            let (lines, members) = (counted(*lines, "line"), counted(*overflown, "member"));
            write!(f, "; chat: {lines}, {members} disconnected for not reading")?;
        }
        Ok(())
    }
}

/// `2 + 1 connections, 20 + 10 messages, mean response time 4.1us + 4.2us`, or the range over
/// many workers.
fn per_worker(workers: &[WorkerSummary]) -> String {
    let count = |count: u64| count.to_string();
    let time = |mean: u64| rounded(mean).to_string();
    format!(
        "{} connections, {} messages, mean response time {}",
        across(workers.iter().map(|worker| Some(worker.connections)), count),
        across(workers.iter().map(|worker| Some(worker.messages)), count),
        across(workers.iter().map(|worker| worker.response_time_mean_ns), time),
    )
}

/// A number of each worker, or the range of it.
fn across(
    workers: impl ExactSizeIterator<Item = Option<u64>>,
    show: impl Fn(u64) -> String,
) -> String {
    let show = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), &show);
    if workers.len() <= MOST_LISTED {
        return workers.map(show).collect::<Vec<_>>().join(" + ");
    }
    let known: Vec<u64> = workers.flatten().collect();
    let (min, max) = (known.iter().min().copied(), known.iter().max().copied());
    format!("{} to {}", show(min), show(max))
}

/// To three digits: more would only be noise.
fn rounded(nanos: u64) -> TimeSpan {
    let step = 10_u64.pow(nanos.checked_ilog10().unwrap_or(0).saturating_sub(2));
    TimeSpan(Duration::from_nanos((nanos + step / 2) / step * step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(connections: u64) -> WorkerSummary {
        WorkerSummary {
            connections,
            messages: 10 * connections,
            response_time_mean_ns: (connections > 0).then_some(4_123 + connections),
        }
    }

    #[test]
    fn the_line_ends_with_response_times_and_the_balance_of_workers() {
        let mut summary = ServerSummary {
            connections: 3,
            served: Served { messages: 30, bytes_in: 60, bytes_out: 240, errors: 0 },
            response_time_mean_ns: Some(4_125),
            per_worker: Some(vec![worker(3), worker(0)]),
            ..ServerSummary::default()
        };
        assert_eq!(
            summary.to_string(),
            "3 connections, 0 refused, 30 messages, 60 bytes in, 240 bytes out, 0 errors, \
             0 aborted; mean response time 4.13us; per worker: 3 + 0 connections, 30 + 0 \
             messages, mean response time 4.13us + -"
        );
        summary.per_worker = Some((0..9).map(worker).collect());
        let told = summary.to_string();
        assert!(
            told.ends_with(
                "per worker: 0 to 8 connections, 0 to 80 messages, mean response time 4.12us to \
                 4.13us"
            ),
            "{told}"
        );
    }

    #[test]
    fn a_mean_has_three_digits() {
        for (nanos, shown) in [(0, "0s"), (7, "7ns"), (1_234, "1.23us"), (98_765_432, "98.8ms")]
        {
            assert_eq!(rounded(nanos).to_string(), shown);
        }
    }
}
