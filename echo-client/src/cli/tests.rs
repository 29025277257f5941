//! What the definitions promise.

use echo_test_support::help::{faults_of_help, hidden_flags};

use super::*;

#[test]
fn short_help_fits_a_screen_and_long_help_has_every_flag_with_its_default() {
    let faults = faults_of_help(Cli::command());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let hidden = hidden_flags(Cli::command());
    assert!(hidden.is_empty(), "{hidden:?}");
}

/// `scan` takes a host without a port, which may be called like a subcommand.
#[test]
fn a_host_may_be_called_man() {
    let typed = Cli::try_parse_from(["echo-client", "scan", "man"]).unwrap();
    assert!(matches!(typed.command, Some(Command::Scan(args)) if args.host == "man"));
    let typed = Cli::try_parse_from(["echo-client", "man:8080"]).unwrap();
    assert!(typed.command.is_none() && typed.addr.address.host() == "man");
}
