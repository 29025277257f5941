//! The embedded server: an echo-server in a child process of its own, so that its CPU time,
//! its memory and its descriptors are counted apart. The binary re-executes itself; the
//! child dies with its parent.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::child::{self, STOP_LIMIT};
use echo_bench_engine::plan::ServerPlan;
use echo_net::settings::CpuList;
use echo_net::tls::Fingerprint;
use echo_server::model::ModelKind;

/// The hidden subcommand by which the binary re-executes itself.
pub(crate) const SUBCOMMAND: &str = "serve-embedded";

/// How long the server may take to say that it is ready.
const START_LIMIT: Duration = Duration::from_secs(10);

/// The life of the child process.
pub fn serve(args: Vec<OsString>) -> std::process::ExitCode {
    let program = OsString::from("echo-server");
    echo_server::program::run_from(std::iter::once(program).chain(args))
}

/// A running embedded server; killed when dropped.
#[derive(Debug)]
pub struct EmbeddedServer {
    child: Child,
    address: SocketAddr,
    fingerprint: Option<Fingerprint>,
}

impl EmbeddedServer {
    /// Starts one on `cpus` (none: wherever it may run) and waits until it can accept. Workers
    /// that are one thread each get one of them each.
    ///
    /// # Errors
    /// What the server said, if it did not start.
    pub fn start(server: &ServerPlan, cpus: &[usize]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding this program")?;
        let mut command = Command::new(program);
        command
            .arg(SUBCOMMAND)
            .args(["127.0.0.1:0", "--quiet"])
            .arg(format!("--die-with-parent={}", std::process::id()))
            .args(server.command_line())
            .args(worker_cpus(server, cpus))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // What it complains of is for the user.
            .stderr(Stdio::inherit())
            // Ctrl-C in a terminal goes to the whole group of the foreground; the server
            // must outlive it until the partial report is measured.
            .process_group(0);
        let child =
            child::start_on(cpus, &mut command).context("starting the embedded server")?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, address, fingerprint: None };
        let ready = server.ready_line()?;
        let ready: serde_json::Value = serde_json::from_str(&ready)
            .with_context(|| format!("reading the ready line of the server: `{ready}`"))?;
        let address = ready.get("addr").and_then(serde_json::Value::as_str);
        let address = address.and_then(|address| address.parse().ok());
        server.address = address.context("the server's ready line names no address")?;
        let fingerprint = ready.pointer("/tls/fingerprint").and_then(serde_json::Value::as_str);
        server.fingerprint = fingerprint.map(str::parse).transpose()?;
        Ok(server)
    }

    fn ready_line(&mut self) -> anyhow::Result<String> {
        let stdout = self.child.stdout.take().context("the server has no stdout")?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            // Read on after the first line, so that the server never writes to a closed pipe.
            let mut stdout = BufReader::new(stdout);
            let read = stdout.read_line(&mut line);
            drop(sender.send(read.map(|_| line)));
            drop(io::copy(&mut stdout, &mut io::sink()));
        });
        let line = receiver.recv_timeout(START_LIMIT);
        match line {
            Ok(Ok(line)) if !line.is_empty() => Ok(line),
            Ok(_) => bail!("the embedded server did not start; it said why above"),
            Err(_) => bail!("the embedded server did not start within {START_LIMIT:?}"),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The fingerprint of its certificate, if it speaks TLS.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops it; whether it stopped by itself in time.
    pub fn stop(mut self) -> bool {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // Fails only if it has ended already.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Ok(Some(_)) => return true,
                Err(_) => return false,
            }
        }
        false
    }
}

/// The server's own flag for one CPU per worker, where that makes sense.
fn worker_cpus(server: &ServerPlan, cpus: &[usize]) -> Option<String> {
    let model: Option<ModelKind> = server.model.as_deref().and_then(|name| name.parse().ok());
    let list = CpuList::new(cpus)?;
    model.is_some_and(ModelKind::has_fixed_threads).then(|| format!("--pin={list}"))
}

impl Drop for EmbeddedServer {
    fn drop(&mut self) {
        // Both fail only for a child that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
