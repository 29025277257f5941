//! A server that is started by a command: [`CommandServer`], on a free port of the loopback
//! interface.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};

use super::command::{Place, program_file, split};
use super::supervised::{Gone, Supervised};
use echo_bench_engine::plan::CommandPlan;
use echo_bench_engine::server_process::{
    ServerProcess, file_sha256, is_listened_at, listener_among, listener_owner,
};
use echo_net::settings::TimeSpan;
use echo_net::stop::{Stage, Stop};

/// How often another port is tried where the one that was free is not any more.
const MOST_PORTS: u32 = 4;

/// How often it is looked whether the server accepts connections, at first and at most; a look
/// costs CPU time that the server may need to start.
const LOOK_EVERY: Duration = Duration::from_millis(2);
const LOOK_LATER: Duration = Duration::from_millis(50);

/// How a command ended whose supervisor is gone: the kernel has killed it, too.
const SUPERVISOR_KILLED: &str = "its supervisor was killed";

/// How long one attempt to connect may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// A running server; nothing is left of it when this is dropped.
#[derive(Debug)]
pub struct CommandServer {
    supervised: Supervised,
    address: SocketAddr,
    /// The process that listens, where that can be seen; else that of the command.
    pid: Option<u32>,
    program_sha256: Option<String>,
}

/// How a server was, seen from the end of its run.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// How it ended before it was stopped, like `exit status: 1`, if it did.
    pub ended: Option<String>,
    /// The last lines of its output.
    pub output: String,
    /// Whether it did not stop in time, and was killed.
    pub killed: bool,
    /// Processes of it that could not be killed.
    pub left: Vec<u32>,
}

/// A signal came before the server was ready.
#[derive(Debug, thiserror::Error)]
#[error("interrupted before the server was ready; nothing was measured")]
pub struct Interrupted;

/// Another process has the port.
struct Taken(Option<u32>);

impl CommandServer {
    /// Starts it at `ip`, on `cpus` (none: wherever it may run; then `spare` CPUs are left for it),
    /// and waits until it accepts connections.
    ///
    /// # Errors
    /// Why it is not ready, with what it said; [`Interrupted`] if `stop` was asked for.
    pub fn start(
        plan: &CommandPlan,
        ip: IpAddr,
        cpus: &[usize],
        spare: usize,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let program = program_of(&plan.command).context("reading --exec")?;
        let mut taken = Taken(None);
        for _ in 0..MOST_PORTS {
            let address = free_address(ip)?;
            let spare = if cpus.is_empty() { spare } else { cpus.len() };
            let place = Place { address, cpus: spare };
            if let Some(command) = &plan.prepare {
                prepare(command, plan, place, cpus, stop)?;
            }
            let words = place.words(&plan.command)?;
            let mut supervised = Supervised::start(&words, plan.ready.as_deref(), cpus)?;
            match until_ready(&mut supervised, plan, address, stop) {
                Ok(Ok(pid)) => {
                    let program_sha256 = file_sha256(&program);
                    return Ok(Self { supervised, address, pid, program_sha256 });
                }
                Ok(Err(by)) => taken = by,
                Err(error) => return Err(error),
            }
        }
        let by = taken.0.map_or("another process".into(), |pid| format!("process {pid}"));
        bail!(
            "starting the server: `{}` did not serve the port that it was given: {by} did, which \
             it did not start (tried {MOST_PORTS} ports; start it yourself and name its address \
             as TARGET)",
            plan.command
        );
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process that listens, where that can be seen; else that of the command.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// The parent of all its processes, which is none of them.
    pub fn supervisor(&self) -> u32 {
        self.supervised.supervisor()
    }

    /// What tells it from another one: its process, and the program that the command names.
    pub fn process(&self) -> Option<ServerProcess> {
        let process = ServerProcess::of(self.pid?)?;
        Some(ServerProcess { program_sha256: self.program_sha256.clone(), ..process })
    }

    /// Stops it, at once if `stop` is forced; nothing is left of it then.
    pub fn stop(mut self, stop: &Stop) -> Ending {
        self.supervised.attend(Duration::ZERO);
        let ended = early_end(&self.supervised);
        let Gone { output, killed, left } = self.supervised.stop(stop);
        Ending { ended, output, killed, left }
    }
}

/// The file of the program that a command names.
///
/// # Errors
/// When there is none that could be run.
pub(crate) fn program_of(command: &str) -> anyhow::Result<PathBuf> {
    let words = split(command)?;
    let word = words.first().map_or("", String::as_str);
    program_file(word).with_context(|| not_found(word))
}

/// That there is no such program, and what may have been meant.
fn not_found(word: &str) -> String {
    let hint = if word.contains('/') {
        "is it built, and may it be executed?"
    } else {
        "is it in PATH? a variable is set by `env NAME=value program`, shell syntax needs `sh -c`"
    };
    format!("there is no program `{word}` ({hint})")
}

/// An address without a listener.
fn free_address(ip: IpAddr) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((ip, 0)).context("finding a free port")?;
    listener.local_addr().context("finding a free port")
}

/// Whether a port is in use by anybody, as a listener or as the source of a connection.
fn is_used(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_err()
}

/// Runs the command that comes before each start.
fn prepare(
    command: &str,
    plan: &CommandPlan,
    place: Place,
    cpus: &[usize],
    stop: &Stop,
) -> anyhow::Result<()> {
    program_of(command).context("reading --prepare")?;
    let limit = Duration::from_nanos(plan.prepare_timeout_ns);
    let mut supervised = Supervised::start(&place.words(command)?, None, cpus)?;
    let deadline = Instant::now() + limit;
    while supervised.ended.is_none() && supervised.gone.is_none() {
        if stop.stage() > Stage::Running {
            return Err(Interrupted.into());
        }
        if Instant::now() >= deadline {
            let said = words_of(&supervised.stop(stop).output);
            let limit = TimeSpan(limit);
            bail!(
                "preparing the server: `{command}` did not end within {limit} (raise \
                 --prepare-timeout){said}"
            );
        }
        if !supervised.attend(LOOK_EVERY) {
            break;
        }
    }
    let status = supervised.ended.as_ref().map(|(status, _)| *status);
    if status.is_some_and(|status| status.success()) {
        // What it has left running ends with it.
        drop(supervised);
        return Ok(());
    }
    let said = words_of(&supervised.stop(stop).output);
    let how = status.map_or_else(|| SUPERVISOR_KILLED.to_owned(), described);
    bail!("preparing the server: `{command}` failed ({how}){said}");
}

/// Waits until the server accepts connections; the process that listens.
fn until_ready(
    supervised: &mut Supervised,
    plan: &CommandPlan,
    address: SocketAddr,
    stop: &Stop,
) -> anyhow::Result<Result<Option<u32>, Taken>> {
    let begin = Instant::now();
    let deadline = begin + Duration::from_nanos(plan.start_timeout_ns);
    loop {
        let pause = (begin.elapsed() / 20).clamp(LOOK_EVERY, LOOK_LATER);
        supervised.attend(pause);
        if stop.stage() > Stage::Running {
            return Err(Interrupted.into());
        }
        if let Some(how) = early_end(supervised) {
            // The rest of what it says.
            while supervised.gone.is_none() && supervised.attend(LOOK_EVERY) {}
            if is_used(address) {
                return Ok(Err(Taken(listener_owner(address))));
            }
            return Err(did_not_start(supervised, plan, address, &how));
        }
        let is_ready = plan.ready.is_none() || supervised.is_ready;
        if is_ready && accepts(address) {
            let pids = supervised.pids();
            let listener = listener_among(address, &pids);
            let other = listener_owner(address).filter(|owner| !pids.contains(owner));
            return Ok(match (listener, other) {
                (None, Some(_)) => Err(Taken(other)),
                (listener, _) => Ok(listener.or(supervised.pid)),
            });
        }
        if Instant::now() >= deadline {
            return Err(too_slow(supervised, plan, address));
        }
    }
}

/// Whether a connection is accepted there. None is tried before somebody listens: it might
/// connect to itself.
fn accepts(address: SocketAddr) -> bool {
    if is_listened_at(address) == Some(false) {
        return false;
    }
    let connected = TcpStream::connect_timeout(&address, CONNECT_LIMIT);
    connected.is_ok_and(|stream| stream.local_addr().is_ok_and(|own| own != address))
}

/// How a server ended by itself, if nothing of it is left or its first process failed.
fn early_end(supervised: &Supervised) -> Option<String> {
    let status = supervised.ended.as_ref().map(|(status, _)| *status);
    match status {
        Some(status) if supervised.gone.is_some() || !status.success() => {
            Some(described(status))
        }
        _ if supervised.gone.is_some() => Some("it ended".to_owned()),
        _ => supervised.is_lost.then(|| SUPERVISOR_KILLED.to_owned()),
    }
}

/// Like `exit status 1` or `signal 9 (SIGKILL)`.
fn described(status: ExitStatus) -> String {
    status.to_string().replace("exit status:", "exit status").replace("signal:", "signal")
}

fn did_not_start(
    supervised: &Supervised,
    plan: &CommandPlan,
    address: SocketAddr,
    how: &str,
) -> anyhow::Error {
    let gone = supervised.gone.as_ref().map(|gone| gone.output.clone());
    let ended = || supervised.ended.as_ref().map(|(_, output)| output.clone());
    let said = words_of(&gone.or_else(ended).unwrap_or_default());
    anyhow!(
        "starting the server: `{}` ended before it accepted connections on {address} \
         ({how}){said}",
        plan.command
    )
}

fn too_slow(
    supervised: &mut Supervised,
    plan: &CommandPlan,
    address: SocketAddr,
) -> anyhow::Error {
    supervised.kill();
    let output = supervised.gone.as_ref().map(|gone| gone.output.clone()).unwrap_or_default();
    let (said, limit) =
        (words_of(&output), TimeSpan(Duration::from_nanos(plan.start_timeout_ns)));
    let command = &plan.command;
    match &plan.ready {
        Some(text) if !supervised.is_ready => anyhow!(
            "starting the server: no line of `{command}` held `{text}` within {limit} (see \
             --ready and --exec-timeout){said}"
        ),
        _ if !address.ip().is_loopback() => anyhow!(
            "starting the server: `{command}` did not accept connections on {address} within \
             {limit} (with --link it has to listen on {{addr}} or {{host}}, not on the loopback; a \
             slow one needs a longer --exec-timeout){said}"
        ),
        _ => anyhow!(
            "starting the server: `{command}` did not accept connections on {address} within \
             {limit} (does it listen there? a slow one needs a longer --exec-timeout){said}"
        ),
    }
}

/// What a command said, as the end of an error.
fn words_of(output: &str) -> String {
    if output.is_empty() {
        return "; it said nothing".into();
    }
    let lines: Vec<String> = output.lines().map(|line| format!("  {line}")).collect();
    format!("; it said:\n{}", lines.join("\n"))
}
