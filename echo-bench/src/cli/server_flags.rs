//! The flags of the embedded server, as typed: [`ServerFlags`], taken from the definition of
//! echo-server's own.

use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, Parser};

use echo_net::address::Transport;

use super::copied::described;
use echo_bench_engine::plan::{ServerFlag, ServerPlan};
use echo_proto::Service;
use echo_server::Config;
use echo_server::cli::ServerArgs;
use echo_server::model::ModelKind;

/// Flags of the server that echo-bench sets itself or that make no sense for a child.
const RESERVED: [&str; 6] =
    ["model", "protocol", "help", "version", "die-with-parent", "summary-on-stdout"];

/// What is not as in echo-server: unless typed, the number of workers is chosen here.
const WORKERS_HELP: &str = "Threads that serve, or processes (prefork) [default: the cores that --threads leaves over, one \
     fewer with --server-uring-sqpoll, at least 1; 1 for a chat with prefork]";

/// Every flag of echo-server, with the prefix `--server-`, passed on as typed.
#[derive(Debug, Clone, Default)]
pub(super) struct ServerFlags(Vec<ServerFlag>);

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
            passed = match long {
                "workers" => passed.help(WORKERS_HELP),
                _ => described(passed, &flag),
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
                    typed.push(ServerFlag::new(long, value));
                }
            } else if matches.get_flag(&name) {
                typed.push(ServerFlag::switch(long));
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
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of this name was typed.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|flag| flag.name == name)
    }

    /// The value of one that was typed.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let flag = self.0.iter().find(|flag| flag.name == name)?;
        flag.value.as_deref()
    }

    /// The server that they mean, with so many workers if none are typed.
    pub(super) fn server(
        &self,
        model: ModelKind,
        service: Service,
        workers: u32,
    ) -> ServerPlan {
        let mut server = ServerPlan {
            model: Some(model.to_string()),
            protocol: Some(service.to_string()),
            ..ServerPlan::new(self.0.iter().cloned())
        };
        // A thread per connection has no number of workers.
        if server.workers.is_none() && model != ModelKind::Threads {
            // Members in different processes can't see each other.
            let alone = model.has_processes() && service.is_chat();
            server.workers = Some(if alone { 1 } else { workers });
        }
        server
    }
}

/// Checks a server's command line before any server is started.
///
/// # Errors
/// What the server would say, with its flags named as they are typed here.
pub(super) fn check(server: &ServerPlan, transport: Transport) -> Result<(), String> {
    let address = match transport {
        Transport::Tcp => None,
        Transport::Unix => Some("unix:@".to_owned()),
    };
    let program = std::iter::once("echo-server".to_owned());
    let words = program.chain(address).chain(server.command_line());
    let args = ServerArgs::try_parse_from(words).map_err(|error| error.to_string())?;
    let own = |error: String| match error.strip_prefix("--") {
        Some(rest) => format!("--server-{rest}"),
        None => error,
    };
    Config::try_from(&args).map(drop).map_err(|error| own(error.to_string()))
}
