//! Why a flag can't be swept: [`UnfitFlag`].

/// Why a flag can't be swept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitFlag {
    /// No run has it.
    #[error("no run has a flag --{0}")]
    Unknown(String),
    /// It says something about one run.
    #[error(
        "--{0} is about one run; a sweep has its own --dir, -o, --format, --threshold and --seed"
    )]
    OfOneRun(String),
    /// A value for a flag that takes none.
    #[error("--{flag} is on or off, not {value}")]
    NoSwitch {
        /// The flag.
        flag: String,
        /// The value.
        value: String,
    },
    /// Messages that only one run could read.
    #[error("--{0} - is read once, and a sweep has many runs; name a file")]
    Stdin(String),
    /// A password that would be stored.
    #[error(
        "--nats has a password, and a sweep stores its flags (use --nats-creds, --nats-nkey or \
         --nats-token-file)"
    )]
    Password,
    /// No value.
    #[error("--{0} has no value")]
    Empty(String),
    /// Flags that can't go in step.
    #[error("--in-step {0}: name two or more flags that have equally many values")]
    InStep(String),
}
