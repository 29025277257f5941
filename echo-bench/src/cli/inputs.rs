//! What a plan needs beside what was typed: [`Inputs`]. Files, stdin and the machine are asked
//! here, so that [`RunArgs::plan`] has only to decide.

mod files;

use std::io;
use std::path::Path;

use echo_client::credentials::Credentials;
use echo_proto::{ProtocolKind, Service};

use super::{RunArgs, RunArgsError};
use echo_bench_engine::messages::Size;
use echo_bench_report::bounded;

/// What a plan needs beside what was typed.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The message file, if one was named; of a directory, each file in it by its name.
    pub messages: Option<Vec<Vec<u8>>>,
    /// The text of the histogram of message sizes, if one was named.
    pub sizes: Option<String>,
    /// The text of the file of recorded instants, if one was named.
    pub arrivals: Option<String>,
    /// Cores that this process may use, by its affinity and its quota.
    pub cores: usize,
    /// CPUs that it may run on, one of each physical core first.
    pub cpus: Vec<usize>,
    /// The same by NUMA node.
    pub nodes: Vec<Vec<usize>>,
    /// The seed, unless one was typed.
    pub seed: u64,
    /// Who to log in as.
    pub credentials: Credentials,
}

impl Inputs {
    /// What `args` need. Files of messages and of recorded instants are read, or stdin in place
    /// of one of them.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn of(args: &RunArgs) -> Result<Self, RunArgsError> {
        let messages = args.messages.message_file.as_deref();
        let arrivals = args.load.arrivals.as_deref();
        let sizes = match &args.messages.size {
            Some(Size::File(path)) => Some(path.as_path()),
            _ => None,
        };
        refuse_one_stdin_for_two([
            ("--arrivals -", arrivals),
            ("--message-file -", messages),
            ("--size file:-", sizes),
        ])?;
        let read_messages = |path| {
            files::read(path, args.messages.message_format, bounded::MESSAGES)
                .map_err(|reason| RunArgsError::MessageFile { path: path.to_owned(), reason })
        };
        let read_arrivals = |path| {
            read(path, bounded::ARRIVALS)
                .map_err(|reason| RunArgsError::Arrivals { path: path.to_owned(), reason })
        };
        let read_sizes = |path| {
            read(path, bounded::SIZES)
                .map_err(|reason| RunArgsError::SizeFile { path: path.to_owned(), reason })
        };
        let logs_in = [ProtocolKind::Postgres, ProtocolKind::Resp].map(Service::from);
        let credentials = match args.service()? {
            service if logs_in.contains(&service) => Credentials::of_environment(),
            _ => Credentials::default(),
        };
        Ok(Self {
            messages: messages.map(read_messages).transpose()?,
            sizes: sizes.map(read_sizes).transpose()?,
            arrivals: arrivals.map(read_arrivals).transpose()?,
            credentials,
            ..Self::of_machine()
        })
    }

    /// What this machine has.
    pub(super) fn of_machine() -> Self {
        Self {
            messages: None,
            sizes: None,
            arrivals: None,
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            // Where the kernel does not tell, nothing is pinned.
            cpus: echo_net::pin::allowed_by_core().unwrap_or_default(),
            nodes: echo_net::pin::allowed_by_node().unwrap_or_default(),
            seed: random_seed(),
            credentials: Credentials::default(),
        }
    }
}

/// Refuses files that are both stdin, which is read once.
fn refuse_one_stdin_for_two(
    files: [(&'static str, Option<&Path>); 3],
) -> Result<(), RunArgsError> {
    let is_stdin = |path: Option<&Path>| path.is_some_and(|path| path.as_os_str() == "-");
    let mut stdin = files.into_iter().filter(|(_, path)| is_stdin(*path)).map(|(flag, _)| flag);
    match (stdin.next(), stdin.next()) {
        (Some(one), Some(other)) => Err(RunArgsError::TwiceStdin(one, other)),
        _ => Ok(()),
    }
}

fn read(path: &Path, limit: usize) -> io::Result<String> {
    if path.as_os_str() == "-" {
        return bounded::read_from(io::stdin(), limit);
    }
    bounded::read(path, limit)
}

fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library seeds this from the system's randomness. Below 2^53, so that
    // every JSON reader gets it back exactly.
    std::collections::hash_map::RandomState::new().build_hasher().finish() >> 11
}
