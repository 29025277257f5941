//! What must hold at the end of a simulation, whatever happened in it.

use std::time::Duration;

use echo_bench_engine::messages::Verify;
use echo_bench_engine::plan::StopRule;
use echo_bench_engine::record::FailureKind;
use echo_net::clock::{MILLISECOND, SECOND};
use echo_net::reactor::network::{Fault, Link, Network, Side};
use echo_proto::{ProtocolKind, Service};

use super::{Ended, Happened};
use crate::answers::answers;

/// The longest drain timeout that is drawn.
pub(super) const DRAIN_TIMEOUT_AT_MOST: Duration = Duration::from_secs(2);

/// Unsent output at which a session stops reading.
const HIGH_MARK: usize = 64 * 1024;

/// A member of a chat with so much unsent says nothing more.
const MEMBER_MARK: usize = 256 * 1024;

/// What no peer ever sees of a server on a network that keeps bytes as they are.
const NEVER: [FailureKind; 7] = [
    FailureKind::Corrupt,
    FailureKind::Extended,
    FailureKind::Foreign,
    FailureKind::Duplicated,
    FailureKind::Dropped,
    FailureKind::Reordered,
    FailureKind::Malformed,
];

/// Bytes of each connection that have arrived at the server so far, read or not.
pub(super) fn arrived_at_server(network: &Network) -> Vec<usize> {
    let received = network.inspect(|links| {
        links.iter().map(|link| link.received[Side::Server].len()).collect::<Vec<_>>()
    });
    let unread = |link| network.unread(link, Side::Server);
    received.iter().enumerate().map(|(link, read)| read + unread(link)).collect()
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl Ended<'_> {
    pub(super) fn check(&self) -> Result<(), String> {
        self.every_request_ends_once()?;
        self.replies_are_right()?;
        self.the_generator_ends_in_time()?;
        self.nothing_is_left_open()?;
        self.network.inspect(|links| {
            for (number, link) in links.iter().enumerate() {
                let arrived = self.arrived_at_stop.get(number).copied();
                self.check_link(link, arrived)
                    .map_err(|fault| format!("connection {number}: {fault}"))?;
            }
            Ok(())
        })
    }

    fn every_request_ends_once(&self) -> Result<(), String> {
        let tally = &self.rehearsal.total.tally;
        ensure(tally.is_conserved(), || format!("requests are lost: {tally:?}"))?;
        let served = self.server.served();
        // Each read is a message of raw, and unchecked replies may be errors.
        let is_checked = self.scenario.plan.verify == Verify::Full;
        let protocol = self.scenario.plain_protocol().filter(|_| is_checked);
        let counts_messages = protocol.is_some_and(|protocol| protocol != ProtocolKind::Raw);
        ensure(!counts_messages || tally.ok <= served.messages, || {
            format!("{} answered, and {} messages served", tally.ok, served.messages)
        })
    }

    fn replies_are_right(&self) -> Result<(), String> {
        let (errors, rehearsal) = (&self.rehearsal.total.errors, self.rehearsal);
        let is_told_off =
            self.server.refused() > 0 || !self.scenario.fits() || self.scenario.is_impatient();
        if is_told_off {
            return Ok(());
        }
        if let Some(seen) = &rehearsal.misdirected {
            return Err(format!("the server seems to speak something else: {seen}"));
        }
        for kind in NEVER {
            let count = errors.of(kind);
            // A chat's listener that lost its connection has missed lines.
            let is_missed = kind == FailureKind::Dropped && self.scenario.is_chat();
            ensure(count == 0 || is_missed, || format!("{count} {kind}: {errors:?}"))?;
        }
        if self.network.faults().of(Fault::HalfClose) > 0 {
            // A request that was cut off there is one, and its reply is another.
            return Ok(());
        }
        for kind in [FailureKind::Truncated, FailureKind::Unsolicited, FailureKind::TooLong] {
            let count = errors.of(kind);
            ensure(count == 0, || format!("{count} {kind}: {errors:?}"))?;
        }
        let error_replies = errors.of(FailureKind::ErrorReply);
        ensure(error_replies == 0 || self.scenario.is_chat(), || {
            format!("{error_replies} error replies: {errors:?}")
        })
    }

    /// Whether time passes without jumps, so that it can be judged.
    fn is_steady(&self) -> bool {
        self.scenario.conditions.jumps == 0
    }

    fn the_generator_ends_in_time(&self) -> Result<(), String> {
        let plan = &self.scenario.plan;
        let Some(began_at) = self.rehearsal.began_at.filter(|_| self.is_steady()) else {
            return Ok(());
        };
        let took = self.generator_ended_at - began_at;
        let window = match plan.stop {
            StopRule::Duration { duration_ns } => duration_ns,
            // Each reply may take its whole patience.
            StopRule::Requests { .. } => 600 * SECOND,
        };
        let most = plan.warmup_ns + window + plan.drain_ns + 100 * MILLISECOND;
        ensure(took <= most, || format!("the generator took {took} of {most} ns"))
    }

    fn nothing_is_left_open(&self) -> Result<(), String> {
        let active = self.server.active();
        ensure(active == 0, || format!("{active} connections still count as open"))?;
        let cut = self.server.cut();
        // A transfer without messages is cut by a graceful stop, too.
        let is_raw = self.scenario.server.protocol == Service::Echo(ProtocolKind::Raw);
        ensure(cut == 0 || self.forced || is_raw, || {
            format!("{cut} cut without a forced stop")
        })?;
        let accepted = self.server.accepted() + self.server.refused();
        let seen = self
            .network
            .inspect(|links| links.iter().filter(|link| link.accepted).count() as u64);
        ensure(accepted == seen, || format!("{accepted} counted of {seen} connections"))
    }

    fn check_link(&self, link: &Link, arrived_at_stop: Option<usize>) -> Result<(), String> {
        for (this, other) in [(Side::Client, Side::Server), (Side::Server, Side::Client)] {
            let (sent, received) = (&link.sent[this], &link.received[other]);
            ensure(link.refused || sent.starts_with(received), || {
                format!("the network changed bytes of the {this:?}: a fault of the simulation")
            })?;
        }
        self.memory_is_bounded(link)?;
        if let Some(protocol) =
            self.scenario.plain_protocol().filter(|_| self.is_followed(link))
        {
            self.output_follows_input(protocol, link, arrived_at_stop)?;
        }
        self.a_graceful_end_loses_nothing(link)
    }

    fn memory_is_bounded(&self, link: &Link) -> Result<(), String> {
        let conditions = &self.scenario.conditions;
        let read = conditions.segment.min(conditions.receive_buffer).min(1 << 20);
        let longest = self.scenario.plan.messages.largest();
        let mail = if self.scenario.is_chat() { 2 * HIGH_MARK } else { 0 };
        // What was allowed before the mark, and the replies to one read.
        let most = HIGH_MARK + mail + 24 * read.min(40_000) + 2 * longest + 64 * 1024;
        let unsent = link.most_unsent[Side::Server];
        ensure(unsent <= most, || {
            format!("the server queued {unsent} of at most {most} bytes")
        })?;
        let in_flight = self.scenario.plan.load.pipeline() as usize * (longest + 400);
        // Members of a chat do not wait for replies, but for the server to read.
        let most =
            if self.scenario.is_chat() { MEMBER_MARK + in_flight } else { 2 * in_flight };
        let most = most + 40_000;
        let unsent = link.most_unsent[Side::Client];
        ensure(unsent <= most, || format!("the generator queued {unsent} bytes of {most}"))
    }

    /// Whether all output of a connection is an answer to its input.
    fn is_followed(&self, link: &Link) -> bool {
        !link.refused && !self.scenario.is_impatient()
    }

    /// The server's output is the protocol's answer to its input, and all of it where it ended
    /// the connection gracefully.
    fn output_follows_input(
        &self,
        protocol: ProtocolKind,
        link: &Link,
        arrived_at_stop: Option<usize>,
    ) -> Result<(), String> {
        let input = &link.received[Side::Server];
        let sent = &link.sent[Side::Server];
        let max_message = self.scenario.server.max_message;
        let whole =
            answers(protocol, max_message, [&input[..]], link.ended[Side::Server]).bytes;
        ensure(whole.starts_with(sent), || {
            let same = whole.iter().zip(sent).take_while(|(a, b)| a == b).count();
            format!(
                "the output differs from the answers from byte {same} on: `{}`, not `{}`",
                excerpt(&sent[same..]),
                excerpt(&whole[same..]),
            )
        })?;
        let Some(closing) = link.closed[Side::Server] else { return Ok(()) };
        // What is cut short must not look complete.
        ensure(closing.unsent == 0 || closing.reset || closing.unread > 0, || {
            format!("output is lost, and the connection ends without a reset: {closing:?}")
        })?;
        if link.disturbed || self.forced || !closing.finished || closing.reset {
            return Ok(());
        }
        let due = match arrived_at_stop {
            // The end of an idle connection comes before what arrives after it.
            _ if self.scenario.hurried => return Ok(()),
            // It did not look at what came after.
            Some(arrived) => {
                let input = &input[..arrived.min(input.len())];
                answers(protocol, max_message, [input], false).bytes
            }
            None => whole,
        };
        ensure(sent.len() >= due.len(), || {
            format!("{} of {} bytes answered before a graceful end", sent.len(), due.len())
        })
    }

    fn a_graceful_end_loses_nothing(&self, link: &Link) -> Result<(), String> {
        let Some(closing) = link.closed[Side::Server] else { return Ok(()) };
        let conditions = &self.scenario.conditions;
        // A server lingers for a second, so bytes must not be under way for longer.
        let is_prompt = self.is_steady() && conditions.stalls == 0;
        let is_narrow = conditions.receive_buffer < 1000 || conditions.send_buffer < 1000;
        let client_left = link.closed[Side::Client].is_some_and(|left| left.at <= closing.at);
        if !is_prompt
            || is_narrow
            || client_left
            || link.disturbed
            || link.refused
            // Accepting was paused when the server was stopped.
            || !link.accepted
            || self.forced
            || self.scenario.hurried
            || self.scenario.is_chat()
        {
            return Ok(());
        }
        let is_raw = self.scenario.server.protocol == Service::Echo(ProtocolKind::Raw);
        if is_raw && closing.reset {
            return Ok(());
        }
        let (sent, received) = (&link.sent[Side::Server], &link.received[Side::Client]);
        ensure(
            closing.finished && !closing.reset && closing.unsent == 0 && closing.unread == 0,
            || format!("closed with output pending or input unread: {closing:?}"),
        )?;
        let is_whole = sent.len() == received.len() || link.closed[Side::Client].is_some();
        ensure(is_whole, || {
            format!("the peer received {} of {} bytes", received.len(), sent.len())
        })
    }

    pub(super) fn happened(&self, interrupted: bool) -> Happened {
        let timed_out = |link: &Link| {
            let server_first = match (link.closed[Side::Server], link.closed[Side::Client]) {
                (Some(server), Some(client)) => server.at < client.at,
                (server, _) => server.is_some(),
            };
            server_first && link.accepted && !link.refused && !link.disturbed && !self.stopped
        };
        let (connections, expired) = self.network.inspect(|links| {
            (links.len() as u64, links.iter().filter(|link| timed_out(link)).count() as u64)
        });
        let tally = &self.rehearsal.total.tally;
        let (server, scenario) = (self.server, self.scenario);
        let counts = [
            connections,
            tally.scheduled,
            tally.ok,
            server.refused(),
            expired,
            server.cut(),
            u64::from(self.stopped && !self.forced),
            u64::from(self.forced),
            u64::from(interrupted),
            u64::from(scenario.server.tls.is_some()),
            u64::from(scenario.plan.is_pooled()),
            u64::from(scenario.is_chat()),
        ];
        Happened { faults: self.network.faults(), counts }
    }
}

fn excerpt(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(40)].escape_ascii().to_string()
}
