//! A fault server in a process of its own: [`FaultProcess`], so that the CPU time of both sides
//! is counted apart. It ends with this process.

use std::io::{BufRead, BufReader, Read as _};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Fault, Framing};

/// How long it may take to say that it is ready, or what it has done.
const LIMIT: Duration = Duration::from_secs(10);

/// Longest of its lines.
const LONGEST_LINE: u64 = 4096;

/// What a fault server does.
#[derive(Debug, Clone, Copy)]
pub struct Injection {
    /// The protocol.
    pub framing: Framing,
    /// The fault.
    pub fault: Fault,
    /// The first connection that has it, from 0.
    pub from: usize,
    /// By which share its times are longer than it says.
    pub lie: f64,
}

/// A running one; killed when dropped.
#[derive(Debug)]
pub struct FaultProcess {
    child: Child,
    lines: Receiver<Value>,
    address: String,
}

impl FaultProcess {
    /// Starts one with the hidden `subcommand` of this program, and waits until it listens.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(subcommand: &str, injection: &Injection) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding this program")?;
        let mut child = Command::new(program)
            .arg(subcommand)
            .arg(format!("--die-with-parent={}", std::process::id()))
            .arg(format!("--framing={}", injection.framing))
            .arg(format!("--fault={}", injection.fault))
            .arg(format!("--from={}", injection.from))
            .arg(format!("--lie={}", injection.lie))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            // Ctrl-C in a terminal goes to the whole group of the foreground; this process
            // ends it.
            .process_group(0)
            .spawn()
            .context("starting the fault server")?;
        let stdout = child.stdout.take();
        let (sender, lines) = channel();
        let mut server = Self { child, lines, address: String::new() };
        let mut stdout = BufReader::new(stdout.context("the fault server has no stdout")?);
        std::thread::Builder::new()
            .spawn(move || {
                let mut line = String::new();
                loop {
                    line.clear();
                    match (&mut stdout).take(LONGEST_LINE).read_line(&mut line) {
                        Ok(1..) => {}
                        _ => break,
                    }
                    if let Ok(said) = serde_json::from_str(&line)
                        && sender.send(said).is_err()
                    {
                        break;
                    }
                }
            })
            .context("starting a thread")?;
        let ready = server.lines.recv_timeout(LIMIT);
        let ready = ready.context("the fault server did not start")?;
        let address = ready.get("addr").and_then(Value::as_str);
        address.context("the fault server names no address")?.clone_into(&mut server.address);
        Ok(server)
    }

    /// Where it listens, as `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits until the first message has come; whether it came in time.
    pub fn has_begun(&self, at_most: Duration) -> bool {
        self.lines.recv_timeout(at_most).is_ok_and(|said| said.get("begun").is_some())
    }

    /// Ends it; how many faults it has injected.
    ///
    /// # Errors
    /// When it does not say so in time.
    pub fn stop(mut self) -> anyhow::Result<u64> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.context("the fault server has no process id")?;
        kill_process(pid, Signal::TERM).context("ending the fault server")?;
        while let Ok(said) = self.lines.recv_timeout(LIMIT) {
            if let Some(committed) = said.get("committed").and_then(Value::as_u64) {
                self.child.wait().context("waiting for the fault server")?;
                return Ok(committed);
            }
        }
        bail!("the fault server did not say what it has done within {LIMIT:?}")
    }
}

impl Drop for FaultProcess {
    fn drop(&mut self) {
        // Both fail only for a child that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
