//! The `echo-bench` command as a user meets it, without load.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::process::{Command, Output};

fn echo_bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_echo-bench"))
        .args(args)
        .env("COLUMNS", "100")
        .output()
        .unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// A machine with one core, and nobody to log in as.
fn inputs() -> echo_bench::cli::Inputs {
    echo_bench::cli::Inputs {
        messages: None,
        sizes: None,
        arrivals: None,
        cores: 1,
        nodes: Vec::new(),
        cpus: Vec::new(),
        seed: 1,
        credentials: echo_client::credentials::Credentials::default(),
    }
}

#[test]
fn help() {
    let output = echo_bench(&["-h"]);
    assert!(output.status.success());
    insta::assert_snapshot!(text(output.stdout));
}

#[test]
fn long_help_lists_the_flags_of_the_embedded_server() {
    let told = text(echo_bench(&["--help"]).stdout);
    for flag in ["--server-write-mode", "--server-read-buffer", "--server-idle-timeout"] {
        assert!(told.contains(flag), "{flag} is missing");
    }
    let workers = told.split("--server-workers <N>").nth(1).unwrap();
    let workers = workers.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(workers.starts_with(
        "Threads that serve, or processes (prefork) [default: the cores that --threads leaves over, \
         one fewer with --server-uring-sqpoll, at least 1; 1 for a chat with prefork]"
    ));
}

#[test]
fn the_schema_under_reports_is_that_of_the_types() {
    for kind in ["report", "comparison", "sweep", "self-check", "capacity", "selftest"] {
        let output = echo_bench(&["schema", kind]);
        let file = format!("reports/echo-bench.{kind}.schema.json");
        let kept = format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"));
        let kept = std::fs::read_to_string(kept).unwrap();
        let renew = format!("run: cargo run --bin echo-bench -- schema {kind} > {file}");
        assert!(text(output.stdout) == kept, "{renew}");
    }
}

#[test]
fn what_can_t_be_meant_is_a_usage_error_that_names_the_flag() {
    for (args, flag) in [
        (vec!["--conns", "0"], "--conns"),
        (vec!["--conns", "many"], "--conns"),
        (vec!["--duration", "0"], "--duration"),
        (vec!["--rate=-1"], "--rate"),
        (vec!["--arrival", "poisson"], "--rate"),
        (vec!["--size", "9-3"], "--size"),
        (vec!["--protocol", "raw", "--size", "0"], "message 1"),
        (vec!["--slo", "p99"], "--slo"),
        (vec!["--stage", "1k"], "write RATE:TIME"),
        (vec!["--ramp", "1k:10s"], "use --stage"),
        (vec!["--stage", "1k:1s", "-d", "3s"], "leave --duration out with --stage"),
        (vec!["--ramp", "1..5:1s", "--rate", "3"], "leave --rate out with --ramp"),
        (vec!["--stage", "1k:1s", "--arrivals", "x"], "--arrivals"),
        (vec!["--stage", "1k:1s", "--think", "1ms"], "--think"),
        (vec!["--ramp", "1..5:1s", "--slo", "p99<1ms"], "needs a --stage"),
        (vec!["--ramp", "1..5:1s", "--hgrm", "x"], "--hgrm"),
        (vec!["--arrivals", "/nowhere"], "reading --arrivals /nowhere"),
        (vec!["--label", "x"], "--label"),
        (vec!["--model", "magic"], "--model"),
        (vec!["--duration", "1s", "--requests", "5"], "--requests"),
        (vec!["127.0.0.1:1", "--model", "epoll"], "--model"),
        (vec!["compare", "--self-check", "--runs", "1"], "--runs"),
        (vec!["compare", "--self-check", "--fail-on", "worse"], "--fail-on"),
        (vec!["compare", "--self-check", "--", "-o", "page.html"], "--output"),
        (vec!["compare", "--self-check", "--", "--strict"], "--strict"),
        (vec!["127.0.0.1:1", "--server-workers", "2"], "--server-"),
        (vec!["--server-chat-queue", "1K"], "--server-chat-queue"),
        (vec!["nowhere"], "TARGET"),
        (vec!["--conns", "-5"], "--conns"),
        (vec!["run", "--requests", "-5"], "--requests"),
        (vec!["-5"], "invalid port `-5`"),
        (vec!["/run/echo.sock"], "write unix:/run/echo.sock"),
        (vec!["unix:/x", "--nodelay", "on"], "--nodelay has no effect on a unix-domain socket"),
        (vec!["unix:/x", "--source-ip", "127.0.0.1"], "--source-ip has no effect"),
        (vec!["--transport", "unix", "--tos", "1"], "--tos has no effect"),
        (vec!["--transport", "unix", "--link", "lan"], "leave --link or --transport unix out"),
        (vec!["unix:/x", "--transport", "tcp"], "cannot be used with '--transport"),
        (vec!["--transport", "unix", "--server-tos", "1"], "--server-tos is an option of TCP"),
        (
            vec!["--transport", "unix", "--server-reuse-port"],
            "--server-reuse-port needs a listener",
        ),
        (vec!["ws://localhost/"], "the URL scheme `ws` is not supported"),
        (vec!["http://localhost:1/x", "-p", "line"], "--protocol http"),
        (vec!["http://localhost:1/x", "--size", "9"], "--size"),
        (
            vec!["localhost:1", "--insecure"],
            "--insecure needs --tls, or a URL of https or rediss",
        ),
        (vec!["--tls-resume"], "--tls-resume needs --tls"),
        (vec!["http://localhost:1", "--cacert", "a"], "--cacert needs --tls"),
        (vec!["redis://localhost:1", "--server-name", "a"], "--server-name needs --tls"),
        (vec!["localhost:1", "--http-host", "a"], "--http-host needs --protocol http"),
        (vec!["localhost:1", "-p", "http", "--http-host", "a\r\nb"], "--http-host"),
        (vec!["localhost:1", "--pg-simple"], "--pg-simple needs --protocol postgres"),
        (vec!["localhost:1", "--resp3"], "--resp3 needs --protocol resp"),
        (vec!["redis://localhost/one"], "a database of Redis is a number"),
        (vec!["postgres://localhost:1/d", "-p", "line"], "--protocol postgres"),
        (vec!["postgres://localhost:1/d?a=b"], "parameters in a URL are not supported"),
        (vec!["postgres://a:b@h", "--target=postgres://a:c@h"], "set PGPASSWORD"),
        (vec!["postgres://me:hidden'@h"], "set PGPASSWORD"),
        (vec!["postgres://me:hidden, @h/d"], "set PGPASSWORD"),
        (vec!["--target", "redis://me:a/hidden@h"], "set REDISCLI_AUTH"),
        (
            vec!["run", "--exec", "x {port}", "postgre://me:hidden@h"],
            "`postgre` is not supported",
        ),
        (vec!["sweep", "--target", "h:1,postgre://me:hidden@h"], "`postgre` is not supported"),
        (
            vec!["capacity", "--slo=p99<5ms", "--target", "h:1,postgre://me:hidden@h"],
            "`postgre` is not supported",
        ),
        (
            vec!["capacity", "--slo=p99<5ms", "--target", "h:1,redis://me:a/hidden@h"],
            "set REDISCLI_AUTH",
        ),
        (vec!["redis://me@127.0.0.1:1"], "set REDISCLI_AUTH"),
        (vec!["-p", "postgres", "--message", "a\u{1}", "--conns", "0"], "--conns"),
    ] {
        let output = echo_bench(&args);
        let told = text(output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
        assert!(told.contains(flag), "{args:?}: {told}");
        assert!(!told.contains("hidden"), "{args:?}: {told}");
    }
}

#[test]
fn the_flag_of_other_tools_for_connections_is_understood_and_a_typing_error_finds_it() {
    // Nobody listens there; what counts is that the command line is understood.
    let output = echo_bench(&["127.0.0.1:1", "--connections", "5", "--no-report"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(output.stderr).contains("connecting to 127.0.0.1:1"));
    let told = text(echo_bench(&["--connection", "5"]).stderr);
    assert!(told.contains("--conn"), "{told}");
}

#[test]
fn help_is_a_command_too() {
    let short = |of: &[&str]| text(echo_bench(of).stdout);
    let (told, flag) = (short(&["help"]), short(&["--help"]));
    assert!(told.contains("--conns") && told == flag, "{told}");
    assert!(short(&["help", "compare"]).contains("--threshold"));
}

#[test]
fn a_url_means_its_protocol_its_path_and_its_port() {
    use clap::Parser;
    use echo_bench::cli::{Cli, Inputs};
    use echo_bench_engine::plan::{MessagePlan, Plan, ProtocolPlan, Target};

    let plan = |typed: &[&str]| -> Plan {
        let typed = [&["echo-bench"], typed].concat();
        let inputs = Inputs { cores: 2, cpus: vec![0, 1], ..inputs() };
        Cli::try_parse_from(typed).unwrap().run.plan(&inputs).unwrap()
    };
    let told = |typed: &[&str]| {
        let plan = plan(typed);
        let Target::Address { address, .. } = &plan.target else { panic!("{typed:?}") };
        let host = plan.workload.protocol().http_host().map(ToString::to_string);
        (address.clone(), plan.protocol().to_string(), plan.tls.is_some(), host)
    };
    let http = |address: &str, tls, host: &str| {
        (address.to_owned(), "http".to_owned(), tls, Some(host.to_owned()))
    };
    let resp = |address: &str, tls| (address.to_owned(), "resp".to_owned(), tls, None);
    assert_eq!(told(&["http://a.example/x"]), http("a.example:80", false, "a.example"));
    assert_eq!(told(&["http://[::1]:81/"]), http("[::1]:81", false, "[::1]:81"));
    assert_eq!(told(&["https://a.example/"]), http("a.example:443", true, "a.example"));
    assert_eq!(told(&["redis://a.example"]), resp("a.example:6379", false));
    assert_eq!(told(&["--target", "rediss://a.example:7/"]), resp("a.example:7", true));
    let path = MessagePlan::of_texts(["/x?y=z"]);
    assert_eq!(plan(&["http://a.example/x?y=z"]).messages, path);
    let database = plan(&["postgres://me@a.example/shop", "--pg-simple"]);
    let ProtocolPlan::Postgres { login, simple } = database.workload.protocol() else {
        panic!("{database:?}")
    };
    assert_eq!((login.user(), login.database(), *simple), ("me", Some("shop"), true));
    let redis = plan(&["redis://default@a.example/3", "--resp3"]);
    let ProtocolPlan::Resp { login } = redis.workload.protocol() else { panic!("{redis:?}") };
    assert_eq!(
        (login.user.as_deref(), login.database, login.resp3),
        (Some("default"), 3, true)
    );
    let sized = MessagePlan::even(9, 9);
    assert_eq!(plan(&["http://a.example/", "-s9"]).messages, sized);
}

#[test]
fn stages_and_ramps_are_taken_in_the_order_typed() {
    use clap::Parser;
    use echo_bench::cli::{Cli, Inputs};
    use echo_bench_engine::plan::Load;

    let typed =
        ["echo-bench", "--ramp=1..9:1s", "--stage=9:2s", "--ramp=9..3:1s", "--stage=3:4s"];
    let inputs = Inputs { cores: 2, ..inputs() };
    let plan = Cli::try_parse_from(typed).unwrap().run.plan(&inputs).unwrap();
    let Load::Staged { stages, .. } = &plan.load else { panic!("{:?}", plan.load) };
    let stages: Vec<_> = stages.iter().map(ToString::to_string).collect();
    assert_eq!(stages, ["1..9:1s", "9:2s", "9..3:1s", "3:4s"]);
}

#[test]
fn both_sides_are_pinned_apart_unless_typed_otherwise() {
    use clap::Parser;
    use echo_bench::cli::{Cli, Inputs};

    let pinned = |typed: &[&str], cores: usize| {
        let cpus = (0..cores).collect();
        let inputs = Inputs { cores, cpus, ..inputs() };
        let typed = [&["echo-bench", "--threads=1"], typed].concat();
        let plan = Cli::try_parse_from(typed).unwrap().run.plan(&inputs).unwrap();
        (plan.pin.generator.clone(), plan.server_cpus())
    };
    assert_eq!(pinned(&[], 2), (vec![0], vec![1]));
    assert_eq!(pinned(&["--model=threads"], 4), (vec![0], vec![1, 2, 3]));
    assert_eq!(pinned(&["--server-workers=2"], 2), (vec![], vec![]));
    assert_eq!(pinned(&["--server-pin=0"], 1), (vec![], vec![0]));
    assert_eq!(pinned(&["--pin=off"], 4), (vec![], vec![]));
    assert_eq!(pinned(&["--pin=3,1"], 4), (vec![3, 1], vec![]));
    assert_eq!(pinned(&["127.0.0.1:1"], 4), (vec![], vec![]));
    // A server elsewhere leaves all nodes to the generator.
    let nodes = vec![vec![0, 2], vec![1, 3]];
    let inputs = Inputs { cores: 4, cpus: (0..4).collect(), nodes: nodes.clone(), ..inputs() };
    let typed = ["echo-bench", "--threads=2", "10.0.0.7:1"];
    let plan = Cli::try_parse_from(typed).unwrap().run.plan(&inputs).unwrap();
    assert_eq!(plan.pin.nodes, nodes);
}

#[test]
fn too_few_descriptors_are_refused_before_the_first_connection() {
    let output = Command::new("sh")
        .args(["-c", "ulimit -Sn 100; ulimit -Hn 100; exec \"$0\" --conns 1000"])
        .arg(env!("CARGO_BIN_EXE_echo-bench"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = text(output.stderr);
    for part in ["--conns 1000", "hard limit is 100", "ulimit -Hn", "at most"] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn completions_name_the_command() {
    let output = echo_bench(&["completions", "bash"]);
    assert!(text(output.stdout).contains("echo-bench"));
}

#[test]
fn a_page_that_is_not_there_is_a_usage_error() {
    let output = echo_bench(&["man", "nowhere"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(output.stderr).contains("there is no subcommand `nowhere`"));
}

/// Runs the program with nowhere to print to: a full device, and a stdout that is closed.
fn without_stdout(arguments: &[&str]) -> [Output; 2] {
    let program = env!("CARGO_BIN_EXE_echo-bench");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let full = Command::new(program).args(arguments).stdout(full).output().unwrap();
    let mut closed = Command::new("sh");
    closed.args(["-c", "exec \"$@\" >&-", "sh", program]).args(arguments);
    [full, closed.output().unwrap()]
}

#[test]
fn output_that_is_lost_is_an_error() {
    for arguments in
        [&["--help"][..], &["--version"], &["schema"], &["completions", "bash"], &["man"]]
    {
        for output in without_stdout(arguments) {
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
            let told = text(output.stderr);
            assert!(told.starts_with("error: writing to stdout"), "{arguments:?}: {told}");
        }
    }
}

#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    for arguments in ["--help", "--version", "schema", "completions bash"] {
        let script = format!("(trap '' PIPE; \"$0\" {arguments}; echo $? >&2) | true");
        let output = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_echo-bench")])
            .output()
            .unwrap();
        assert_eq!(text(output.stderr), "0\n", "{arguments}");
    }
}

#[test]
fn files_without_end_are_refused() {
    for (args, refused) in [
        (&["--message-file", "/dev/zero"][..], "--message-file /dev/zero: larger than 64MiB"),
        (&["sweep", "/dev/zero"], "/dev/zero: larger than 1MiB"),
    ] {
        let output = echo_bench(args);
        let told = text(output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(refused), "{told}");
    }
    let mut lines = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut lines, &vec![b'\n'; 1_000_001]).unwrap();
    let output = echo_bench(&["--message-file", lines.path().to_str().unwrap()]);
    let told = text(output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("holds 1000001 messages (at most 1000000)"), "{told}");
}

#[test]
fn a_password_in_a_command_that_reports_store_is_told_once() {
    let told = |exec: &str| {
        let output = echo_bench(&["sweep", "--print-plan", "--conns=1,2", exec]);
        assert!(output.status.success(), "{output:?}");
        text(output.stderr)
    };
    let warning = told("--exec=x {port} --db redis://me:it@h");
    assert_eq!(warning.matches("reports store the command").count(), 1, "{warning}");
    assert!(warning.contains("set a variable"), "{warning}");
    assert_eq!(told("--exec=x {port} --db redis://me@[::1]:1/2"), "");
    let warning = told("--message=redis://me:it@h");
    assert_eq!(warning.matches("reports store the message").count(), 1, "{warning}");
    // This run ends at once, since the command is no server.
    let run = echo_bench(&["-q", "--no-report", "--exec=false {port} redis://me:it@h"]);
    let warning = text(run.stderr);
    assert_eq!(warning.matches("reports store the command").count(), 1, "{warning}");
}

#[test]
fn a_command_inherits_variables_and_no_report_stores_them() {
    let program = env!("CARGO_BIN_EXE_echo-bench");
    let serve = ["test ${#DB_PASSWORD} = 10 && exec ", program, " serve-embedded"].concat();
    let exec = format!("--exec=sh -c '{serve} \"$1\"' sh {{addr}}");
    let short = ["-n50", "-c1", "-t1", "-w0", "-q", "--no-report", "--format=json"];
    let output = Command::new(program)
        .args(short)
        .args([&exec, "--prepare=sh -c 'test -n \"$DB_PASSWORD\"'"])
        .env("DB_PASSWORD", "n0t-stored")
        .output()
        .unwrap();
    let (told, said) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{told} {said}");
    assert!(told.contains("DB_PASSWORD"), "the command is stored: {told}");
    assert!(!told.contains("n0t-stored") && !said.contains("n0t-stored"), "{told} {said}");
}
