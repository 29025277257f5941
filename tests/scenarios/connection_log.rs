//! Log lines about connections, and the statistics printed on a signal.

use std::time::Instant;

use echo_server::model::ModelKind;
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::running_server::{RunningServer, each_model};
use rustix::process::Signal;

#[test]
fn a_verbose_log_names_who_has_connected_and_who_has_left() {
    each_model(|model| {
        let mut server = RunningServer::start(model, &["-vv"]);
        let peers: Vec<_> = (0..3)
            .map(|_| {
                let mut client = server.connect();
                client.exchange(b"x\n", b"ECHO: x\n");
                client.stream().local_addr().expect("it is connected")
            })
            .collect();
        let reset = {
            let mut client = server.connect();
            client.exchange(b"x\n", b"ECHO: x\n");
            let peer = client.stream().local_addr().expect("it is connected");
            client.reset();
            peer
        };
        let said = server.stop();
        for peer in peers.iter().chain([&reset]) {
            for event in ["connected", "disconnected"] {
                let line = format!(" {event} peer={peer}");
                assert_eq!(said.matches(&line).count(), 1, "{line} in {said}");
            }
        }
        let broke = said.lines().find(|line| line.contains("connection broke"));
        assert!(broke.is_some_and(|line| line.contains(&format!("peer={reset}"))), "{said}");
    });
}

/// The value of a field of a line of text.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = line.split_once(&format!(" {name}="))?;
    value.split(' ').next()
}

#[test]
fn a_line_for_each_end_says_how_long_how_much_and_why() {
    each_model(|model| {
        let flags = ["-v", "--max-message=8", "--idle-timeout=300ms"];
        let mut server = RunningServer::start(model, &flags);
        let connect = || {
            let mut client = server.connect();
            client.exchange(b"one\n", b"ECHO: one\n");
            let peer = client.stream().local_addr().expect("it is connected");
            (client, peer)
        };
        let mut ended = Vec::new();
        let (client, peer) = connect();
        drop(client);
        ended.push((peer, "peer_closed", "4", "10"));
        let (client, peer) = connect();
        client.reset();
        ended.push((peer, "reset", "4", "10"));
        let (mut client, peer) = connect();
        client.send(b"123456789\n");
        client.read_to_end();
        drop(client);
        ended.push((peer, "rejected", "14", "47"));
        let (mut client, peer) = connect();
        client.read_to_end();
        drop(client);
        ended.push((peer, "idle_timeout", "4", "10"));
        let (mut client, peer) = connect();
        server.signal(Signal::TERM);
        client.read_to_end();
        ended.push((peer, "stopped", "4", "10"));
        drop(client);
        let exit = server.wait_exit(PATIENCE);
        for (peer, cause, bytes_in, bytes_out) in ended {
            let begin = format!(" disconnected peer={peer} ");
            let line = exit.stderr.lines().find(|line| line.contains(&begin));
            let line = line.unwrap_or_else(|| panic!("no{begin}in {}", exit.stderr));
            assert!(line.contains("DEBUG"), "{line}");
            let cause_said = field(line, "cause").map(|cause| cause.trim_matches('"'));
            assert_eq!(cause_said, Some(cause), "{line}");
            assert_eq!(field(line, "messages"), Some("1"), "{line}");
            assert_eq!(field(line, "bytes_in"), Some(bytes_in), "{line}");
            assert_eq!(field(line, "bytes_out"), Some(bytes_out), "{line}");
            let open = field(line, "duration_ms").and_then(|text| text.parse::<f64>().ok());
            let least = if cause == "idle_timeout" { 300.0 } else { 0.0 };
            assert!(open > Some(least), "{line}");
        }
    });
}

#[test]
fn a_log_of_json_has_the_same_fields_as_numbers() {
    let mut server = RunningServer::start(ModelKind::default(), &["-v", "--log-format=json"]);
    server.connect().exchange(b"x\n", b"ECHO: x\n");
    wait_until("it has ended", || server.said_so_far().contains("\"disconnected\""));
    let said = server.stop();
    let line = said.lines().find(|line| line.contains("\"disconnected\"")).expect("just seen");
    let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    assert_eq!((&line["cause"], &line["messages"]), (&"peer_closed".into(), &1.into()));
    assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&2.into(), &8.into()));
    assert!(line["duration_ms"].as_f64() > Some(0.0), "{line}");
}

#[test]
fn messages_are_logged_at_the_third_level_escaped_and_short() {
    let conversation = |verbose: &str| {
        let mut server = RunningServer::start(ModelKind::default(), &[verbose]);
        let mut client = server.connect();
        client.exchange(b"a\x1b[2Jb\n", b"ECHO: a\x1b[2Jb\n");
        let long = [&[b'x'; 300][..], b"\n"].concat();
        client.exchange(&long, &[b"ECHO: ", &long[..]].concat());
        drop(client);
        server.stop()
    };
    let said = conversation("-vvv");
    let lines: Vec<_> = said.lines().filter(|line| line.contains(" received ")).collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].ends_with(r" text=a\x1b[2Jb\n"), "{}", lines[0]);
    assert_eq!(field(lines[0], "bytes_in"), Some("7"), "{}", lines[0]);
    assert!(lines[1].contains("xxx…") && lines[1].len() < 450, "{}", lines[1]);
    assert!(!said.contains('\x1b'), "{said:?}");
    assert!(!conversation("-vv").contains(" received "));
}

#[test]
fn a_flood_of_connections_is_no_flood_of_lines_and_none_is_forgotten() {
    const CONNECTIONS: usize = 400;
    // At most ten lines of a kind are written in each second.
    const LINES_PER_S: u64 = 10;
    let begin = Instant::now();
    let mut server = RunningServer::start(ModelKind::default(), &["-v"]);
    for _ in 0..CONNECTIONS {
        server.connect().exchange(b"x\n", b"ECHO: x\n");
    }
    let said = server.stop();
    // Both the first second and the last may be parts of one.
    let most = LINES_PER_S * (begin.elapsed().as_secs() + 2);
    for kind in ["connected", "disconnected"] {
        let begin = format!(" DEBUG {kind} ");
        let lines: Vec<_> = said.lines().filter(|line| line.contains(&begin)).collect();
        let at_end = said.lines().find(|line| line.contains(" log lines left out "));
        let left_out: usize = lines
            .iter()
            .filter_map(|line| field(line, "suppressed"))
            .chain(at_end.and_then(|line| field(line, kind)))
            .map(|count| count.parse::<usize>().expect("a count"))
            .sum();
        assert!(lines.len() as u64 <= most, "{kind}: {} lines, not {most}", lines.len());
        assert_eq!(lines.len() + left_out, CONNECTIONS, "{kind}");
    }
}

#[test]
fn without_being_asked_the_log_names_no_connection() {
    let mut server = RunningServer::start(ModelKind::default(), &[]);
    server.connect().exchange(b"x\n", b"ECHO: x\n");
    let said = server.stop();
    assert!(!said.contains("connected"), "{said}");
}

#[test]
fn in_a_log_of_json_the_counters_are_json_too() {
    let mut server = RunningServer::start(ModelKind::default(), &["--log-format=json"]);
    let mut client = server.connect();
    client.exchange(b"x\n", b"ECHO: x\n");
    server.signal(Signal::USR1);
    wait_until("it tells its counters", || server.said_so_far().contains("\"active\":"));
    drop(client);
    let said = server.stop();
    let line = said.lines().find(|line| line.contains("\"active\":")).expect("just seen");
    let counters: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    assert_eq!((&counters["active"], &counters["connections"]), (&1.into(), &1.into()));
    assert!(counters["messages"].is_number(), "{counters}");
}

#[test]
fn usr1_tells_the_counters_so_far_and_hup_nothing_and_the_server_goes_on() {
    each_model(|model| {
        let mut server = RunningServer::start(model, &[]);
        let mut client = server.connect();
        client.exchange(b"x\n", b"ECHO: x\n");
        server.signal(Signal::HUP);
        let counters = "echo-server: 1 connection open; so far 1 connection, 0 refused, \
                        1 message, 2 bytes in, 8 bytes out, 0 errors, 0 aborted; mean \
                        response time ";
        // Repeated: an event loop counts replies at the end of its turn.
        wait_until("it tells its counters", || {
            server.signal(Signal::USR1);
            server.said_so_far().contains(counters)
        });
        client.exchange(b"y\n", b"ECHO: y\n");
        server.connect().exchange(b"z\n", b"ECHO: z\n");
        let said = server.stop();
        assert!(said.contains("echo-server: 2 connections, 0 refused, 3 messages"), "{said}");
    });
}
