//! Metrics of a server: [`ServerMetrics`].

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use echo_metrics::{Families, Source, bytes};

use crate::context::Context;
use crate::counters::{ChatServed, Served, TlsServed, WorkerSoFar};
use crate::server::ServerWatch;
use crate::snapshot::Snapshot;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct ServerMetrics {
    watch: ServerWatch,
    /// The greatest count of errors by messages that was served.
    message_errors: AtomicU64,
}

impl ServerMetrics {
    /// Of the server that is watched.
    pub(crate) fn new(watch: ServerWatch) -> Self {
        Self { watch, message_errors: AtomicU64::new(0) }
    }

    /// By kind. Workers report what they counted a little later than others do, so that the
    /// difference may fall; a counter must not.
    fn errors_by_kind(&self, so_far: &Snapshot) -> [(&'static str, u64); 8] {
        let mut kinds = errors_by_kind(so_far);
        let messages = &mut kinds[0].1;
        *messages = self.message_errors.fetch_max(*messages, Ordering::Relaxed).max(*messages);
        kinds
    }
}

impl Source for ServerMetrics {
    fn collect(&self, families: &mut Families<'_>) -> fmt::Result {
        let context = self.watch.context();
        let so_far = context.snapshot();
        build(context, families)?;
        connections(context, &so_far, families)?;
        traffic(&so_far.total(), self.errors_by_kind(&so_far), families)?;
        if context.config.model.has_workers() {
            of_workers(&so_far.workers, families)?;
        }
        if context.config.tls.is_some() {
            tls(&so_far.tls, families)?;
        }
        if context.config.protocol.is_chat() {
            let ChatServed { lines, .. } = so_far.chat;
            let help = "Lines received from chat members";
            families.counter("echo_server_chat_lines", help, lines)?;
        }
        Ok(())
    }
}

fn build(context: &Context, families: &mut Families<'_>) -> fmt::Result {
    let config = &context.config;
    families.info(
        "echo_server_build",
        "Version, and what was configured",
        &[
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("model", config.model.to_string()),
            ("protocol", config.protocol.to_string()),
        ],
    )
}

fn connections(
    context: &Context,
    so_far: &Snapshot,
    families: &mut Families<'_>,
) -> fmt::Result {
    let admission = &context.admission;
    families.counter("echo_server_connections", "Connections admitted", so_far.connections)?;
    families.gauge("echo_server_connections_active", "Open connections", admission.active())?;
    families.gauge(
        "echo_server_connections_limit",
        "Maximum number of open connections",
        admission.limit(),
    )?;
    families.counters(
        "echo_server_connections_refused",
        "Connections refused, by reason",
        "reason",
        so_far.refusals().map(|(refusal, count)| (refusal.name(), count)),
    )?;
    families.counters(
        "echo_server_connections_ended",
        "Connections that have ended, by cause",
        "cause",
        so_far.endings().map(|(ending, count)| (ending.name(), count)),
    )?;
    families.gauge(
        bytes("echo_server_buffered"),
        "What all connections buffer: output that is not sent, and unfinished messages",
        admission.budget().total() as u64,
    )?;
    families.counter(
        "echo_server_accept_failures",
        "Connections that could not be accepted, as without free file descriptors",
        so_far.failures,
    )
}

fn traffic(
    total: &WorkerSoFar,
    errors: [(&'static str, u64); 8],
    families: &mut Families<'_>,
) -> fmt::Result {
    let Served { messages, bytes_in, bytes_out, .. } = total.served;
    families.counter("echo_server_messages", "Messages answered", messages)?;
    families.counter(bytes("echo_server_received"), "Bytes received on the wire", bytes_in)?;
    families.counter(bytes("echo_server_sent"), "Bytes sent on the wire", bytes_out)?;
    families.counters("echo_server_errors", "Errors of peers, by kind", "kind", errors)?;
    families.times(
        "echo_server_response_time",
        "Time from the arrival of a message in this process until its reply was handed to the \
         kernel; a sample of the reads, weighted by messages",
        &total.response_times.times(),
    )
}

/// The kinds add up to all errors.
fn errors_by_kind(so_far: &Snapshot) -> [(&'static str, u64); 8] {
    let TlsServed {
        plaintext, timeout, displaced, client_certificate, failed, truncated, ..
    } = so_far.tls;
    let ChatServed { overflown, .. } = so_far.chat;
    let errors = so_far.total().served.errors;
    let others =
        plaintext + timeout + displaced + client_certificate + failed + truncated + overflown;
    [
        ("message", errors.saturating_sub(others)),
        ("tls_plaintext", plaintext),
        ("tls_timeout", timeout),
        ("tls_displaced", displaced),
        ("tls_client_certificate", client_certificate),
        ("tls_failed", failed),
        ("tls_truncated", truncated),
        ("slow_reader", overflown),
    ]
}

fn of_workers(workers: &[WorkerSoFar], families: &mut Families<'_>) -> fmt::Result {
    let each = |what: fn(&WorkerSoFar) -> u64| workers.iter().map(what).enumerate();
    families.counters(
        "echo_server_worker_connections",
        "Connections, by the worker that was the first to serve them",
        "worker",
        each(|worker| worker.connections),
    )?;
    families.gauges(
        "echo_server_worker_connections_active",
        "Open connections, by the worker that was the first to serve them",
        "worker",
        each(|worker| worker.active),
    )?;
    families.counters(
        "echo_server_worker_messages",
        "Messages answered, by worker",
        "worker",
        each(|worker| worker.served.messages),
    )
}

fn tls(served: &TlsServed, families: &mut Families<'_>) -> fmt::Result {
    let TlsServed { handshakes, resumed, .. } = *served;
    families.counter("echo_server_tls_handshakes", "Completed TLS handshakes", handshakes)?;
    families.counter(
        "echo_server_tls_resumed",
        "TLS handshakes that resumed an earlier session",
        resumed,
    )
}
