//! The embedded server: an echo-server in a child process of its own, so that its CPU time,
//! its memory and its descriptors are counted apart. The binary re-executes itself; the
//! child dies with its parent.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::child;
use crate::console;
use crate::exec::Interrupted;
use echo_bench_engine::plan::ServerPlan;
use echo_net::address::SocketAddress;
use echo_net::settings::CpuList;
use echo_net::stop::{Stage, Stop};
use echo_net::tls::Fingerprint;
use echo_server::model::ModelKind;

/// The hidden subcommand by which the binary re-executes itself.
pub(crate) const SUBCOMMAND: &str = "serve-embedded";

/// How long the server may take to say that it is ready.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How often it is looked whether the user has asked for a stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The life of the child process.
pub fn serve(args: Vec<OsString>) -> std::process::ExitCode {
    let program = OsString::from("echo-server");
    echo_server::program::run_from(std::iter::once(program).chain(args))
}

/// How long its last line may take once it has ended: a pipe is read.
const LAST_LINE_LIMIT: Duration = Duration::from_secs(5);

/// The longest line that is read of it.
const LONGEST_LINE: u64 = 1 << 20;

/// A running embedded server; killed when dropped.
#[derive(Debug)]
pub struct EmbeddedServer {
    child: Child,
    /// The lines that it writes: that it is ready, and its statistics.
    lines: Receiver<io::Result<String>>,
    address: SocketAddress,
    fingerprint: Option<Fingerprint>,
}

/// How an embedded server stopped.
#[derive(Debug)]
pub struct Stopped {
    /// Whether it did so by itself, in time.
    pub in_time: bool,
    /// Its statistics, a line of JSON, if it wrote them.
    pub statistics: Option<String>,
}

impl EmbeddedServer {
    /// Starts one at `address`, which may be a free one, on `cpus` (none: wherever it may run), and waits
    /// until it can accept. Workers that are one thread each get one of them each.
    ///
    /// # Errors
    /// What the server said, if it did not start; [`Interrupted`] if `stop` was asked for.
    pub fn start(
        server: &ServerPlan,
        address: SocketAddress,
        cpus: &[usize],
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding this program")?;
        let words: Vec<String> = server.command_line();
        let says_nothing_else =
            !words.iter().any(|word| word == "--verbose" || word == "--quiet");
        let mut command = Command::new(program);
        command
            .arg(SUBCOMMAND)
            .args([&address.to_string(), "--summary-on-stdout"])
            .arg(format!("--die-with-parent={}", std::process::id()))
            .args(&words)
            .args(says_nothing_else.then_some("--quiet"))
            .args(worker_cpus(server, cpus))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // What it complains of is for the user.
            .stderr(console::stderr_of_child())
            // Ctrl-C in a terminal goes to the whole group of the foreground; the server
            // must outlive it until the partial report is measured.
            .process_group(0);
        let mut child =
            child::start_on(cpus, &mut command).context("starting the embedded server")?;
        child.stderr.take().into_iter().for_each(console::pass_on);
        let stdout = child.stdout.take();
        let (sender, lines) = mpsc::channel();
        // From here on the child is killed should the rest fail.
        let mut server = Self { child, lines, address, fingerprint: None };
        read_lines(stdout.context("the server has no stdout")?, sender)?;
        let ready = server.ready_line(stop)?;
        let ready: serde_json::Value = serde_json::from_str(&ready)
            .with_context(|| format!("reading the ready line of the server: `{ready}`"))?;
        let address = ready.get("addr").and_then(serde_json::Value::as_str);
        let address = address.and_then(|address| address.parse().ok());
        server.address = address.context("the server's ready line names no address")?;
        let fingerprint = ready.pointer("/tls/fingerprint").and_then(serde_json::Value::as_str);
        server.fingerprint = fingerprint.map(str::parse).transpose()?;
        Ok(server)
    }

    fn ready_line(&self, stop: &Stop) -> anyhow::Result<String> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            match self.lines.recv_timeout(LOOK_EVERY) {
                Ok(Ok(line)) if !line.is_empty() => return Ok(line),
                Err(RecvTimeoutError::Timeout) if stop.stage() > Stage::Running => {
                    return Err(Interrupted.into());
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => {}
                Err(RecvTimeoutError::Timeout) => {
                    bail!("the embedded server did not start within {START_LIMIT:?}")
                }
                Ok(_) | Err(RecvTimeoutError::Disconnected) => {
                    bail!("the embedded server did not start; it said why above")
                }
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddress {
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

    /// Stops it, killed after the [limit](child::stop_limit).
    pub fn stop(mut self, stop: &Stop) -> Stopped {
        let in_time = self.ends_in_time(stop);
        let last = in_time.then(|| self.lines.recv_timeout(LAST_LINE_LIMIT));
        let statistics = last.and_then(|line| line.ok()?.ok()).filter(|line| !line.is_empty());
        Stopped { in_time, statistics }
    }

    /// Asks it to stop; whether it does by itself in time.
    fn ends_in_time(&mut self, stop: &Stop) -> bool {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // Fails only if it has ended already.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let begin = Instant::now();
        while begin.elapsed() < child::stop_limit(stop) {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Ok(Some(_)) => return true,
                Err(_) => return false,
            }
        }
        false
    }
}

/// Passes on the first two lines that the server writes, each bounded, on a thread of its own. It
/// reads on after them, so that the server never writes to a closed pipe.
fn read_lines(
    stdout: impl Read + Send + 'static,
    lines: Sender<io::Result<String>>,
) -> anyhow::Result<()> {
    let reader = std::thread::Builder::new().name("server-stdout".into());
    let reader = reader.spawn(move || {
        let mut stdout = BufReader::new(stdout);
        for _ in 0..2 {
            let mut line = String::new();
            let read = stdout.by_ref().take(LONGEST_LINE).read_line(&mut line);
            drop(lines.send(read.map(|_| line)));
        }
        drop(io::copy(&mut stdout, &mut io::sink()));
    });
    reader.context("starting the thread that reads the embedded server's stdout")?;
    Ok(())
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
