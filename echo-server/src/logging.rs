//! Logging on stderr: [`LogStyle`]. Text from peers is escaped by the formatter. Nothing is
//! logged per message, except at `-vvv`.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::connection_log::MESSAGES;

/// Whether the environment says what to log.
fn is_level_set() -> bool {
    std::env::var_os(EnvFilter::DEFAULT_ENV).is_some_and(|filter| !filter.is_empty())
}

/// Log format.
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
    /// Human-readable.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Log format and level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LogStyle {
    /// Log format.
    pub format: LogFormat,
    /// Number of `--verbose` flags.
    pub verbose: u8,
    /// Whether to log errors only.
    pub quiet: bool,
}

impl LogStyle {
    /// Initialises logging; the environment variable `RUST_LOG` overrides the level.
    pub(crate) fn begin(self) {
        let level = match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::ERROR,
            (false, 0) => LevelFilter::INFO,
            (false, 1) => LevelFilter::DEBUG,
            (false, _) => LevelFilter::TRACE,
        };
        let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
        let filter = match format!("{MESSAGES}=off").parse() {
            Ok(without_messages) if self.verbose < 3 && !is_level_set() => {
                filter.add_directive(without_messages)
            }
            _ => filter,
        };
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            .with_target(false)
            // A failing log, as on a full disk, must not stop the server.
            .log_internal_errors(false);
        // Fails only if the embedding program has already set up logging.
        let _ = match self.format {
            LogFormat::Text => {
                lines.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init()
            }
            LogFormat::Json => lines.json().flatten_event(true).try_init(),
        };
    }
}
