//! The life of a process that is a fault server: [`serve`]. Its standard output is lines of JSON:
//! where it listens, that the first message has come, and at the end what it has done.

use std::sync::mpsc::channel;

use anyhow::Context;
use serde_json::json;

use echo_net::signals;
use echo_net::stop::Stop;

use super::{Fault, FaultServer, Framing};
use crate::console::print;

/// What such a process is asked for.
#[derive(Debug, Clone, Copy)]
pub struct ServiceOptions {
    /// The process that it must not outlive.
    pub parent: u32,
    /// The protocol.
    pub framing: Framing,
    /// The fault.
    pub fault: Fault,
    /// The first connection that has it, from 0.
    pub from: usize,
    /// By which share its times are longer than it says.
    pub lie: f64,
}

/// Serves until a signal ends it.
///
/// # Errors
/// When it can't listen, or nobody reads what it says.
pub fn serve(options: &ServiceOptions) -> anyhow::Result<()> {
    signals::end_with_parent(Some(options.parent)).context("tying to the selftest")?;
    let stop = Stop::new();
    let (stopped, ending) = channel();
    stop.on_advance(move |_| {
        // Who listens lives as long as this function.
        let _ = stopped.send(());
    });
    signals::ask_on_signals(stop).context("watching for signals")?;
    let (fault, from) = (options.fault.longer(options.lie), options.from);
    let server = FaultServer::start_with(options.framing, fault, move |number| number >= from)
        .context("starting the fault server")?;
    let begun = server.first_message();
    print(&format!("{}\n", json!({"ready": true, "addr": server.address()})))?;
    std::thread::Builder::new()
        .name("begun".into())
        .spawn(move || {
            if begun.recv().is_ok() {
                // Whoever has gone away does not want to know.
                let _ = print(&format!("{}\n", json!({"begun": true})));
            }
        })
        .context("starting a thread")?;
    ending.recv().context("waiting for a signal")?;
    print(&format!("{}\n", json!({"committed": server.committed()})))
}
