//! What a plan needs beside what was typed: [`Inputs`]. Files, stdin and the machine are asked
//! here, so that [`RunArgs::plan`] has only to decide.

use std::io;
use std::path::Path;

use super::{RunArgs, RunArgsError};
use echo_bench_report::bounded;

/// What a plan needs beside what was typed.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The text of the message file, if one was named.
    pub messages: Option<String>,
    /// The text of the file of recorded instants, if one was named.
    pub arrivals: Option<String>,
    /// Cores that this process may use, by its affinity and its quota.
    pub cores: usize,
    /// CPUs that it may run on, one of each physical core first.
    pub cpus: Vec<usize>,
    /// The seed, unless one was typed.
    pub seed: u64,
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
        let is_stdin = |path: Option<&Path>| path.is_some_and(|path| path.as_os_str() == "-");
        if is_stdin(messages) && is_stdin(arrivals) {
            return Err(RunArgsError::TwiceStdin);
        }
        let read_messages = |path| {
            read(path, bounded::MESSAGES)
                .map_err(|reason| RunArgsError::MessageFile { path: path.to_owned(), reason })
        };
        let read_arrivals = |path| {
            read(path, bounded::ARRIVALS)
                .map_err(|reason| RunArgsError::Arrivals { path: path.to_owned(), reason })
        };
        Ok(Self {
            messages: messages.map(read_messages).transpose()?,
            arrivals: arrivals.map(read_arrivals).transpose()?,
            ..Self::of_machine()
        })
    }

    /// What this machine has.
    pub(super) fn of_machine() -> Self {
        Self {
            messages: None,
            arrivals: None,
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            // Where the kernel does not tell, nothing is pinned.
            cpus: echo_net::pin::allowed_by_core().unwrap_or_default(),
            seed: random_seed(),
        }
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
