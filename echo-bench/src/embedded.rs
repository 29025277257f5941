//! The embedded server: an echo-server in a child process of its own, so that its CPU time,
//! its memory and its descriptors are counted apart. The binary re-executes itself; the
//! child dies with its parent. The only module that knows echo-server.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, Parser};

use echo_net::tls::Fingerprint;
use echo_server::Config;
use echo_server::cli::ServerArgs;
use echo_server::model::ModelKind;

/// The hidden subcommand by which the binary re-executes itself.
pub const SUBCOMMAND: &str = "serve-embedded";

/// How long the server may take to say that it is ready.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long it may take to stop by itself.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Flags of the server that echo-bench sets itself or that make no sense for a child.
const RESERVED: [&str; 5] = ["model", "protocol", "help", "version", "die-with-parent"];

/// What is not as in echo-server: unless typed, the number of workers is chosen here.
const WORKERS_HELP: &str =
    "Threads that serve [default: the cores that --threads leaves over, at least 1]";

/// Every flag of echo-server, with the prefix `--server-`, passed on as typed.
#[derive(Debug, Clone, Default)]
pub struct ServerFlags(Vec<String>);

fn server_flags() -> impl Iterator<Item = Arg> {
    let command = ServerArgs::augment_args(clap::Command::new("echo-server"));
    let arguments: Vec<Arg> = command.get_arguments().cloned().collect();
    arguments
        .into_iter()
        .filter(|argument| argument.get_long().is_some_and(|long| !RESERVED.contains(&long)))
}

impl Args for ServerFlags {
    fn augment_args(command: clap::Command) -> clap::Command {
        server_flags().fold(command, |command, flag| {
            let long = flag.get_long().unwrap_or_default();
            let name = format!("server-{long}");
            let takes_value = flag.get_action().takes_values();
            let own = flag.get_action().clone();
            let action = if takes_value { own } else { ArgAction::SetTrue };
            let mut passed =
                Arg::new(name.clone()).long(name).action(action).hide_short_help(true);
            passed = match flag.get_help() {
                _ if long == "workers" => passed.help(WORKERS_HELP),
                help => passed.help(help.cloned().unwrap_or_default()),
            };
            if takes_value {
                // Checked here as the server would, and passed on as typed.
                passed = passed.value_parser(flag.get_value_parser().clone());
                if let Some(names) = flag.get_value_names() {
                    passed = passed.value_names(names.to_vec());
                }
            }
            command.arg(passed)
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServerFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut typed = Vec::new();
        for flag in server_flags() {
            let long = flag.get_long().unwrap_or_default();
            let name = format!("server-{long}");
            if flag.get_action().takes_values() {
                for value in matches.get_raw(&name).into_iter().flatten() {
                    let value = value.to_string_lossy().into_owned();
                    typed.extend([format!("--{long}"), value]);
                }
            } else if matches.get_flag(&name) {
                typed.push(format!("--{long}"));
            }
        }
        Ok(Self(typed))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl ServerFlags {
    /// Whether none was typed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The server's whole command line.
    pub fn command_line(
        &self,
        model: ModelKind,
        protocol: &dyn std::fmt::Display,
        workers: usize,
    ) -> Vec<String> {
        let mut line: Vec<String> =
            ["--model", &model.to_string(), "--protocol", &protocol.to_string()]
                .map(str::to_owned)
                .to_vec();
        // A thread per connection has no number of workers.
        if !self.0.iter().any(|flag| flag == "--workers") && model != ModelKind::Threads {
            line.extend(["--workers".to_owned(), workers.to_string()]);
        }
        line.extend(self.0.iter().cloned());
        line
    }
}

/// Checks a server's command line before any server is started.
///
/// # Errors
/// What the server would say, with its flags named as they are typed here.
pub fn check(command_line: &[String]) -> Result<(), String> {
    let words = std::iter::once("echo-server").chain(command_line.iter().map(String::as_str));
    let args = ServerArgs::try_parse_from(words).map_err(|error| error.to_string())?;
    let own = |error: String| match error.strip_prefix("--") {
        Some(rest) => format!("--server-{rest}"),
        None => error,
    };
    Config::try_from(&args).map(drop).map_err(|error| own(error.to_string()))
}

/// The number of workers that a command line asks for.
pub fn workers_of(server: &[String]) -> Option<usize> {
    let place = server.iter().position(|flag| flag == "--workers")?;
    server.get(place + 1)?.parse().ok()
}

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
    /// Starts one and waits until it can accept.
    ///
    /// # Errors
    /// What the server said, if it did not start.
    pub fn start(flags: &[String]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("finding this program")?;
        let child = Command::new(program)
            .arg(SUBCOMMAND)
            .args(["127.0.0.1:0", "--quiet"])
            .arg(format!("--die-with-parent={}", std::process::id()))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // What it complains of is for the user.
            .stderr(Stdio::inherit())
            // Ctrl-C in a terminal goes to the whole group of the foreground; the server
            // must outlive it until the partial report is measured.
            .process_group(0)
            .spawn()
            .context("starting the embedded server")?;
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
            drop(std::io::copy(&mut stdout, &mut std::io::sink()));
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

impl Drop for EmbeddedServer {
    fn drop(&mut self) {
        // Both fail only for a child that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
