//! The flags of a server that is started by a command, as typed.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use echo_bench_engine::plan::CommandPlan;
use echo_net::clock::nanos;
use echo_net::settings::TimeSpan;

use crate::exec::{InvalidCommand, NamedCommand, split};

#[derive(Debug, Args)]
#[command(next_help_heading = "Server started by a command")]
pub(super) struct ExecArgs {
    /// Start this server for the run, like './server --port {port}'
    ///
    /// [NAME=]CMD, with {port} or {addr} where it takes its port or address, like
    /// 'A=./old --port {port}'. {port} is a free port, {addr} is 127.0.0.1 with that port, {host} is 127.0.0.1 (with --link
    /// another address), and {cpus} the number of CPUs that are left for the server. Words are split as by a shell, but there is none: write sh
    /// -c '...' for one, and env NAME=VALUE CMD to set a variable. CPU time and memory are those of
    /// all processes of the server, whatever it forks. All of them end with the run: by SIGTERM,
    /// after 2 s (0.5 s if the
    /// run was interrupted) by SIGKILL. It is ready once it accepts connections.
    #[arg(long, value_name = "CMD", conflicts_with_all = ["address", "target", "model", "server_pid"])]
    pub(super) exec: Option<NamedCommand>,
    /// The server is ready once a line of its output holds this text, too
    #[arg(long, value_name = "TEXT", requires = "exec", value_parser = NonEmptyStringValueParser::new())]
    ready: Option<String>,
    /// How long the server may take to be ready
    #[arg(long, value_name = "TIME", requires = "exec", default_value = "10s")]
    exec_timeout: TimeSpan,
    /// Run this before each start of the server; it must exit with 0
    ///
    /// {port}, {addr} and {cpus} are those of the start that follows. What it leaves running is
    /// ended.
    #[arg(long, value_name = "CMD", requires = "exec", value_parser = some_words)]
    prepare: Option<String>,
    /// How long --prepare may take
    #[arg(long, value_name = "TIME", requires = "prepare", default_value = "60s")]
    prepare_timeout: TimeSpan,
}

/// A command that needs no port.
fn some_words(text: &str) -> Result<String, InvalidCommand> {
    split(text).map(|_| text.to_owned())
}

impl ExecArgs {
    /// The server that they mean, if one is typed.
    pub(super) fn plan(&self) -> Option<CommandPlan> {
        let NamedCommand { name, command } = self.exec.clone()?;
        Some(CommandPlan {
            name,
            command,
            ready: self.ready.clone(),
            start_timeout_ns: nanos(self.exec_timeout.0),
            prepare: self.prepare.clone(),
            prepare_timeout_ns: nanos(self.prepare_timeout.0),
        })
    }
}
