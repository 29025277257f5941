//! What an embedded server said of itself when it ended: [`ServerSide`], with how evenly its
//! workers were used: [`Skew`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SocketOptionsReport;

/// Most workers that are listed.
const MOST_WORKERS: usize = 4096;

/// What an embedded server counted, over its whole life: connections before the load and the
/// warm-up included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerSide {
    /// Connections that it served.
    pub connections: u64,
    /// Messages that it answered.
    pub messages: u64,
    /// The same of each worker; null of a model without workers, or with more than 4,096.
    pub workers: Option<Vec<WorkerSide>>,
    /// How evenly the workers got the connections; null without workers or connections.
    pub connections_skew: Option<Skew>,
    /// How evenly the workers got the messages; null without workers or messages.
    pub messages_skew: Option<Skew>,
    /// Socket options of its first connection, as its kernel has them.
    pub socket: Option<SocketOptionsReport>,
    /// The kernel thread that submits and completes its requests (`--uring-sqpoll`); null without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_thread: Option<KernelThreadSide>,
    /// In merged reports, whose runs had a server each: the number of servers of which this is the
    /// one with the greatest skew of messages. The counts are of that one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_skewed_of: Option<usize>,
}

/// The kernel thread of a server on `io_uring`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KernelThreadSide {
    /// The CPU that it is bound to; null: none.
    pub cpu: Option<usize>,
    /// CPU time that it has used, in nanoseconds, which is part of the server's; null: the server
    /// has found no such thread.
    pub cpu_time_ns: Option<u64>,
}

/// What one worker got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkerSide {
    /// Connections that it was the first to serve.
    pub connections: u64,
    /// Messages that it answered.
    pub messages: u64,
}

/// How unevenly a number of things is spread over workers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Skew {
    /// The most that a worker got by the mean: 1 where all got the same, n where one of n got
    /// all.
    pub max_over_mean: f64,
    /// Jain's index: 1 where all got the same, 1/n where one of n got all.
    pub jain: f64,
}

/// The statistics of an echo-server, as far as they are read here.
#[derive(Deserialize)]
struct Statistics {
    connections: u64,
    messages: u64,
    per_worker: Option<Vec<WorkerSide>>,
    socket: Option<SocketOptionsReport>,
    #[serde(default)]
    uring_sqpoll: Option<KernelThreadSide>,
}

impl ServerSide {
    /// From the line of JSON that a server writes when it ends; `None` if it is another one.
    pub fn from_statistics(line: &str) -> Option<Self> {
        let Statistics { connections, messages, per_worker, socket, uring_sqpoll } =
            serde_json::from_str(line).ok()?;
        let workers = per_worker.filter(|workers| workers.len() <= MOST_WORKERS);
        let skew = |of: fn(&WorkerSide) -> u64| {
            let counts: Vec<u64> = workers.iter().flatten().map(of).collect();
            Skew::new(&counts)
        };
        let connections_skew = skew(|worker| worker.connections);
        let messages_skew = skew(|worker| worker.messages);
        Some(Self {
            connections,
            messages,
            workers,
            connections_skew,
            messages_skew,
            socket,
            kernel_thread: uring_sqpoll,
            most_skewed_of: None,
        })
    }
}

impl ServerSide {
    /// The messages of the busiest worker by the mean of all; `None` of several servers, of which
    /// only the greatest is known.
    pub(crate) fn worker_skew(&self) -> Option<f64> {
        let skew = self.messages_skew.filter(|_| self.most_skewed_of.is_none());
        skew.map(|skew| skew.max_over_mean)
    }

    /// Of several servers the one with the greatest skew of messages, with the socket options that
    /// all have.
    pub(crate) fn merged<'a>(all: impl Iterator<Item = &'a Self>) -> Option<Self> {
        let all: Vec<&Self> = all.collect();
        let skew = |side: &Self| side.messages_skew.map_or(0.0, |skew| skew.max_over_mean);
        let most = all.iter().max_by(|a, b| skew(a).total_cmp(&skew(b)))?;
        let servers = all.iter().map(|side| side.most_skewed_of.unwrap_or(1)).sum();
        Some(Self {
            socket: SocketOptionsReport::merged(all.iter().filter_map(|s| s.socket.as_ref())),
            most_skewed_of: Some(servers).filter(|servers| *servers > 1),
            ..(*most).clone()
        })
    }
}

impl Skew {
    /// Of what each got; `None` if nobody got anything.
    fn new(counts: &[u64]) -> Option<Self> {
        let max = *counts.iter().max().filter(|max| **max > 0)? as f64;
        let sum: f64 = counts.iter().map(|&count| count as f64).sum();
        Some(Self { max_over_mean: max * counts.len() as f64 / sum, jain: jain(counts) })
    }
}

/// Jain's index (Jain, Chiu, Hawe 1984): 1 where all got the same or nothing, 1/n where one of n
/// got all.
pub(super) fn jain(counts: &[u64]) -> f64 {
    let sum: f64 = counts.iter().map(|&count| count as f64).sum();
    let squares: f64 = counts.iter().map(|&count| (count as f64).powi(2)).sum();
    if squares > 0.0 { sum * sum / (counts.len() as f64 * squares) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skew_is_one_where_all_got_the_same_and_n_where_one_got_all() {
        let even = Skew::new(&[5, 5, 5, 5]).unwrap();
        assert!((even.max_over_mean - 1.0).abs() < 1e-9 && (even.jain - 1.0).abs() < 1e-9);
        let one = Skew::new(&[0, 20, 0, 0]).unwrap();
        assert!((one.max_over_mean - 4.0).abs() < 1e-9 && (one.jain - 0.25).abs() < 1e-9);
        assert_eq!(Skew::new(&[]), None);
        assert_eq!(Skew::new(&[0, 0]), None);
    }

    #[test]
    fn the_statistics_of_a_server_are_read_and_anything_else_is_not() {
        let line = r#"{"connections":3,"refused":0,"messages":9,"bytes_in":1,"per_worker":[
            {"connections":3,"messages":6,"response_time_mean_ns":5},
            {"connections":0,"messages":3,"response_time_mean_ns":null}],"socket":null}"#;
        let side = ServerSide::from_statistics(line).unwrap();
        assert_eq!((side.connections, side.messages), (3, 9));
        assert!((side.connections_skew.unwrap().max_over_mean - 2.0).abs() < 1e-9);
        assert!((side.messages_skew.unwrap().jain - 0.9).abs() < 1e-9);
        assert_eq!(side.kernel_thread, None);
        let polled = r#"{"connections":3,"messages":9,"per_worker":null,
            "uring_sqpoll":{"cpu":1,"cpu_time_ns":5}}"#;
        let polled = ServerSide::from_statistics(polled).unwrap();
        let thread = KernelThreadSide { cpu: Some(1), cpu_time_ns: Some(5) };
        assert_eq!(polled.kernel_thread, Some(thread));
        let threads = r#"{"connections":3,"messages":9,"per_worker":null}"#;
        let threads = ServerSide::from_statistics(threads).unwrap();
        assert_eq!((threads.workers, threads.connections_skew), (None, None));
        for odd in ["", "{}", "{\"connections\":-1,\"messages\":0}", "null"] {
            assert_eq!(ServerSide::from_statistics(odd), None);
        }
    }
}
