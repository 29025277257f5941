//! The server that is loaded: [`Target`], and the command line of one that is started for the
//! run: [`ServerPlan`], [`CommandPlan`]. Knows which flags matter to a run or a report; the others are passed on.

use std::fmt;

use echo_net::Nanos;
use echo_net::address::{Address, Transport};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The flag that has a kernel thread serve the rings of a server.
pub const SQPOLL: &str = "uring-sqpoll";

/// Whom to load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Target {
    /// An echo-server of our own, started for the run as a child process.
    Embedded {
        /// Its command line.
        #[schemars(with = "Vec<String>")]
        server: ServerPlan,
    },
    /// Any server, started for the run by a command.
    Command(CommandPlan),
    /// A server that is already there.
    Address {
        /// Its address as given.
        address: String,
        /// Its process, if the user named it, for its CPU cost.
        server_pid: Option<u32>,
    },
}

impl Target {
    /// The kind of its connections; `None` of an embedded server, which may have either.
    pub fn transport(&self) -> Option<Transport> {
        match self {
            Self::Embedded { .. } => None,
            Self::Command(_) => Some(Transport::Tcp),
            // An invalid address is refused by the lookup.
            Self::Address { address, .. } => {
                Some(address.parse().map_or(Transport::Tcp, |it: Address| it.transport()))
            }
        }
    }
}

/// A server that a command starts, on a free port of the loopback interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandPlan {
    /// What the user calls it; null: nothing.
    #[serde(default)]
    pub name: Option<String>,
    /// The command as typed, without the name. `{port}`, `{addr}` and `{cpus}` stand for the
    /// port, the address with the port, and the number of CPUs that are left for it.
    pub command: String,
    /// Text in a line of its output that says that it is ready; null: it is ready once it
    /// accepts connections.
    #[serde(default)]
    pub ready: Option<String>,
    /// How long it may take until it is ready.
    pub start_timeout_ns: Nanos,
    /// A command that is run before each start; null: none.
    #[serde(default)]
    pub prepare: Option<String>,
    /// How long that may take.
    pub prepare_timeout_ns: Nanos,
}

impl CommandPlan {
    /// Its name; without one, the file name of its program.
    pub fn title(&self) -> String {
        let program = self.command.split_whitespace().next().unwrap_or_default();
        let file = program.rsplit('/').find(|part| !part.is_empty()).unwrap_or(program);
        self.name.clone().unwrap_or_else(|| file.to_owned())
    }
}

impl fmt::Display for CommandPlan {
    /// Like `A, started: ./old --port {port}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}, ")?;
        }
        write!(f, "started: {}", self.command)
    }
}

/// An embedded echo-server. Its JSON is the list of words of its command line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct ServerPlan {
    /// Concurrency model.
    pub model: Option<String>,
    /// What it speaks.
    pub protocol: Option<String>,
    /// Worker threads; none with a model that has no fixed number of them.
    pub workers: Option<u32>,
    /// Every other flag, in order.
    pub flags: Vec<ServerFlag>,
}

/// A flag of a server, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFlag {
    /// Its long name, without dashes.
    pub name: String,
    /// Its value; none of a switch.
    pub value: Option<String>,
}

/// A word where a flag of the server should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a flag of a server (it does not begin with --)")]
pub struct NotAFlag(String);

impl ServerFlag {
    /// A flag with a value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: Some(value.into()) }
    }

    /// A flag without a value.
    pub fn switch(name: impl Into<String>) -> Self {
        Self { name: name.into(), value: None }
    }
}

impl ServerPlan {
    /// The server with these flags.
    pub fn new(flags: impl IntoIterator<Item = ServerFlag>) -> Self {
        let mut server = Self::default();
        for flag in flags {
            server.add(flag);
        }
        server
    }

    /// Adds a flag. Of one that is typed here, the first value counts.
    pub fn add(&mut self, flag: ServerFlag) {
        match (flag.name.as_str(), &flag.value) {
            ("model", Some(model)) if self.model.is_none() => self.model = Some(model.clone()),
            ("protocol", Some(protocol)) if self.protocol.is_none() => {
                self.protocol = Some(protocol.clone());
            }
            ("workers", Some(workers)) if self.workers.is_none() => match workers.parse() {
                Ok(workers) => self.workers = Some(workers),
                Err(_) => self.flags.push(flag),
            },
            _ => self.flags.push(flag),
        }
    }

    /// Every flag, those that are typed here first.
    pub fn all_flags(&self) -> Vec<ServerFlag> {
        let typed = [
            ("model", self.model.clone()),
            ("protocol", self.protocol.clone()),
            ("workers", self.workers.map(|workers| workers.to_string())),
        ];
        let typed = typed
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| ServerFlag::new(name, value)));
        typed.chain(self.flags.iter().cloned()).collect()
    }

    /// Whether a flag of this name is set.
    pub fn has(&self, name: &str) -> bool {
        self.all_flags().iter().any(|flag| flag.name == name)
    }

    /// Threads that a CPU each is for: the workers, and a kernel thread that spins; `None` without a
    /// fixed number of workers.
    pub fn busy_threads(&self) -> Option<u32> {
        let polls = u32::from(self.has(SQPOLL));
        self.workers.map(|workers| workers.saturating_add(polls))
    }

    /// Whether it speaks TLS.
    pub fn speaks_tls(&self) -> bool {
        self.flags.iter().any(|flag| flag.name.starts_with("tls-"))
    }

    /// Its command line, without the program's name.
    pub fn command_line(&self) -> Vec<String> {
        let words = |flag: ServerFlag| [Some(format!("--{}", flag.name)), flag.value];
        self.all_flags().into_iter().flat_map(words).flatten().collect()
    }
}

impl From<ServerPlan> for Vec<String> {
    fn from(server: ServerPlan) -> Self {
        server.command_line()
    }
}

impl TryFrom<Vec<String>> for ServerPlan {
    type Error = NotAFlag;

    fn try_from(words: Vec<String>) -> Result<Self, NotAFlag> {
        let mut server = Self::default();
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--") else { return Err(NotAFlag(word)) };
            let value = words.next_if(|word| !word.starts_with("--"));
            server.add(ServerFlag { name: name.to_owned(), value });
        }
        Ok(server)
    }
}

impl fmt::Display for ServerPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.command_line().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_words_are_read_once_and_written_as_they_were() {
        let line = "--model epoll --protocol mux --workers 3 --reuse-port --max-message 2M";
        let json = serde_json::to_string(&words(line)).unwrap();
        let server: ServerPlan = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (server.model.as_deref(), server.protocol.as_deref(), server.workers),
            (Some("epoll"), Some("mux"), Some(3))
        );
        assert!(server.has("reuse-port") && server.has("workers") && !server.has("pin"));
        assert_eq!(server.busy_threads(), Some(3));
        let polled = ServerPlan::try_from(words("--workers 3 --uring-sqpoll")).unwrap();
        assert_eq!(polled.busy_threads(), Some(4));
        assert_eq!(serde_json::to_string(&server).unwrap(), json);
        assert_eq!(server.to_string(), line);
    }

    #[test]
    fn what_it_does_not_know_is_kept() {
        for line in ["", "--workers many", "--model a --model b", "--read-buffer", "--bind -"] {
            let server = ServerPlan::try_from(words(line)).unwrap();
            assert_eq!(server.command_line(), words(line));
        }
        let told = ServerPlan::try_from(words("--model epoll x")).unwrap_err().to_string();
        assert!(told.contains("`x`"), "{told}");
    }

    #[test]
    fn a_command_is_stored_as_typed_and_described() {
        let command = CommandPlan {
            name: Some("A".into()),
            command: "./old --port {port}".into(),
            ready: None,
            start_timeout_ns: 1,
            prepare: None,
            prepare_timeout_ns: 1,
        };
        assert_eq!(command.to_string(), "A, started: ./old --port {port}");
        assert_eq!(command.title(), "A");
        assert_eq!(CommandPlan { name: None, ..command.clone() }.title(), "old");
        let target = Target::Command(command);
        let json = serde_json::to_value(&target).unwrap();
        assert_eq!((&json["kind"], &json["name"]), (&"command".into(), &"A".into()));
        assert_eq!(serde_json::from_value::<Target>(json).unwrap(), target);
    }
}
