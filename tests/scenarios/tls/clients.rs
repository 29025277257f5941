//! Client certificates on every model: with openssl and curl, our client and the generator. Under
//! TLS 1.3 a refusal arrives after the client's handshake, and must be named all the same.

use std::process::{Command, Output};

use echo_server::ModelKind;
use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run, third_party_or_skip};
use echo_test_support::running_server::{RunningServer, on_every_model_at_once};

use super::tls_counts;
use crate::certificates::Certificates;
use crate::third_party_server::{ThirdPartyServer, free_address};

const REQUIRED: &str = "the server requires a client certificate";

fn words(flags: &[String; 4]) -> [&str; 4] {
    flags.each_ref().map(String::as_str)
}

/// The flags of a server that requires clients of this authority.
fn requiring(issuer: &str) -> [&str; 5] {
    ["--tls-self-signed", "--client-ca", issuer, "--log-format", "json"]
}

fn client(command: &[&str], server: &RunningServer, flags: &[&str]) -> Output {
    let address = server.address().to_string();
    let shared = [&address, "--tls", "--insecure", "--quiet"];
    let arguments = [command, &shared, flags].concat();
    run(Command::new(own_program("echo-client")).args(arguments), b"secret\n", PATIENCE)
}

fn bench(arguments: &[&str]) -> Finished {
    load("--duration=200ms", arguments)
}

/// A run that would end after the test's patience.
fn endless(arguments: &[&str]) -> Finished {
    load("--duration=60s", arguments)
}

fn load(duration: &str, arguments: &[&str]) -> Finished {
    let shared = ["--tls", duration, "--warmup=0", "--quiet", "--conns=4"];
    BenchProcess::start(&[&shared[..], arguments].concat()).finish(PATIENCE)
}

#[track_caller]
fn refused(output: &Output, cause: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(errors.contains(cause), "no `{cause}` in: {errors}");
    // A ping says where it connects to.
    let seen = String::from_utf8_lossy(&output.stdout);
    assert!(!seen.contains("secret") && !seen.contains("answered"), "{output:?}");
}

#[test]
fn only_clients_of_the_authority_are_served_and_the_others_learn_why() {
    let (ours, elsewhere) = (Certificates::new(), Certificates::new());
    let (good, expired) = (ours.client_flags(2400), ours.client_flags(2001));
    let foreign = elsewhere.client_flags(2400);
    on_every_model_at_once(&requiring(&ours.issuer()), |server| {
        let served = client(&[], server, &words(&good));
        assert_eq!(served.stdout, b"ECHO: secret\n", "{served:?}");
        let pinged = client(&["ping", "-c2", "-i0"], server, &words(&good));
        assert_eq!(pinged.status.code(), Some(0), "{pinged:?}");
        refused(&client(&[], server, &[]), REQUIRED);
        refused(&client(&[], server, &[]), "set one with --cert and --key");
        refused(&client(&[], server, &words(&foreign)), "it does not trust the issuer");
        refused(&client(&[], server, &words(&expired)), "it has expired");
        refused(&client(&["ping", "-i", "0"], server, &[]), REQUIRED);
        let foreign = client(&["ping", "-i", "0"], server, &words(&foreign));
        refused(&foreign, "it does not trust the issuer");
        let counts = tls_counts(server);
        assert_eq!(
            (&counts["handshakes"], &counts["client_certificate"]),
            (&2.into(), &6.into())
        );
        assert_eq!(
            (&counts["failed"], &counts["truncated"]),
            (&0.into(), &0.into()),
            "{counts}"
        );
    });
}

#[test]
fn the_generator_is_let_in_with_a_certificate_and_names_a_refusal_at_once() {
    let (ours, elsewhere) = (Certificates::new(), Certificates::new());
    let (good, expired) = (ours.client_flags(2400), ours.client_flags(2001));
    let foreign = elsewhere.client_flags(2400);
    on_every_model_at_once(&requiring(&ours.issuer()), |server| {
        let target = server.address().to_string();
        let finished = bench(&[&[&target, "--insecure"][..], &words(&good)].concat());
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        assert_eq!(finished.requests("scheduled"), finished.requests("ok"));
        for (flags, cause) in [
            (&[][..], REQUIRED),
            (&words(&foreign), "it does not trust the issuer"),
            (&words(&expired), "it has expired"),
        ] {
            let finished = endless(&[&[&target, "--insecure"][..], flags].concat());
            assert_eq!(finished.code, Some(1), "{finished:#?}");
            assert!(finished.stderr.contains(cause), "no `{cause}`: {}", finished.stderr);
            assert!(finished.stderr.contains("--cert and --key"), "{}", finished.stderr);
            assert!(!finished.has_report(), "{finished:#?}");
        }
    });
}

#[test]
fn every_workload_of_the_generator_names_a_refusal() {
    let ours = Certificates::new();
    for load in [
        &["--pool=2"][..],
        &["--protocol=chat", "--rate=10"],
        &["--rate=100"],
        &["--engine=epoll", "--tls-resume", "--reconnect-after=1"],
        &["--protocol=postgres"],
    ] {
        let issuer = ours.issuer();
        let finished = endless(&[&["--server-client-ca", &issuer][..], load].concat());
        assert_eq!(finished.code, Some(1), "{finished:#?}");
        assert!(finished.stderr.contains(REQUIRED), "{load:?}: {}", finished.stderr);
    }
}

#[test]
fn the_embedded_server_takes_the_certificate_in_full_and_resumed_handshakes() {
    let ours = Certificates::new();
    let issuer = ours.issuer();
    let (own, expired) = (ours.client_flags(2400), ours.client_flags(2001));
    let required = ["--server-client-ca", &issuer];
    for more in [&[][..], &["--tls-resume", "--reconnect-after=5", "--threads=1"]] {
        let finished = bench(&[&required[..], &words(&own), more].concat());
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        let plan = &finished.report()["plan"]["tls"];
        assert_eq!(plan["client_certificate"]["certificate"], own[1].as_str());
        assert_eq!(finished.report()["errors"], serde_json::json!([]));
        assert!(finished.stdout.contains("with a client certificate"), "{}", finished.stdout);
        let resumed = &finished.report()["summary"]["latency"]["tls_resumed"]["count"];
        assert_eq!(resumed.as_u64() > Some(0), !more.is_empty(), "{resumed}");
    }
    // Known before any connection, and still for the server to judge.
    let finished = bench(&[&required[..], &words(&expired)].concat());
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(finished.stderr.contains("servers will refuse --cert"), "{}", finished.stderr);
}

#[test]
fn a_certificate_that_nobody_asked_for_is_no_part_of_what_was_measured() {
    let ours = Certificates::new();
    let finished = bench(&words(&ours.client_flags(2400)));
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let warnings = finished.report()["warnings"].as_array().expect("by the schema");
    let unasked = |warning: &serde_json::Value| warning["code"] == "client-certificate-unasked";
    assert!(warnings.iter().any(unasked), "{warnings:#?}");
}

#[test]
fn the_server_logs_why_it_refused_a_client() {
    let (ours, elsewhere) = (Certificates::new(), Certificates::new());
    for (flags, cause) in [
        (None, "the client sent no certificate"),
        (Some(elsewhere.client_flags(2400)), "from an unknown authority"),
        (Some(ours.client_flags(2001)), "the client's certificate expired"),
    ] {
        let mut server =
            RunningServer::start(ModelKind::default(), &requiring(&ours.issuer())[..3]);
        let flags = flags.as_ref().map(words);
        for _ in 0..3 {
            let output = client(&[], &server, flags.as_ref().map_or(&[], |flags| &flags[..]));
            assert_eq!(output.status.code(), Some(1), "{output:?}");
        }
        let said = server.stop();
        let lines = said.lines().filter(|line| line.contains("refused a client"));
        let lines: Vec<_> = lines.collect();
        // Limited, and what was left out is counted at the end.
        assert_eq!(lines.len(), 1, "{said}");
        assert!(lines[0].contains(cause) && lines[0].contains("peer=127.0.0.1:"), "{said}");
        assert!(said.contains("refused=2"), "{said}");
        assert!(said.contains("3 refused for their certificate"), "{said}");
    }
}

#[test]
fn openssl_is_let_in_with_its_certificate_only() {
    let test = "openssl_is_let_in_with_its_certificate_only";
    let ours = Certificates::new();
    let [_, certificate, _, key] = ours.client_flags(2400);
    let issuer = ours.issuer();
    let flags = [&requiring(&issuer)[..], &["-p", "command"]].concat();
    on_every_model_at_once(&flags, |server| {
        for (version, own) in
            [("-tls1_3", true), ("-tls1_2", true), ("-tls1_3", false), ("-tls1_2", false)]
        {
            let Some(mut command) = third_party_or_skip(test, "openssl") else { return };
            let address = server.address().to_string();
            command.args(["s_client", "-connect", &address, "-quiet", version]);
            if own {
                command.args(["-cert", &certificate, "-key", &key]);
            }
            let output = run(&mut command, b"ECHO from openssl\nQUIT\n", PATIENCE);
            let seen = String::from_utf8_lossy(&output.stdout);
            assert_eq!(seen == "ECHO: from openssl\n", own, "{version}: {output:?}");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(errors.contains("alert certificate required"), !own, "{errors}");
        }
        assert_eq!(tls_counts(server)["client_certificate"], 2);
    });
}

#[test]
fn curl_gets_its_page_with_a_certificate_only() {
    let test = "curl_gets_its_page_with_a_certificate_only";
    let ours = Certificates::new();
    let own = ours.client_flags(2400);
    let issuer = ours.issuer();
    let flags = [&requiring(&issuer)[..], &["-p", "http"]].concat();
    let server = RunningServer::start(ModelKind::default(), &flags);
    let url = format!("https://{}/", server.address());
    for (flags, served) in [(&words(&own)[..], true), (&[], false)] {
        let Some(mut command) = third_party_or_skip(test, "curl") else { return };
        command.args(["-sS", "-k", "-d", "by curl", &url]).args(flags);
        let output = run(&mut command, b"", PATIENCE);
        assert_eq!(output.status.success(), served, "{output:?}");
        assert_eq!(output.stdout == b"by curl", served, "{output:?}");
    }
}

/// A server that is not ours ends the connection right after its alert, often by a reset.
#[test]
fn a_refusal_by_openssl_s_server_is_named_by_client_ping_and_generator() {
    let test = "a_refusal_by_openssl_s_server_is_named_by_client_ping_and_generator";
    let ours = Certificates::new();
    let [_, certificate, _, key] = ours.flags("localhost", 2400);
    for version in ["-tls1_3", "-tls1_2"] {
        let Some(mut command) = third_party_or_skip(test, "openssl") else { return };
        let free = free_address();
        let address = free.to_string();
        command.args(["s_server", "-accept", &address, "-cert", &certificate, "-key", &key]);
        command.args(["-CAfile", &ours.issuer(), "-verify_return_error", "-Verify", "1"]);
        command.args([version, "-quiet", "-rev"]);
        let server = ThirdPartyServer::start(&mut command, free);
        let address = server.address();
        let shared = [&address, "--tls", "--insecure", "--quiet"];
        for arguments in [&shared[..], &[&["ping", "-i", "0"], &shared[..]].concat()] {
            let mut command = Command::new(own_program("echo-client"));
            let output = run(command.args(arguments), b"secret\n", PATIENCE);
            refused(&output, "client certificate");
            refused(&output, "--cert and --key");
        }
        let finished = endless(&[&address, "--insecure"]);
        assert_eq!(finished.code, Some(1), "{finished:#?}");
        assert!(finished.stderr.contains("client certificate"), "{}", finished.stderr);
        assert!(finished.stderr.contains("--cert and --key"), "{}", finished.stderr);
    }
}

#[test]
fn flags_that_make_no_sense_and_files_that_are_no_good_are_errors_before_any_connection() {
    let (ours, other) = (Certificates::new(), Certificates::new());
    let [_, certificate, _, key] = ours.client_flags(2400);
    let [_, _, _, wrong] = other.client_flags(2400);
    // Nobody listens there: connecting would be another error.
    let address = free_address().to_string();
    for (flags, code, said) in [
        (&["--tls", "--cert", &certificate][..], 2, "--key <FILE>"),
        (&["--tls", "--key", &key], 2, "--cert <FILE>"),
        (&["--cert", &certificate, "--key", &key], 2, "--cert needs --tls"),
        (&["--tls", "--cert", &certificate, "--key", &wrong], 1, "does not match"),
        (&["--tls", "--cert", &key, "--key", &key], 1, "no certificate found"),
        (&["--tls", "--cert", &certificate, "--key", "/nowhere"], 1, "--key /nowhere: No such"),
    ] {
        for (program, command) in
            [("echo-client", &[][..]), ("echo-client", &["ping"]), ("echo-bench", &[])]
        {
            let arguments = [command, &[&address], flags].concat();
            let mut command = Command::new(own_program(program));
            let output = run(command.args(&arguments), b"", PATIENCE);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{program} {arguments:?}: {errors}");
            assert!(errors.contains(said), "{program} {arguments:?}: {errors}");
        }
    }
    for (arguments, code, said) in [
        (&["--client-ca", &certificate][..], 2, "--client-ca requires TLS"),
        (&["--tls-self-signed", "--client-ca", "/nowhere"], 1, "--client-ca /nowhere: No such"),
        (&["--tls-self-signed", "--client-ca", &key], 1, "no certificate found"),
        (&["balance", "--client-ca", &certificate], 2, "unexpected argument '--client-ca'"),
    ] {
        let mut command = Command::new(own_program("echo-server"));
        let output = run(command.args(arguments), b"", PATIENCE);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(said), "{arguments:?}: {errors}");
    }
    let finished = BenchProcess::start(&["--server-client-ca", &certificate]).finish(PATIENCE);
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert!(finished.stderr.contains("give --tls too"), "{}", finished.stderr);
}
