//! The command line: its help, and what it refuses.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::{Command, Output};

fn client(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_echo-client")).args(arguments).output().unwrap()
}

#[test]
fn help_is_whole() {
    let output = client(&["--help"]);
    assert!(output.status.success());
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn help_of_ping_is_whole() {
    let output = client(&["ping", "--help"]);
    assert!(output.status.success());
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap());
}

#[test]
fn what_goes_with_tls_goes_with_a_url_that_means_it_too() {
    let output = client(&["--cacert", "missing", "https://[::1]:1"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("--cacert missing: No such file"), "{errors}");
}

#[test]
fn nonsense_is_refused_with_2_and_a_reason() {
    for (arguments, reason) in [
        (&["localhost"][..], "has no port"),
        (&["man", "nowhere"], "there is no subcommand `nowhere`"),
        (&["man:x"], "invalid port `x`"),
        (&["--protocol", "smoke"], "possible values: line, raw, frame"),
        (&["--timeout", "soon"], "invalid duration"),
        (&["--timeout", "0"], "must be above 0"),
        (&["--max-message", "big"], "--max-message"),
        (&["--connect-timeout", "0"], "must be above 0"),
        (&["ping", "-i", "100us"], "the minimum is 1ms"),
        (&["ping", "-c", "0"], "at least 1"),
        (&["ping", "-s", "17MiB"], "maximum is 16MiB"),
        (&["ping", "-s", "0", "-p", "raw"], "at least one byte"),
        (&["scan", "localhost:80"], "--ports (try: echo-client scan localhost --ports 80)"),
        (&["scan", ":9101"], "(try: echo-client scan 127.0.0.1 --ports 9101)"),
        (&["scan", "[::1]:80"], "(try: echo-client scan ::1 --ports 80)"),
        (&["scan", "9101"], "(try: echo-client scan 127.0.0.1 --ports 9101)"),
        (&["scan", "localhost", "--concurrency", "0"], "at least 1"),
        (&["scan", "localhost", "--concurrency", "few"], "invalid count"),
        (&["1", "2"], "cannot be used with '[ADDR]'"),
        (&["-5"], "invalid port `-5`"),
        (&["ping", "-c", "-5"], "--count"),
        (&["/run/echo.sock"], "write unix:/run/echo.sock"),
        (&["scan", "unix:/run/echo.sock"], "a unix-domain socket has no ports"),
        (&["ftp://localhost/"], "the URL scheme `ftp` is not supported"),
        (&["-p", "line", "http://localhost/"], "the URL implies --protocol http"),
        (&["http://localhost/x"], "remove `/x` from the URL"),
        (&["ping", "-p", "resp", "https://localhost/"], "the URL implies --protocol http"),
        (&["scan", "http://localhost/"], "is a URL: use a host here"),
        (&["--http-host", "a", ":1"], "--http-host needs --protocol http"),
        (&["postgres://me@host/d"], "this client does not log in"),
        (&["redis://host/1"], "this client does not log in"),
        (&["postgres://me:hidden@host/d"], "this client does not log in"),
        (&["ping", "redis://:hi/hidden@host"], "this client does not log in"),
        (&["--quiet", "ping", "postgres://me:hidden@h"], "after the subcommand"),
        (&["ftp://me:hidden@h/"], "the URL scheme `ftp` is not supported"),
        (&["http://me:hidden@h/"], "credentials in a URL are not supported"),
        (&["--insecure", ":1"], "--insecure needs --tls, or a URL of https or rediss"),
        (&["ping", "--cacert", "a", "http://h"], "--cacert needs --tls"),
        (&["ping", "--server-name", "a", ":1"], "--server-name needs --tls"),
    ] {
        let output = client(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(reason), "{arguments:?}: {errors}");
        assert!(!errors.contains("hidden"), "{arguments:?}: {errors}");
    }
}

#[test]
fn help_is_a_command_too() {
    let told = |arguments: &[&str]| String::from_utf8(client(arguments).stdout).unwrap();
    assert!(told(&["help"]) == told(&["--help"]));
    assert!(told(&["help", "ping"]) == told(&["ping", "--help"]));
}

#[test]
fn flags_before_a_subcommand_are_told_where_they_go() {
    for (arguments, hint) in [
        (
            &["--tls", "--insecure", "ping", ":9109"][..],
            "subcommand (try: echo-client ping --tls --insecure :9109)",
        ),
        (
            &["--timeout", "1", "scan", "localhost"],
            "try: echo-client scan --timeout 1 localhost)",
        ),
        (&["-q", "ping"], "try: echo-client ping -q)"),
        (&["-q", "ping", ":1", "--count=3"], "try: echo-client ping -q :1 --count=3)"),
        (&["[::1]:80", "ping"], "try: echo-client ping [::1]:80)"),
        // Not a flag of a ping, no host, and what a shell would not leave alone.
        (&["--time", "ping", ":1"], "(see: echo-client ping --help)"),
        (&["-q", "scan"], "(see: echo-client scan --help)"),
        (&["-q", "scan", "a b"], "(see: echo-client scan --help)"),
    ] {
        let output = client(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(
            errors.starts_with("error: flags and addresses go after"),
            "{arguments:?}: {errors}"
        );
        assert!(errors.contains(hint), "{arguments:?}: {errors}");
    }
    // A value that is called like a subcommand is none, and other faults are told as they are.
    for (arguments, reason) in [
        (&["--tls", "--server-name", "ping", "localhost"][..], "`localhost` has no port"),
        (&["--nope", "ping"], "unexpected argument '--nope'"),
    ] {
        let output = client(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(reason), "{arguments:?}: {errors}");
    }
}

/// Runs the program with nowhere to print to: a full device, a stdout that is closed, and one
/// that is open for reading only.
fn without_stdout(arguments: &[&str]) -> [Output; 3] {
    let program = env!("CARGO_BIN_EXE_echo-client");
    [">/dev/full", ">&-", "1</dev/null"].map(|redirection| {
        let script = format!("exec \"$@\" {redirection}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, "sh", program]).args(arguments).output().unwrap()
    })
}

#[test]
fn output_that_is_lost_is_an_error() {
    for arguments in [&["--help"][..], &["--version"], &["ping", "--help"], &["man"]] {
        for output in without_stdout(arguments) {
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
            let told = String::from_utf8(output.stderr).unwrap();
            assert!(told.starts_with("error: writing to stdout"), "{arguments:?}: {told}");
        }
    }
}

#[test]
fn without_a_stdout_nothing_is_asked_of_a_server() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for arguments in [&[&address[..]][..], &["ping", "-c1", &address]] {
        let [_, closed, unwritable] = without_stdout(arguments);
        for output in [closed, unwritable] {
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
            assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: writing"));
        }
    }
}
