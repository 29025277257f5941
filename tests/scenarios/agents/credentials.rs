//! Ways into a NATS server: each lets agents and runs in, and one that is wrong is told soon, by its
//! flag.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use echo_server::model::ModelKind;
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::program::{own_program, run};
use echo_test_support::running_server::RunningServer;
use nkeys::KeyPair;
use tempfile::TempDir;

use super::bus::{NatsServer, RunningAgent};
use super::jwt::Accounts;
use super::{LIMIT, assert_ended};
use crate::certificates::Certificates;

/// Words of a command line: the URL of a server at this address, and flags.
type Way = Box<dyn Fn(SocketAddr) -> Vec<String>>;

fn way(scheme_and_user: &str, flags: &[&str]) -> Way {
    let (start, flags) = (scheme_and_user.to_owned(), flags.join(" "));
    Box::new(move |address| {
        let url = format!("{start}{address}");
        let flags = flags.split_whitespace().map(str::to_owned);
        [url].into_iter().chain(flags).collect()
    })
}

/// A server with this configuration lets in who comes this way, and tells the others what is wrong.
fn check(test: &str, configuration: &str, right: &Way, wrong: &[(Way, &str)]) {
    let Some(bus) = NatsServer::start(test, Ipv4Addr::LOCALHOST, configuration) else { return };
    for (way, told) in wrong {
        let words = way(bus.address());
        let mut command = Command::new(own_program("echo-bench"));
        command.args(["agent", "--name", "load-2", "--nats"]).args(&words);
        let started = Instant::now();
        let refused = run(&mut command, b"", LIMIT);
        let took = started.elapsed();
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{words:?}: {said}");
        assert!(said.contains(told) && !said.contains("nats-server -js"), "{words:?}: {said}");
        // Five, and the start of a program on a busy machine.
        assert!(took < Duration::from_secs(8), "{words:?}: {took:?}");
    }
    let words = right(bus.address());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let _agent = RunningAgent::start(words[0], "load-1", &words[1..]);
    let target = RunningServer::start(ModelKind::Epoll, &[]);
    let target = target.address().to_string();
    let plan = ["run", &target, "-n", "40", "-c", "2", "-w", "0", "--agents", "1", "--nats"];
    let finished = BenchProcess::start(&[&plan[..], &words].concat()).finish(LIMIT);
    assert_ended(&finished, 0);
    assert_eq!(finished.requests("ok"), 40);
}

/// A file with this text.
fn file(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("room for a file");
    shown(&path)
}

fn shown(path: &Path) -> String {
    path.to_str().expect("a temporary folder has a plain name").to_owned()
}

#[test]
fn a_user_and_a_password_in_the_url_let_in() {
    check(
        "a_user_and_a_password_in_the_url_let_in",
        r#"authorization { user: me, password: "s@cret" }"#,
        &way("nats://me:s%40cret@", &[]),
        &[
            (way("nats://me:other@", &[]), "refuses the user or the password in --nats"),
            (way("nats://", &[]), "--nats-creds"),
        ],
    );
}

#[test]
fn a_token_lets_in() {
    let folder = tempfile::tempdir().expect("room for a folder");
    let right = file(&folder, "right", "t0ken\n");
    let wrong = file(&folder, "wrong", "t1ken\n");
    let missing = shown(&folder.path().join("missing"));
    check(
        "a_token_lets_in",
        "authorization { token: t0ken }",
        &way("nats://", &["--nats-token-file", &right]),
        &[
            (way("nats://", &["--nats-token-file", &wrong]), "refuses --nats-token-file"),
            (way("nats://", &["--nats-token-file", &missing]), "reading --nats-token-file"),
        ],
    );
}

#[test]
fn an_nkey_lets_in() {
    let folder = tempfile::tempdir().expect("room for a folder");
    let user = KeyPair::new_user();
    let seed = |user: &KeyPair| user.seed().expect("it was made here");
    let right = file(&folder, "right", &seed(&user));
    let stranger = file(&folder, "stranger", &seed(&KeyPair::new_user()));
    let no_seed = file(&folder, "public", &user.public_key());
    check(
        "an_nkey_lets_in",
        &format!("authorization {{ users: [ {{ nkey: {} }} ] }}", user.public_key()),
        &way("nats://", &["--nats-nkey", &right]),
        &[
            (way("nats://", &["--nats-nkey", &stranger]), "refuses --nats-nkey"),
            (way("nats://", &["--nats-nkey", &no_seed]), "--nats-nkey is to be"),
        ],
    );
}

#[test]
fn a_file_of_credentials_lets_in() {
    let folder = tempfile::tempdir().expect("room for a folder");
    let accounts = Accounts::new();
    let right = file(&folder, "right.creds", &accounts.credentials());
    let stranger = file(&folder, "stranger.creds", &Accounts::new().credentials());
    let nothing = file(&folder, "nothing.creds", "nothing\n");
    check(
        "a_file_of_credentials_lets_in",
        &accounts.configuration(),
        &way("nats://", &["--nats-creds", &right]),
        &[
            (way("nats://", &["--nats-creds", &stranger]), "refuses --nats-creds"),
            (way("nats://", &["--nats-creds", &nothing]), "reading --nats-creds"),
        ],
    );
}

/// A server named `name` that accepts only clients with a certificate by its own CA.
fn with_certificates(certificates: &Certificates, name: &str) -> String {
    let [_, certificate, _, key] = certificates.flags(name, 2090);
    let authority = certificates.issuer();
    format!(
        "tls {{ cert_file: {certificate:?}, key_file: {key:?}, ca_file: {authority:?}, \
         verify: true }}"
    )
}

#[test]
fn certificates_of_both_sides_let_in() {
    let (own, other) = (Certificates::new(), Certificates::new());
    let (authority, stranger) = (own.issuer(), other.issuer());
    let [_, certificate, _, key] = own.client_flags(2090);
    let [_, wrong_certificate, _, wrong_key] = other.client_flags(2090);
    let client = ["--nats-cert", &certificate, "--nats-key", &key];
    let verified = ["--nats-cacert", &authority];
    check(
        "certificates_of_both_sides_let_in",
        &with_certificates(&own, "127.0.0.1"),
        &way("tls://", &[verified, [client[0], client[1]], [client[2], client[3]]].concat()),
        &[
            (way("nats://", &[]), "give --nats-cacert"),
            (way("tls://", &["--nats-cacert", &stranger]), "is --nats-cacert the CA"),
            (way("tls://", &["--nats-cacert", &key]), "--nats-cacert"),
            (way("tls://", &verified), "give --nats-cert"),
            (
                way(
                    "tls://",
                    &[
                        "--nats-cacert",
                        &authority,
                        "--nats-cert",
                        &wrong_certificate,
                        "--nats-key",
                        &wrong_key,
                    ],
                ),
                "accept --nats-cert",
            ),
            (
                way(
                    "tls://",
                    &["--nats-cacert", &authority, "--nats-cert", &key, "--nats-key", &key],
                ),
                "are --nats-cert and --nats-key",
            ),
        ],
    );
}

#[test]
fn a_server_that_is_not_the_one_meant_is_told_by_flag() {
    let test = "a_server_that_is_not_the_one_meant_is_told_by_flag";
    let certificates = Certificates::new();
    let authority = certificates.issuer();
    let verified = ["--nats-cacert", &authority];
    let [_, certificate, _, key] = certificates.flags("localhost", 2090);
    let by_name: Way = {
        let authority = authority.clone();
        Box::new(move |address| {
            let url = format!("nats://localhost:{}", address.port());
            vec![url, "--nats-cacert".into(), authority.clone()]
        })
    };
    check(
        test,
        &format!("tls {{ cert_file: {certificate:?}, key_file: {key:?} }}"),
        &by_name,
        &[(way("nats://", &verified), "the host of --nats in its certificate")],
    );
}

#[test]
fn a_server_without_tls_is_told_where_tls_is_required() {
    let certificates = Certificates::new();
    let authority = certificates.issuer();
    check(
        "a_server_without_tls_is_told_where_tls_is_required",
        "",
        &way("nats://", &[]),
        &[
            (way("tls://", &[]), "does the server speak TLS?"),
            (way("nats://", &["--nats-cacert", &authority]), "does the server speak TLS?"),
        ],
    );
}
