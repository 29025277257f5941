//! The clocks of a run, each declared once: [`CLOCKS`]. What checks, merges or shows clocks
//! goes through the list.

use super::nouns::Nouns;
use super::{LatencySummary, Summary};

/// What is timed.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// What people read.
    pub name: &'static str,
    /// Its field in a summary.
    pub field: &'static str,
    /// From when to when it runs.
    pub meaning: &'static str,
    /// Whether it times requests, and not the making of connections.
    pub of_requests: bool,
    /// What was measured.
    pub of: fn(&Summary) -> Option<&LatencySummary>,
    /// Where it is kept.
    pub slot: fn(&mut Summary) -> &mut Option<LatencySummary>,
}

impl Clock {
    /// From when to when it runs, in the nouns of the workload.
    pub(crate) fn meaning_of(&self, nouns: Nouns) -> String {
        let meaning = self.meaning.replace("reply", nouns.answer.one);
        meaning.replace("requests", nouns.sent.many)
    }
}

/// A clock's name, field and meaning, and what it times.
macro_rules! clock {
    ($name:literal, $($field:ident).+, $meaning:literal, of_requests: $of_requests:literal) => {
        Clock {
            name: $name,
            field: clock!(@path $($field).+),
            meaning: $meaning,
            of_requests: $of_requests,
            of: |summary| summary.$($field).+.as_ref(),
            slot: |summary| &mut summary.$($field).+,
        }
    };
    (@path $first:ident $(. $rest:ident)*) => {
        concat!(stringify!($first) $(, ".", stringify!($rest))*)
    };
}

/// Every clock, those of requests and response first.
pub(crate) const CLOCKS: [Clock; 14] = [
    clock!(
        "response",
        latency.response,
        "from the intended instant to the last byte of the reply",
        of_requests: true
    ),
    clock!(
        "service",
        latency.service,
        "from the write to the last byte of the reply",
        of_requests: true
    ),
    clock!("wait", latency.wait, "from the intended instant to the write", of_requests: true),
    clock!(
        "path",
        latency.path,
        "from the write to the arrival of the reply in the generator's kernel: server and network",
        of_requests: true
    ),
    clock!(
        "pickup",
        latency.pickup,
        "from that arrival to the read: the wait in the generator's own receive queue",
        of_requests: true
    ),
    clock!(
        "lateness",
        send_lateness,
        "how late the generator itself wrote requests that found a free slot",
        of_requests: true
    ),
    clock!(
        "connect",
        latency.connect,
        "from the first SYN to the connection made",
        of_requests: false
    ),
    clock!(
        "tls",
        latency.tls,
        "from the connection made to the end of a full TLS handshake",
        of_requests: false
    ),
    clock!(
        "tls resumed",
        latency.tls_resumed,
        "the same for a handshake that resumed an earlier session",
        of_requests: false
    ),
    clock!(
        "login",
        latency.login,
        "from the connection made (after its TLS handshake, if any) to the end of the login, with \
         the generator's own computation of the proof",
        of_requests: false
    ),
    clock!(
        "set-up connect",
        set_up.connect,
        "from the first SYN to the connection made, before the load",
        of_requests: false
    ),
    clock!(
        "set-up tls",
        set_up.tls,
        "from the connection made to the end of a full TLS handshake, before the load",
        of_requests: false
    ),
    clock!(
        "set-up tls resumed",
        set_up.tls_resumed,
        "the same for a handshake that resumed an earlier session, before the load",
        of_requests: false
    ),
    clock!(
        "set-up login",
        set_up.login,
        "from the connection made (after its TLS handshake, if any) to the end of the login, \
         before the load",
        of_requests: false
    ),
];

impl Summary {
    /// The clocks that were measured, response first. Without a wait, response and service are
    /// one clock and are there once.
    pub fn clocks(&self) -> impl Iterator<Item = (&'static Clock, &LatencySummary)> {
        let one = self.latency.wait.is_none();
        let measured = CLOCKS.iter().filter_map(|clock| Some((clock, (clock.of)(self)?)));
        measured.filter(move |(clock, _)| !(one && clock.field == "latency.service"))
    }

    /// Those of requests.
    pub(crate) fn request_clocks(
        &self,
    ) -> impl Iterator<Item = (&'static Clock, &LatencySummary)> {
        self.clocks().filter(|(clock, _)| clock.of_requests)
    }
}
