//! Log lines on stderr: [`LogStyle`]. Text from peers is escaped by the formatter; nothing
//! is logged per message.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// How log lines look.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogStyle {
    /// How lines look.
    pub format: LogFormat,
    /// How often more was asked for.
    pub verbose: u8,
    /// Whether only errors are wanted.
    pub quiet: bool,
}

impl LogStyle {
    /// Begins to log; the environment variable `RUST_LOG` overrides the level.
    pub fn begin(self) {
        let level = match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::ERROR,
            (false, 0) => LevelFilter::INFO,
            (false, 1) => LevelFilter::DEBUG,
            (false, _) => LevelFilter::TRACE,
        };
        let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            .with_target(false)
            // A log that can't be written, as on a full disk, must not end the server.
            .log_internal_errors(false);
        // Fails only where the program that embeds this one logs already.
        let _ = match self.format {
            LogFormat::Text => {
                lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init()
            }
            LogFormat::Json => lines.json().flatten_event(true).try_init(),
        };
    }
}
