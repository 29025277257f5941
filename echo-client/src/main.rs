//! The program `echo-client`. Built with the feature `cli`.

mod cli;
mod console;
mod display;
mod editing;
mod filter;
mod history;
mod interactive;
mod ping_report;
mod prompt;
mod scan_report;
mod statuses;
mod talk;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, Parser as _};
use echo_client::SessionError;
use echo_client::mask::masked;
use echo_manual::{Pages, PagesError};
use echo_net::stdout;
use echo_net::stop::{Stage, Stop};

use crate::cli::{Cli, Command};
use crate::interactive::Ending;

fn main() -> ExitCode {
    let done = match Cli::try_parse() {
        Ok(cli) => {
            anstream::ColorChoice::from(cli.color).write_global();
            run(&cli)
        }
        Err(told) => explain(told),
    };
    match done {
        Ok(code) => code.into(),
        // A closed pipe is not an error.
        Err(error) if error.downcast_ref().is_some_and(SessionError::is_broken_pipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            console::tell(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints clap's output: an error, help or version.
fn explain(told: clap::Error) -> Result<u8> {
    if told.use_stderr() {
        let typed = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
        let told = cli::explain(told, &typed.collect::<Vec<_>>());
        // It may repeat a URL.
        let text = masked(&told.render().ansi().to_string()).into_owned();
        // A stderr that is closed is no reason for another exit code.
        let _ = write!(anstream::stderr(), "{text}");
        return Ok(u8::try_from(told.exit_code())?);
    }
    stdout::finish(told.print()).context("writing to stdout")?;
    Ok(0)
}

/// Runs until the session ends or a signal arrives; returns the exit code.
fn run(cli: &Cli) -> Result<u8> {
    // Nothing is sent to the server if the replies would be lost.
    if !matches!(cli.command, Some(Command::Pages(_))) {
        stdout::check().map_err(SessionError::Output)?;
    }
    let stop = Stop::new();
    let signal =
        echo_net::signals::ask_on_signals(stop.clone()).context("setting up signals")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        match &cli.command {
            None => unless_asked(&stop, talk::talk(cli)).await.map(|ended| {
                ended.map(|ending| if ending == Ending::Interrupted { INTERRUPTED } else { 0 })
            }),
            Some(Command::Scan(args)) => {
                let ended = scan_report::run(args, asked(&stop)).await;
                ended.map(|all| all.then_some(0)).transpose()
            }
            // An interrupt is the normal end of a ping.
            Some(Command::Ping(args)) => {
                let ended = ping_report::run(args, asked(&stop)).await;
                Some(ended.map(|alive| u8::from(!alive)))
            }
            Some(Command::Pages(pages)) => Some(describe(pages)),
        }
    });
    // A pending read of standard input can't be cancelled.
    runtime.shutdown_background();
    ended.unwrap_or_else(|| Ok(signal.exit_code().unwrap_or(INTERRUPTED)))
}

/// Prints a manual page or a completion script.
fn describe(pages: &Pages) -> Result<u8> {
    let text = match pages.text(Cli::command()) {
        Err(unknown @ PagesError::Unknown(_)) => cli::refuse(unknown),
        other => other?,
    };
    let printed = std::io::stdout().write_all(text.as_bytes());
    stdout::finish(printed).context("writing to stdout")?;
    Ok(0)
}

/// The exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;

/// The result of `work`, unless a signal arrives first.
async fn unless_asked<T>(stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = asked(stop) => None,
    }
}

/// Waits for a signal.
async fn asked(stop: &Stop) {
    let (stage, mut asked) = tokio::sync::watch::channel(Stage::Running);
    stop.on_advance(move |to| {
        stage.send_replace(to);
    });
    // The latch keeps the sender.
    let _ = asked.wait_for(|stage| *stage > Stage::Running).await;
}
