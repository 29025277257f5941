//! The flags of a server that is started by a command, as typed.

use clap::Args;

use echo_bench_engine::plan::CommandPlan;
use echo_net::clock::nanos;
use echo_net::settings::TimeSpan;

use crate::exec::NamedCommand;

#[derive(Debug, Args)]
#[command(next_help_heading = "Server started by a command")]
pub(super) struct ExecArgs {
    /// Start this server for the run and stop it afterwards: [NAME=]COMMAND, in which {port} or
    /// {addr} stands for a free port or 127.0.0.1 with it, and {cpus} for the number of CPUs that
    /// are left for it. Words are split as in a shell, but there is none: write sh -c '...' for
    /// one. CPU and memory are those of all its processes, and all of them end with the run
    #[arg(long, value_name = "CMD", conflicts_with_all = ["address", "target", "model", "server_pid"])]
    pub(super) exec: Option<NamedCommand>,
    /// The server is ready once a line of its output holds this text and it accepts connections
    /// (default: once it accepts connections)
    #[arg(long, value_name = "TEXT", requires = "exec")]
    ready: Option<String>,
    /// How long the server may take to be ready
    #[arg(long, value_name = "TIME", requires = "exec", default_value = "10s")]
    exec_timeout: TimeSpan,
    /// Run this before each start of the server; it must exit with 0, and what it leaves running
    /// is ended
    #[arg(long, value_name = "CMD", requires = "exec")]
    prepare: Option<String>,
    /// How long --prepare may take
    #[arg(long, value_name = "TIME", requires = "prepare", default_value = "60s")]
    prepare_timeout: TimeSpan,
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
