//! Socket options, triggers and ways to accept as axes: what was asked is read back from the
//! kernel, and what this machine or a model does not have is refused.

use std::process::Command;

use echo_server::model::ModelKind;
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run, tell_skipped};
use echo_test_support::running_server::RunningServer;
use echo_test_support::syscall_faults::traced_or_skip;
use serde_json::Value;

/// A short run with these flags, words between spaces; its report.
fn report(flags: &str) -> Value {
    let short = ["--duration=300ms", "--warmup=50ms", "--conns=6", "--server-workers=2"];
    let flags: Vec<&str> = short.into_iter().chain(flags.split_whitespace()).collect();
    let finished = BenchProcess::start(&flags).finish(PATIENCE);
    assert_eq!(finished.code, Some(0), "{flags:?}: {}", finished.stderr);
    assert!(finished.requests("ok") > 0, "{flags:?}");
    finished.report().clone()
}

fn sum(workers: &Value, of: &str) -> u64 {
    let workers = workers.as_array().expect("the workers are listed");
    assert_eq!(workers.len(), 2);
    workers.iter().map(|worker| worker[of].as_u64().expect("a count")).sum()
}

/// How much more the busiest worker has than the mean one.
fn max_over_mean(workers: &Value, of: &str) -> f64 {
    let counts = workers.as_array().expect("the workers are listed").iter();
    let most = counts.filter_map(|worker| worker[of].as_u64()).max().expect("a count");
    2.0 * most as f64 / sum(workers, of) as f64
}

#[test]
fn both_sides_options_are_read_back_and_one_that_the_kernel_changed_is_noted() {
    let report = report(
        "--model epoll --congestion reno --user-timeout 7s --tos 0x13 --server-notsent-lowat 16K \
         --server-congestion reno --server-tos 16 --server-quickack off",
    );
    let (own, side) = (&report["summary"]["socket"], &report["summary"]["server_side"]);
    assert_eq!(own["congestion"], "reno");
    assert_eq!((&own["user_timeout_ms"], &own["tos"]), (&7000.into(), &16.into()));
    let server = &side["socket"];
    assert_eq!((&server["congestion"], &server["tos"]), (&"reno".into(), &16.into()));
    assert_eq!((&server["notsent_lowat"], &server["quickack"]), (&16384.into(), &false.into()));
    assert_eq!(server["changed"], Value::Array(Vec::new()));
    let warnings = report["warnings"].as_array().expect("a list");
    let noted: Vec<&Value> =
        warnings.iter().filter(|warning| warning["code"] == "option-changed").collect();
    assert_eq!(noted.len(), 1, "{warnings:?}");
    let noted = noted[0]["message"].as_str().expect("a text");
    assert!(noted.contains("--tos 16") && noted.contains("generator"), "{noted}");
}

#[test]
fn the_report_of_an_embedded_server_has_the_shares_of_its_workers() {
    for flags in [
        "--model epoll --server-trigger edge --server-accept exclusive",
        "--model epoll --server-trigger oneshot --server-accept shared",
        "--model poll --server-accept reuseport",
        "--model tokio-local --server-accept shared --server-tokio-event-interval 7",
        "--model prefork",
        "--model prefork --server-accept reuseport",
    ] {
        let report = report(flags);
        let side = &report["summary"]["server_side"];
        for of in ["connections", "messages"] {
            assert_eq!(Some(sum(&side["workers"], of)), side[of].as_u64(), "{flags}: {side}");
            let skew = &side[format!("{of}_skew")];
            let said = skew["max_over_mean"].as_f64().expect("a number");
            assert!(
                (said - max_over_mean(&side["workers"], of)).abs() < 1e-6,
                "{flags}: {side}"
            );
        }
        let answered = report["summary"]["requests"]["ok"].as_u64();
        assert!(side["messages"].as_u64() >= answered, "{flags}: {side}");
        // That of all processes: one that only waits for others costs nothing.
        let cpu = &report["summary"]["cpu"];
        let [own, server] = ["client_us_per_message", "server_us_per_message"]
            .map(|side| cpu[side].as_f64().expect("it can be read"));
        assert!(server > own / 20.0, "{flags}: {cpu}");
    }
}

/// The calls of a short run with these flags; `None` where they can't be traced.
fn traced(test: &str, calls: &str, flags: &[&str]) -> Option<Vec<String>> {
    let log = tempfile::NamedTempFile::new().expect("room for a file");
    let mut strace = traced_or_skip(test, calls, log.path())?;
    let short = ["--requests=40", "--warmup=0", "--conns=4", "--server-workers=2"];
    let flags = [&short, flags].concat();
    let finished =
        BenchProcess::start_as(strace.arg(own_program("echo-bench")), &flags).finish(PATIENCE);
    if finished.code != Some(0) && finished.stderr.contains("ptrace") {
        tell_skipped(test, finished.stderr);
        return None;
    }
    assert_eq!(finished.code, Some(0), "{flags:?}: {}", finished.stderr);
    let log = std::fs::read(log.path()).expect("strace has made it");
    Some(String::from_utf8_lossy(&log).lines().map(str::to_owned).collect())
}

/// A socket in a line of strace, like `socket:[4321]`: the first behind `after`.
fn socket<'a>(line: &'a str, after: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(after)?;
    let from = rest.find("socket:[")?;
    let length = rest[from..].find(']')?;
    Some(&rest[from..=from + length])
}

#[test]
fn each_way_to_accept_asks_the_kernel_for_something_else() {
    let test = "each_way_to_accept_asks_the_kernel_for_something_else";
    // By how many workers the listener is watched, and how many of them ask to be woken alone.
    for (accept, watching, alone) in [("handoff", 1, 0), ("shared", 2, 0), ("exclusive", 2, 2)]
    {
        let accept_flag = format!("--server-accept={accept}");
        let flags = ["--model=epoll", &accept_flag];
        let Some(calls) = traced(test, "epoll_ctl,listen", &flags) else { return };
        let listeners: Vec<&str> =
            calls.iter().filter_map(|line| socket(line, "listen(")).collect();
        let [listener] = listeners[..] else { panic!("{accept}: {calls:#?}") };
        let watched: Vec<&String> = calls
            .iter()
            .filter(|line| socket(line, "EPOLL_CTL_ADD, ") == Some(listener))
            .collect();
        let exclusively = watched.iter().filter(|line| line.contains("EPOLLEXCLUSIVE"));
        assert_eq!((watched.len(), exclusively.count()), (watching, alone), "{accept}");
    }
}

/// They are set on the listener, from which connections inherit them.
#[test]
fn no_option_is_set_on_a_connection_that_was_accepted() {
    let test = "no_option_is_set_on_a_connection_that_was_accepted";
    for model in ["epoll", "threads", "tokio"] {
        let model = format!("--model={model}");
        let flags = [model.as_str(), "--server-send-buffer=64K", "--server-congestion=reno"];
        let Some(calls) = traced(test, "accept4,accept,setsockopt", &flags) else { return };
        let accepted: Vec<&str> = calls
            .iter()
            .filter(|line| line.contains("accept"))
            .filter_map(|line| socket(line, ") = "))
            .collect();
        assert_eq!(accepted.len(), 4, "{model}: {calls:#?}");
        let inherited = ["TCP_NODELAY", "SO_SNDBUF", "TCP_CONGESTION", "SO_KEEPALIVE"];
        let set: Vec<&String> = calls
            .iter()
            .filter(|line| {
                socket(line, "setsockopt(").is_some_and(|socket| accepted.contains(&socket))
            })
            .filter(|line| inherited.iter().any(|name| line.contains(name)))
            .collect();
        assert_eq!(set, [] as [&String; 0], "{model}");
    }
}

#[test]
fn what_this_machine_or_a_model_lacks_is_refused_before_anything_starts() {
    for (flags, named) in [
        ("--congestion nosuch", "--congestion: this kernel has no congestion control"),
        ("--server-congestion nosuch", "--server-congestion: this kernel has no"),
        ("--user-timeout 1us", "--user-timeout"),
        ("--transport unix --fastopen on", "--fastopen has no effect on a unix-domain socket"),
        ("--model tokio --server-trigger edge", "--server-trigger edge is not supported"),
        ("--model epoll --server-uring-sqpoll", "(use --model uring)"),
        (
            "--model uring --server-uring-sqpoll --server-workers 60000",
            "--server-uring-sqpoll needs a CPU",
        ),
        ("--model uring --server-accept exclusive", "(use --model epoll or prefork)"),
    ] {
        let flags: Vec<&str> = flags.split_whitespace().collect();
        let refused = run(Command::new(own_program("echo-bench")).args(&flags), b"", PATIENCE);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(named), "{flags:?}: {said}");
    }
}

#[test]
fn a_server_says_at_its_end_which_options_its_connections_had() {
    let flags = ["--congestion", "reno", "--tos", "0x13"];
    let mut server = RunningServer::start(ModelKind::Epoll, &flags);
    server.connect().exchange(b"x\n", b"ECHO: x\n");
    let said = server.stop();
    assert!(said.contains("; sockets: congestion reno, tos 16 (asked 19)"), "{said}");
    assert!(said.contains("--tos is 16: the kernel did not take it as asked"), "{said}");
}
