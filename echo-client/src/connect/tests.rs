use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

use super::*;

const LONG: Duration = Duration::from_secs(20);

fn v4(last: u8) -> SocketAddress {
    tcp4(last).into()
}

fn v6(port: u16) -> SocketAddress {
    tcp6(port).into()
}

fn tcp4(last: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, last], 1))
}

fn tcp6(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv6Addr::LOCALHOST, port))
}

/// A name that resolves to both loopback addresses, with a listener on one of them only.
fn localhost(listens: impl Into<std::net::IpAddr>) -> (Vec<SocketAddress>, TcpListener) {
    let listener = TcpListener::bind((listens.into(), 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let both = vec![v6(port), SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()];
    (both, listener)
}

#[tokio::test]
async fn a_name_with_two_families_is_reached_whichever_listens() {
    let (both, _only_v4) = localhost(Ipv4Addr::LOCALHOST);
    let stream = first_to_answer(both.clone(), deadline_in(LONG), attempt).await.unwrap();
    assert_eq!(SocketAddress::of_peer(&stream).unwrap(), both[1]);
    let (both, _only_v6) = localhost(Ipv6Addr::LOCALHOST);
    let reversed = vec![both[1], both[0]];
    let stream = first_to_answer(reversed, deadline_in(LONG), attempt).await.unwrap();
    assert_eq!(SocketAddress::of_peer(&stream).unwrap(), both[0]);
}

#[tokio::test]
async fn each_address_that_was_tried_is_named_with_its_reason() {
    let (both, listener) = localhost(Ipv4Addr::LOCALHOST);
    drop(listener);
    let attempts =
        first_to_answer(both.clone(), deadline_in(LONG), attempt).await.err().unwrap();
    let address: Address =
        format!("localhost:{}", both[0].as_tcp().unwrap().port()).parse().unwrap();
    let port = both[0].as_tcp().unwrap().port();
    let error = ConnectError::NoneAnswered { address, attempts, timeout: LONG };
    assert_eq!(
        error.to_string(),
        format!(
            "connecting to localhost:{port}: [::1]:{port} connection refused, 127.0.0.1:{port} \
             connection refused (is a server running there? start one with: echo-server \
             localhost:{port})"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_address_costs_its_head_start_and_no_more() {
    let begin = Instant::now();
    let silent_but_the_last = |target: SocketAddress| async move {
        if target != v4(3) {
            std::future::pending::<()>().await;
        }
        Ok(Instant::now())
    };
    let targets = vec![v4(1), v4(2), v4(3)];
    let reached = first_to_answer(targets, deadline_in(LONG), silent_but_the_last).await;
    assert_eq!(reached.unwrap() - begin, 2 * HEAD_START);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_taken_when_those_after_it_fail() {
    let slow_first = |target: SocketAddress| async move {
        if target == v4(1) {
            sleep(4 * HEAD_START).await;
            return Ok(());
        }
        Err(io::ErrorKind::ConnectionRefused.into())
    };
    let targets = vec![v4(1), v4(2)];
    assert!(first_to_answer(targets, deadline_in(LONG), slow_first).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_deadline_with_all_that_were_tried() {
    let begin = Instant::now();
    let silent = |_| std::future::pending::<io::Result<()>>();
    let targets = vec![v4(1), v4(2)];
    let deadline = deadline_in(Duration::from_secs(3));
    let attempts = first_to_answer(targets, deadline, silent).await.unwrap_err();
    assert_eq!(begin.elapsed(), Duration::from_secs(3));
    let error = ConnectError::NoneAnswered {
        address: "host:1".parse().unwrap(),
        attempts,
        timeout: Duration::from_secs(3),
    };
    assert_eq!(
        error.to_string(),
        "connecting to host:1: no answer within 3s from 127.0.0.1:1 and 127.0.0.2:1 \
         (increase --connect-timeout)"
    );
}

#[test]
fn families_take_turns_and_none_is_tried_twice() {
    let given = vec![tcp6(1), tcp6(2), tcp6(3), tcp4(1), tcp4(1), tcp4(2)];
    assert_eq!(in_turn(given), [tcp6(1), tcp4(1), tcp6(2), tcp4(2), tcp6(3)]);
    assert_eq!(in_turn(vec![tcp4(1), tcp6(1)]), [tcp4(1), tcp6(1)]);
    assert_eq!(in_turn(vec![]), []);
}

#[tokio::test]
async fn a_refusal_and_an_unknown_name_are_told_apart() {
    let refused = connect(&"127.0.0.1:1".parse().unwrap(), LONG).await.unwrap_err();
    assert!(refused.to_string().contains("127.0.0.1:1: connection refused"), "{refused}");
    let unknown = connect(&"no such host:1".parse().unwrap(), LONG).await.unwrap_err();
    assert!(matches!(unknown, ConnectError::Lookup { .. }), "{unknown}");
}

#[tokio::test]
async fn a_full_backlog_is_given_up_in_time() {
    let options = SocketOptions::default();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = socket::listen(any, 0, false, &options).unwrap();
    let address: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let mut held = Vec::new();
    let short = Duration::from_millis(200);
    // The backlog holds a connection or two; further SYNs are dropped.
    let given_up = loop {
        match connect(&address, short).await {
            Ok(stream) => held.push(stream),
            Err(error) => break error,
        }
        assert!(held.len() < 100, "the backlog never filled");
    };
    assert_eq!(
        given_up.to_string(),
        format!("connecting to {address}: no answer within 200ms (increase --connect-timeout)")
    );
}

#[tokio::test]
async fn a_unix_socket_is_reached_and_its_full_backlog_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock");
    let address: Address = format!("unix:{}", path.display()).parse().unwrap();
    let missing = connect(&address, LONG).await.unwrap_err().to_string();
    assert!(missing.contains("no such file"), "{missing}");
    let unix = *address.as_unix().unwrap();
    let (listener, _file) = echo_net::listener::listen_at(unix, 0).unwrap();
    listener.set_nonblocking(false).unwrap();
    let first = connect(&address, LONG).await.unwrap();
    assert_eq!(SocketAddress::of_peer(&first).unwrap(), unix.into());
    let short = Duration::from_millis(100);
    let full = connect(&address, short).await.unwrap_err().to_string();
    assert!(full.contains("no answer within 100ms"), "{full}");
    let accepting = std::thread::spawn(move || (listener.accept().unwrap(), listener));
    let (second, accepted) = (connect(&address, LONG).await, accepting.join().unwrap());
    second.unwrap();
    drop(accepted);
}
