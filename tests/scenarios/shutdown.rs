//! SIGTERM and SIGINT: received messages are answered, then connections close, within the
//! deadline.

use std::io::{ErrorKind, Read as _, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use echo_server::model::ModelKind;
use echo_test_support::client::{Client, Text};
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::kernel_sockets::wait_until_arrived;
use echo_test_support::promptness::{at_most, best_of_three};
use echo_test_support::running_server::{RunningServer, each_model, on_every_model};
use rustix::process::Signal;

use crate::lines::numbered;

const SUMMARY_IN_JSON: [&str; 2] = ["--log-format", "json"];

/// Limits what the kernel buffers for a server: with its default buffers it might hold
/// megabytes, and the server would be done.
const SMALL_SEND_BUFFER: [&str; 2] = ["--send-buffer", "16K"];

/// A client with a pending reply that it will not read, so that a server with a [small send
/// buffer](SMALL_SEND_BUFFER) can't finish.
fn unfinishable(server: &RunningServer) -> Client {
    let mut client = server.connect();
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    client.send_until_stuck(&line, Duration::from_millis(300), usize::MAX);
    client
}

#[test]
fn shutdown_under_load_answers_what_was_received() {
    const CLIENTS: usize = 50;
    const LINES: usize = 1000;
    // Many reads each, so that a server that stops between two of them is detected.
    let flags = [&SUMMARY_IN_JSON[..], &["--read-buffer", "512"]].concat();
    on_every_model(&flags, |server| {
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.exchange(b"accepted\n", b"ECHO: accepted\n");
        }
        // All of it is in the server's receive buffer when the resumed server sees the signal.
        server.signal(Signal::STOP);
        for client in &mut clients {
            client.send(&numbered("", 0..LINES));
        }
        wait_until_arrived(&clients);
        server.signal(Signal::TERM);
        server.signal(Signal::CONT);
        for client in &mut clients {
            assert_eq!(Text(&client.read_to_end()), Text(&numbered("ECHO: ", 0..LINES)));
        }
        let exit = server.wait_exit(PATIENCE);
        assert_eq!(exit.code, Some(0), "{exit:?}");
        assert_eq!(exit.summary()["messages"], CLIENTS * (1 + LINES));
        assert_eq!(exit.summary()["cut"], 0);
    });
}

#[test]
fn shutdown_while_clients_go_on_sending_ends_each_stream_in_order() {
    const CLIENTS: usize = 8;
    // A kernel may buffer megabytes for each, which takes time on a busy machine.
    let flags = [&SUMMARY_IN_JSON[..], &["--drain-timeout", "60s"]].concat();
    on_every_model(&flags, |server| {
        let (started, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let enough = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                let mut client = server.connect();
                let mut sender = client.sender();
                let enough = &enough;
                scope.spawn(move || {
                    let mut next = 0;
                    while !enough.load(Ordering::Relaxed)
                        && sender.write_all(&numbered("", next..next + 50)).is_ok()
                    {
                        next += 50;
                    }
                });
                let (started, answered) = (&started, &answered);
                scope.spawn(move || {
                    client.expect(&numbered("ECHO: ", 0..1000));
                    started.fetch_add(1, Ordering::Relaxed);
                    let rest = client.read_to_end();
                    enough.store(true, Ordering::Relaxed);
                    let more = rest.split_inclusive(|&byte| byte == b'\n').count();
                    answered.fetch_add(1000 + more, Ordering::Relaxed);
                    assert!(
                        rest == numbered("ECHO: ", 1000..1000 + more),
                        "the last reply is cut or replies are missing: {:?}",
                        Text(&rest[rest.len().saturating_sub(100)..])
                    );
                });
            }
            wait_until("every client has replies", || {
                started.load(Ordering::Relaxed) == CLIENTS
            });
            server.signal(Signal::TERM);
        });
        let exit = server.wait_exit(PATIENCE);
        assert_eq!(exit.code, Some(0), "{exit:?}");
        let answered = answered.load(Ordering::Relaxed);
        assert_eq!(exit.summary()["messages"], answered, "the server's count and the clients'");
        assert_eq!(exit.summary()["cut"], 0);
    });
}

/// A peer with a full receive buffer sees the FIN late, and has sent more by then.
#[test]
fn a_client_that_reads_slowly_and_goes_on_sending_gets_every_reply_and_the_end() {
    on_every_model(&SUMMARY_IN_JSON, |server| {
        let mut client = server.connect();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        client.send_until_stuck(&line, Duration::from_millis(100), usize::MAX);
        let mut sender = client.sender();
        let received = thread::scope(|scope| {
            scope.spawn(move || while sender.write_all(&line).is_ok() {});
            server.signal(Signal::TERM);
            wait_until("the server stops", || Client::try_connect(server.address()).is_err());
            client.read_slowly_to_end(Duration::from_millis(2))
        });
        let exit = server.wait_exit(PATIENCE);
        assert_eq!(exit.code, Some(0), "{exit:?}");
        assert_eq!(exit.summary()["bytes_out"], received.len());
        assert_eq!(exit.summary()["cut"], 0);
    });
}

/// Clients that keep connecting must not delay the stop, and the server's count must match the
/// clients'.
#[test]
fn a_server_that_clients_keep_coming_to_stops_and_has_counted_every_reply() {
    on_every_model(&SUMMARY_IN_JSON, |server| {
        let address = server.address();
        let (answered, started) = (AtomicUsize::new(0), Instant::now());
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while let Ok(mut client) = Client::try_connect(address) {
                        if client.try_line(b"again\n") == b"ECHO: again\n" {
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        if started.elapsed() > PATIENCE {
                            break;
                        }
                    }
                });
            }
            wait_until("clients come and go", || answered.load(Ordering::Relaxed) > 500);
            server.signal(Signal::TERM);
        });
        let exit = server.wait_exit(PATIENCE);
        let summary = exit.summary();
        assert_eq!((exit.code, &summary["cut"]), (Some(0), &0.into()), "{exit:?}");
        assert_eq!(summary["messages"], answered.load(Ordering::Relaxed), "{summary}");
    });
}

#[test]
fn idle_clients_get_the_end_and_the_server_exits_long_before_the_deadline() {
    on_every_model(&["--drain-timeout", "60s"], |server| {
        let mut idle: Vec<_> = (0..20).map(|_| server.connect()).collect();
        for client in &mut idle {
            client.exchange(b"hello\n", b"ECHO: hello\n");
        }
        let mut mid_line = server.connect();
        mid_line.send(b"half a li");
        mid_line.wait_until_read();
        server.signal(Signal::INT);
        for client in &mut idle {
            assert_eq!(client.read_to_end(), b"");
        }
        // An incomplete line is not a message as long as the client may send the rest.
        assert_eq!(mid_line.read_to_end(), b"");
        let exit = server.wait_exit(PATIENCE);
        assert_eq!(exit.code, Some(0), "{exit:?}");
        assert!(Client::try_connect(server.address()).is_err(), "nobody listens any more");
    });
}

#[test]
fn a_client_that_does_not_read_is_cut_at_the_drain_timeout() {
    let flags =
        [&SUMMARY_IN_JSON[..], &SMALL_SEND_BUFFER, &["--drain-timeout", "700ms"]].concat();
    on_every_model(&flags, |server| {
        let _stuck = unfinishable(server);
        let started = Instant::now();
        server.signal(Signal::TERM);
        let exit = server.wait_exit(PATIENCE);
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(650), "gave up after {took:?}: {exit:?}");
        assert!(took < Duration::from_secs(5), "took {took:?}: {exit:?}");
        assert_eq!(exit.summary()["cut"], 1, "{exit:?}");
    });
}

/// A stop must not give a peer more time than it has during normal operation.
#[test]
fn a_client_that_does_not_read_is_cut_at_the_write_timeout_in_a_drain_too() {
    let patience = ["--write-timeout", "1s", "--drain-timeout", "60s"];
    let flags = [&SUMMARY_IN_JSON[..], &SMALL_SEND_BUFFER, &patience].concat();
    on_every_model(&flags, |server| {
        let stuck = unfinishable(server);
        server.signal(Signal::TERM);
        let exit = server.wait_exit(PATIENCE);
        assert_eq!(exit.code, Some(0), "{exit:?}");
        let summary = exit.summary();
        assert_eq!(summary["limits"]["write_timeout"], 1, "{summary}");
        assert_eq!(summary["cut"], 0, "the drain has not cut it: {summary}");
        let mut rest = Vec::new();
        let ended = stuck.sender().read_to_end(&mut rest).map_err(|error| error.kind());
        assert_eq!(ended, Err(ErrorKind::ConnectionReset), "after {} bytes", rest.len());
    });
}

/// How long a server that still has a reply to deliver runs after a second signal.
fn end_of_second_signal(model: ModelKind) -> Duration {
    let flags = [&SMALL_SEND_BUFFER[..], &["--drain-timeout", "60s"]].concat();
    let mut server = RunningServer::start(model, &flags);
    let _stuck = unfinishable(&server);
    server.signal(Signal::TERM);
    wait_until("nobody listens any more", || Client::try_connect(server.address()).is_err());
    assert!(server.is_running(), "it still tries to finish");
    let started = Instant::now();
    server.signal(Signal::INT);
    let exit = server.wait_exit(PATIENCE);
    let took = started.elapsed();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    took
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    each_model(|model| {
        best_of_three(format_args!("{model} after a second signal"), || {
            at_most(end_of_second_signal(model), Duration::from_millis(500))
        });
    });
}
