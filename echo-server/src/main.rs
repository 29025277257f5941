//! The `echo-server` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    echo_server::program::run_from(std::env::args_os())
}
