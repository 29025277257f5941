//! What a plan needs beside what was typed: [`Inputs`]. Files, stdin and the machine are asked
//! here, so that [`RunArgs::plan`] has only to decide.

use std::path::Path;

use super::{RunArgs, RunArgsError};
use echo_bench_report::bounded;

/// What a plan needs beside what was typed.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The text of the message file, if one was named.
    pub messages: Option<String>,
    /// Cores that this process may use, by its affinity and its quota.
    pub cores: usize,
    /// CPUs that it may run on, one of each physical core first.
    pub cpus: Vec<usize>,
    /// The seed, unless one was typed.
    pub seed: u64,
}

impl Inputs {
    /// What `args` need. A message file is read, or stdin in its place.
    ///
    /// # Errors
    /// When the message file can't be read.
    pub fn of(args: &RunArgs) -> Result<Self, RunArgsError> {
        let file = args.messages.message_file.as_deref();
        Ok(Self { messages: file.map(read).transpose()?, ..Self::of_machine() })
    }

    /// What this machine has.
    pub(super) fn of_machine() -> Self {
        Self {
            messages: None,
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            // Where the kernel does not tell, nothing is pinned.
            cpus: echo_net::pin::allowed_by_core().unwrap_or_default(),
            seed: random_seed(),
        }
    }
}

fn read(path: &Path) -> Result<String, RunArgsError> {
    let text = if path.as_os_str() == "-" {
        bounded::read_from(std::io::stdin(), bounded::MESSAGES)
    } else {
        bounded::read(path, bounded::MESSAGES)
    };
    text.map_err(|reason| RunArgsError::MessageFile { path: path.to_owned(), reason })
}

fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library seeds this from the system's randomness. Below 2^53, so that
    // every JSON reader gets it back exactly.
    std::collections::hash_map::RandomState::new().build_hasher().finish() >> 11
}
