//! The PostgreSQL protocol with third parties: psql and pgbench drive the server, the generator
//! drives a PostgreSQL.

use std::process::Command;

use echo_server::ModelKind;
use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run, third_party_or_skip};
use echo_test_support::running_server::{RunningServer, on_every_model};

use crate::certificates::Certificates;
use crate::postgres_server::{PASSWORD, PostgresServer};

/// What a client of PostgreSQL prints, and its errors.
#[track_caller]
fn printed(command: &mut Command, server: &RunningServer) -> (String, String) {
    let port = server.address().port().to_string();
    command.args(["-h", "127.0.0.1", "-U", "anybody", "-p", &port]);
    command.env("PGCONNECT_TIMEOUT", "20");
    let output = run(command, b"", PATIENCE);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (text(output.stdout), text(output.stderr))
}

#[test]
fn psql_gets_its_texts_back_and_an_error_for_all_else() {
    let test = "psql_gets_its_texts_back_and_an_error_for_all_else";
    on_every_model(&["--protocol", "postgres"], |server| {
        let Some(mut psql) = third_party_or_skip(test, "psql") else { return };
        psql.args([
            "-X",
            "-A",
            "-t",
            "-d",
            "any",
            "-c",
            "select 'x'",
            "-c",
            "select 'it''s'::text",
        ]);
        psql.args(["-c", "select now()", "-c", "SELECT 1; select '';", "-c", "begin"]);
        let (said, errors) = printed(&mut psql, server);
        assert_eq!(said, "x\nit's\n1\n\nBEGIN\n", "{errors}");
        assert!(errors.starts_with("ERROR:  only SELECT '<text>'"), "{errors}");
    });
}

#[test]
fn pgbench_runs_its_script_in_every_mode() {
    let test = "pgbench_runs_its_script_in_every_mode";
    let folder = tempfile::tempdir().expect("there is room");
    let script = folder.path().join("script.sql");
    std::fs::write(&script, "\\set n 7\nselect :n;\nselect 'x';\n").expect("there is room");
    on_every_model(&["--protocol", "postgres"], |server| {
        for mode in ["simple", "extended", "prepared"] {
            let Some(mut pgbench) = third_party_or_skip(test, "pgbench") else { return };
            pgbench.arg("-f").arg(&script).args(["-n", "-c", "4", "-t", "50", "-M", mode]);
            let (said, errors) = printed(&mut pgbench, server);
            assert!(said.contains("actually processed: 200/200"), "{mode}: {said} {errors}");
        }
    });
}

/// A run with nothing of this user's own environment, which never tells the password.
fn load(url: &str, flags: &[&str], variables: &[(&str, &str)]) -> Finished {
    let common = [url, "--warmup=0", "--requests=2000", "--conns=50", "--size=1-2000"];
    bench(&[&common, flags].concat(), variables)
}

/// The same run again, from its report.
fn again(report: &str, variables: &[(&str, &str)]) -> Finished {
    bench(&["rerun", report], variables)
}

fn bench(arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    let mut command = Command::new(own_program("echo-bench"));
    for name in ["PGUSER", "PGDATABASE", "PGPASSWORD", "PGPASSFILE", "HOME"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    let finished = BenchProcess::start_as(&mut command, arguments).finish(PATIENCE);
    assert!(!format!("{finished:?}").contains(PASSWORD), "{finished:#?}");
    finished
}

#[test]
fn a_postgres_echoes_every_text_whatever_it_asks_for_as_a_proof() {
    let test = "a_postgres_echoes_every_text_whatever_it_asks_for_as_a_proof";
    let Some(postgres) = PostgresServer::start(test) else { return };
    let password = ("PGPASSWORD", PASSWORD);
    for (user, flags, variables) in [
        ("by_trust", &["--pipeline=8"][..], &[][..]),
        ("by_scram", &["--pipeline=8"], &[password]),
        ("by_md5", &["--pipeline=8", "--pg-simple"], &[password]),
        ("by_password", &["--pool=10", "--reconnect-after=100"], &[password]),
    ] {
        let finished = load(&postgres.url(user), flags, variables);
        assert_eq!(finished.code, Some(0), "{user}: {finished:#?}");
        assert_eq!(finished.requests("ok"), 2000, "{user}: {finished:#?}");
    }
    // The password in a URL is moved into the environment of the run.
    let url = postgres.url("by_scram").replace('@', &format!(":{PASSWORD}@"));
    let finished = load(&url, &["--pipeline=8"], &[]);
    assert_eq!((finished.code, finished.requests("ok")), (Some(0), 2000), "{finished:#?}");
    let file = postgres.pass_file();
    let finished = load(&postgres.url("by_scram"), &[], &[("PGPASSFILE", &file)]);
    assert_eq!((finished.code, finished.requests("ok")), (Some(0), 2000), "{finished:#?}");

    // No report holds the password: a rerun needs it again, and says where from.
    let folder = tempfile::tempdir().expect("there is room");
    let stored = folder.path().join("run.json").display().to_string();
    let output = format!("--output={stored}");
    let finished = load(&postgres.url("by_scram"), &[&output], &[password]);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let finished = again(&stored, &[password]);
    assert_eq!((finished.code, finished.requests("ok")), (Some(0), 2000), "{finished:#?}");
    let finished = again(&stored, &[]);
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    for told in ["the server asks for a password", "set PGPASSWORD", "reports hold no password"]
    {
        assert!(finished.stderr.contains(told), "{told}: {finished:#?}");
    }

    let wrong = ("PGPASSWORD", "wrong");
    for (user, variables, told, remedy) in [
        ("by_scram", &[][..], "the server asks for a password", "(set PGPASSWORD"),
        ("by_md5", &[wrong], "28P01: password authentication failed", "(set PGPASSWORD"),
        ("by_scram", &[wrong], "28P01: password authentication failed", "(set PGPASSWORD"),
        ("nobody", &[], "28000: no pg_hba.conf entry", "pg_hba.conf of the server must let"),
    ] {
        let finished = load(&postgres.url(user), &["--timeout=2s"], variables);
        assert_eq!(finished.code, Some(1), "{user}: {finished:#?}");
        assert!(finished.stderr.contains(told), "{user}: {finished:#?}");
        assert!(finished.stderr.contains(remedy), "{user}: {finished:#?}");
    }
    let missing = postgres.url("by_trust").replace("/postgres", "/missing");
    let finished = load(&missing, &[], &[]);
    assert!(finished.stderr.contains("3D000: "), "{finished:#?}");
    assert!(finished.stderr.contains("PGDATABASE names another"), "{finished:#?}");
}

#[test]
fn a_postgres_inside_tls_lets_the_generator_in() {
    let test = "a_postgres_inside_tls_lets_the_generator_in";
    let certificates = Certificates::new();
    let [_, certificate, _, key] = certificates.flags("localhost", 2400);
    let Some(postgres) = PostgresServer::start_secure(test, [&certificate, &key]) else {
        return;
    };
    let (url, issuer) = (postgres.url("by_scram"), certificates.issuer());
    let flags = ["--tls", "--cacert", &issuer, "--server-name=localhost", "--pipeline=8"];
    let finished = load(&url, &flags, &[("PGPASSWORD", PASSWORD)]);
    assert_eq!((finished.code, finished.requests("ok")), (Some(0), 2000), "{finished:#?}");
    let set_up = &finished.report()["summary"]["set_up"];
    assert_eq!((&set_up["tls"]["count"], &set_up["login"]["count"]), (&50.into(), &50.into()));
}

#[test]
fn a_server_inside_tls_selects_the_protocol_that_libpq_asks_for() {
    let test = "a_server_inside_tls_selects_the_protocol_that_libpq_asks_for";
    let Some(mut openssl) = third_party_or_skip(test, "openssl") else { return };
    let flags = ["--protocol", "postgres", "--tls-self-signed"];
    let server = RunningServer::start(ModelKind::default(), &flags);
    openssl.args(["s_client", "-alpn", "postgresql", "-connect"]);
    let output = run(openssl.arg(server.address().to_string()), b"", PATIENCE);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("ALPN protocol: postgresql"), "{said}");
}

#[test]
fn logins_of_the_embedded_server_are_timed() {
    let common = ["--protocol=postgres", "--warmup=0", "--requests=2000", "--conns=10"];
    // A password that no packet holds is not for it.
    let long = "x".repeat(40_000);
    let mut command = Command::new(own_program("echo-bench"));
    command.env("PGPASSWORD", &long);
    let flags = [&common[..], &["--reconnect-after=50", "--tls"]].concat();
    let finished = BenchProcess::start_as(&mut command, &flags).finish(PATIENCE);
    assert_eq!((finished.code, finished.requests("ok")), (Some(0), 2000), "{finished:#?}");
    let summary = &finished.report()["summary"];
    assert_eq!(summary["set_up"]["login"]["count"], 10, "{summary:#}");
    let (login, tls) = (&summary["latency"]["login"], &summary["latency"]["tls"]);
    assert!(login["count"].as_u64() > Some(0), "{summary:#}");
    // A connection whose handshake is done when the window ends has no login in it.
    let (logins, handshakes) = (login["count"].as_u64(), tls["count"].as_u64());
    let (logins, handshakes) = (logins.unwrap(), handshakes.unwrap());
    assert!(logins <= handshakes && handshakes <= logins + 10, "{summary:#}");
}

#[test]
fn a_database_at_an_ipv6_address_is_loaded_again_from_its_report() {
    let flags = ["--protocol", "postgres"];
    let server = RunningServer::start_at("[::1]:0", ModelKind::default(), &flags);
    let folder = tempfile::tempdir().expect("there is room");
    let path = |name: &str| folder.path().join(name).display().to_string();
    // A password file that others can read is named, once.
    let (pass_file, stored) = (path("pgpass"), path("run.json"));
    std::fs::write(&pass_file, "*:*:*:*:x\n").expect("there is room");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&pass_file, mode).expect("it is ours");
    let variables = [("PGPASSFILE", &*pass_file)];
    let (url, output) =
        (format!("postgres://me:me@{}/db", server.address()), format!("--output={stored}"));
    for finished in [load(&url, &[&output], &variables), again(&stored, &variables)] {
        assert_eq!((finished.code, finished.requests("ok")), (Some(0), 2000), "{finished:#?}");
        let ignored = finished.stderr.matches("group or world access").count();
        assert_eq!(ignored, 1, "{finished:#?}");
        let plan = &finished.report()["plan"];
        assert_eq!(plan["target"]["address"], server.address().to_string());
        assert_eq!(
            plan["postgres"],
            serde_json::json!({"user": "me", "database": "db", "simple": false})
        );
        assert!(!format!("{finished:?}").contains(":me@"), "{finished:#?}");
    }
}
