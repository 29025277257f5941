//! The `echo-bench` program.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use echo_bench::cli::{Cli, Command};
use echo_bench::embedded;
use echo_bench::program::{self, Exit};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => program::run(&cli.run),
        Some(Command::Run(args)) => program::run(&args),
        Some(Command::Sweep(args)) => program::sweep(&args),
        Some(Command::Cell { die_with_parent, run }) => program::cell(die_with_parent, &run),
        Some(Command::Compare(args)) => program::compare(&args),
        Some(Command::Report(args)) => program::show(&args),
        Some(Command::Merge(args)) => program::merge(&args),
        Some(Command::Serve { args }) => return embedded::serve(args),
        Some(Command::Schema { of }) => program::print(&of.schema()).map(|()| Exit::Done as u8),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "echo-bench", &mut script);
            program::print(&String::from_utf8_lossy(&script)).map(|()| Exit::Done as u8)
        }
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            program::complain(&format!("{error:#}"));
            ExitCode::from(Exit::Failed as u8)
        }
    }
}
