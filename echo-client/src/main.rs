//! The program `echo-client`: reads the flags, connects, and talks at a prompt or in a pipe.

mod cli;
mod scan_report;
mod talk;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use echo_client::SessionError;
use echo_client::interactive::Ending;
use echo_net::stop::{Stage, Stop};

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    anstream::ColorChoice::from(cli.color).write_global();
    match run(&cli) {
        Ok(code) => code.into(),
        // The reader of the results may go when it has seen enough.
        Err(error) if error.downcast_ref().is_some_and(SessionError::is_broken_pipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Talks until the session ends or a signal arrives; the exit code.
fn run(cli: &Cli) -> Result<u8> {
    let stop = Stop::new();
    let signal = echo_net::signals::ask_on_signals(stop.clone()).context("trapping signals")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = act(cli) => Some(ended),
            () = asked(&stop) => None,
        }
    });
    // A read of standard input that is still under way can't be taken back.
    runtime.shutdown_background();
    match ended {
        Some(ended) => Ok(if ended? == Ending::Interrupted { 130 } else { 0 }),
        None => Ok(signal.exit_code().unwrap_or(130)),
    }
}

/// Does what was asked for.
async fn act(cli: &Cli) -> Result<Ending> {
    match &cli.command {
        None => talk::talk(cli).await,
        Some(Command::Scan(args)) => scan_report::run(args).await.map(|()| Ending::EndOfInput),
    }
}

/// Waits for a signal.
async fn asked(stop: &Stop) {
    let (stage, mut asked) = tokio::sync::watch::channel(Stage::Running);
    stop.on_advance(move |to| {
        stage.send_replace(to);
    });
    // The latch keeps the sending side.
    let _ = asked.wait_for(|stage| *stage > Stage::Running).await;
}
