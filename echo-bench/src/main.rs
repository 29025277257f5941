//! The `echo-bench` program.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use echo_bench::cli::{BaselineCommand, Cli, Command};
use echo_bench::console::{complain, print};
use echo_bench::program::{self, Exit};
use echo_bench::{embedded, exec, link};
use echo_client::mask::masked;
use echo_client::url_password;
use echo_net::{signals, stdout};

fn main() -> ExitCode {
    signals::ignore_file_size_signal();
    if let Some(code) = hide_passwords() {
        return code;
    }
    let done = Cli::try_parse().map_or_else(|told| explain(&told), run);
    match done {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(program::code_of(&error) as u8)
        }
    }
}

/// Runs this program again with the passwords of its URLs in the environment, if there are any;
/// the exit code where that is not possible.
fn hide_passwords() -> Option<ExitCode> {
    let words: Vec<_> = std::env::args_os().collect();
    let reason = match url_password::take(&words) {
        Ok(None) => return None,
        Ok(Some(taken)) => format!("starting without the password: {}", taken.run_again()),
        Err(several) => several.to_string(),
    };
    complain(&reason);
    Some(ExitCode::from(Exit::Usage as u8))
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    cli.colours().write_global();
    let code = match cli.command {
        None => program::run(&cli.run),
        Some(Command::Run(args)) => program::run(&args),
        Some(Command::Sweep(args)) => program::sweep(&args),
        Some(Command::Capacity(args)) => program::capacity(&args),
        Some(Command::Cell { die_with_parent, beats, pieces, permit, run }) => {
            program::cell(die_with_parent, (beats, pieces), &permit, &run)
        }
        Some(Command::Compare(args)) => program::compare(&args),
        Some(Command::Report(args)) => program::show(&args),
        Some(Command::Merge(args)) => program::merge(&args),
        #[cfg(feature = "nats")]
        Some(Command::Agent(args)) => program::agent(&args),
        #[cfg(feature = "nats")]
        Some(Command::Collect(args)) => program::collect(&args),
        Some(Command::Doctor(args)) => program::doctor(&args),
        Some(Command::Selftest(args)) => program::selftest(&args),
        Some(Command::ServeFaults(args)) => program::serve_faults(&args),
        Some(Command::List(args)) => program::list(&args),
        Some(Command::History(args)) => program::history(&args),
        Some(Command::Rerun(args)) => program::rerun(*args),
        Some(Command::Baseline(BaselineCommand::List { place })) => {
            program::list_baselines(place.home())
        }
        Some(Command::Baseline(BaselineCommand::Rm { names, place })) => {
            program::remove_baselines(&names, place.home())
        }
        Some(Command::Supervise { ready, words }) => {
            return exec::supervise(ready.as_deref(), &words);
        }
        Some(Command::Launch { parent, words }) => return exec::launch(parent, &words),
        Some(Command::ForwardLink(args)) => program::forward_link(&args),
        Some(Command::TryLink) => link::try_out().map(|()| Exit::Done as u8),
        Some(Command::Serve { args }) => return Ok(embedded::serve(args)),
        Some(Command::Schema { of }) => print(&of.schema()).map(|()| Exit::Done as u8),
        Some(Command::Pages(pages)) => program::pages(&pages),
    };
    code.map(ExitCode::from)
}

/// Prints what clap has to say: an error, or the help or version that was asked for.
fn explain(told: &clap::Error) -> anyhow::Result<ExitCode> {
    if told.use_stderr() {
        // It may repeat a URL.
        let text = masked(&told.render().ansi().to_string()).into_owned();
        // A stderr that is closed is no reason for another exit code.
        let _ = write!(anstream::stderr(), "{text}");
        return Ok(ExitCode::from(u8::try_from(told.exit_code())?));
    }
    stdout::finish(told.print()).context("writing to stdout")?;
    Ok(ExitCode::SUCCESS)
}
