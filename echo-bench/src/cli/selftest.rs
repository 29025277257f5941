//! `echo-bench selftest`, as typed, and what it tests.

use std::path::PathBuf;

use clap::Args;

use echo_manual::MORE;
use echo_proto::Service;
use echo_server::choice::choice;

use crate::fault_server::{Fault, Framing};
use crate::outlet::PageFormat;
use echo_bench_engine::plan::{EngineKind, IdleStrategy};
use echo_bench_report::selftest::Subject;

const EXAMPLES: &str = "\
Examples:
  echo-bench selftest                   all checks
  echo-bench selftest --quick -q        the same in about 20 seconds, for CI
  echo-bench selftest --engine uring --idle spin
  echo-bench selftest --pool 4          the workload of a connection pool
  echo-bench selftest -o selftest.json  all numbers; `report` shows them again

Takes about a minute. Later runs whose median is within 2 x of the noise floor
that it measures say so.

Exit codes:
  0  all checks passed
  1  it could not run
  2  usage
  4  a check failed
  129, 130, 143  interrupted

Files:
  $XDG_DATA_HOME/echo-bench/noise-floor.json  the noise floor of this machine";

/// Each thread needs a connection, and the runs have so many at least.
const MOST_THREADS: u32 = 8;

/// Longest lie.
const GREATEST_LIE: f64 = 10.0;

/// What is tested, as typed.
#[derive(Debug, Args)]
#[command(after_help = MORE, after_long_help = EXAMPLES)]
pub struct SelftestArgs {
    /// Generator I/O backend
    #[arg(long, value_parser = choice::<EngineKind>(), default_value = "epoll")]
    engine: EngineKind,
    /// How a generator thread waits for the next due request
    #[arg(long, value_parser = choice::<IdleStrategy>(), default_value = "auto")]
    idle: IdleStrategy,
    /// Take connections from a pool of N (0: a new connection for each request)
    #[arg(long, value_name = "N")]
    pool: Option<u32>,
    /// Generator threads [default: half of the cores, at least 1]
    #[arg(short, long, value_name = "N")]
    threads: Option<u32>,
    /// Protocol. The fault server speaks line, frame, mux and raw; of the others the checks that
    /// need it are skipped
    #[arg(short, long, value_parser = choice::<Service>(), default_value = "line")]
    protocol: Service,
    /// Shorter runs, about 20 seconds in all
    #[arg(long)]
    pub quick: bool,
    /// Write to FILE, too; its ending chooses the format: .json, .html, .md or .txt (-: print
    /// JSON instead of the text)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Format of the output [default: by the ending of -o, else text]
    #[arg(long, value_parser = choice::<PageFormat>())]
    pub format: Option<PageFormat>,
    /// No progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Make the fault server's times longer than it says, by this share: the selftest must then fail
    #[arg(long, value_name = "SHARE", default_value = "0", hide_short_help = true)]
    pub lie: f64,
}

/// What was typed can't be tested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelftestArgsError {
    /// No threads, or more than there are connections.
    #[error("--threads must be from 1 to {MOST_THREADS}: the runs have few connections")]
    Threads,
    /// A chat in a pool.
    #[error(
        "--pool can't be combined with --protocol chat: its members keep their connections"
    )]
    PooledChat,
    /// A lie that is none.
    #[error("--lie must be a share from 0 to {GREATEST_LIE}")]
    Lie,
}

impl SelftestArgs {
    /// What is tested.
    ///
    /// # Errors
    /// What is wrong, by flag.
    pub fn subject(&self) -> Result<Subject, SelftestArgsError> {
        if self.threads.is_some_and(|threads| !(1..=MOST_THREADS).contains(&threads)) {
            return Err(SelftestArgsError::Threads);
        }
        if self.pool.is_some() && self.protocol.is_chat() {
            return Err(SelftestArgsError::PooledChat);
        }
        if !(0.0..=GREATEST_LIE).contains(&self.lie) {
            return Err(SelftestArgsError::Lie);
        }
        Ok(Subject {
            engine: self.engine,
            idle: self.idle,
            protocol: self.protocol.to_string(),
            pool: self.pool,
            threads: self.threads,
            quick: self.quick,
        })
    }
}

/// The fault server in a process of its own, as typed by a selftest.
#[derive(Debug, Args)]
pub struct ServeFaultsArgs {
    /// The process that it must not outlive
    #[arg(long)]
    pub die_with_parent: u32,
    /// The protocol
    #[arg(long)]
    pub framing: Framing,
    /// The fault
    #[arg(long)]
    pub fault: Fault,
    /// The first connection that has it, from 0
    #[arg(long, default_value = "0")]
    pub from: usize,
    /// By which share its times are longer than it says
    #[arg(long, default_value = "0")]
    pub lie: f64,
}
