//! Misbehaving clients harm only themselves.

use std::time::Duration;

use echo_test_support::client::Text;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::running_server::on_every_model;
use rustix::process::Signal;

#[test]
fn a_client_that_resets_does_not_disturb_others() {
    on_every_model(&[], |server| {
        let mut bystander = server.connect();
        for round in 0..30 {
            server.connect().reset();

            let mut mid_line = server.connect();
            mid_line.send(b"half a li");
            mid_line.reset();

            let mut unread_replies = server.connect();
            unread_replies.send(&b"never read\n".repeat(1000));
            unread_replies.reset();

            let line = format!("round {round}\n");
            bystander.exchange(line.as_bytes(), format!("ECHO: {line}").as_bytes());
        }
        assert!(server.is_running());
        server.connect().exchange(b"newcomer\n", b"ECHO: newcomer\n");
    });
}

#[test]
fn a_client_that_never_reads_stops_nobody_and_costs_bounded_memory() {
    const MOST: usize = 64 << 20;
    let chunk = [&[b'x'; 1023][..], b"\n"].concat();
    on_every_model(&["--workers", "2"], |server| {
        let mut bystander = server.connect();
        bystander.exchange(b"before\n", b"ECHO: before\n");
        let before = server.resident_kib();
        let mut stuck: Vec<_> = (0..3).map(|_| server.connect()).collect();
        let still = Duration::from_millis(300);
        let sent: Vec<_> = stuck
            .iter_mut()
            .map(|client| client.send_until_stuck(&chunk, still, MOST))
            .collect();
        assert!(sent.iter().all(|&sent| sent < MOST), "the server reads on without end");
        let grown = server.resident_kib().saturating_sub(before);
        assert!(grown < 64 * 1024, "grew by {grown} KiB for three clients that do not read");

        for _ in 0..20 {
            bystander.exchange(b"during\n", b"ECHO: during\n");
            server.connect().exchange(b"newcomer\n", b"ECHO: newcomer\n");
        }

        // A late reader still finds everything, in order.
        let mut late = stuck.swap_remove(0);
        let lines = sent[0] / chunk.len();
        late.half_close();
        let replies = late.read_to_end();
        let reply = [b"ECHO: ", &chunk[..]].concat();
        assert!(replies.len() >= lines * reply.len(), "{} bytes", replies.len());
        for seen in replies.chunks_exact(reply.len()).take(lines) {
            assert_eq!(Text(seen), Text(&reply));
        }
        for stuck in stuck {
            stuck.reset();
        }
    });
}

/// Received messages count, though the client is gone when they are answered.
#[test]
fn a_message_is_counted_though_its_reply_cannot_be_sent() {
    on_every_model(&["--log-format", "json"], |server| {
        // Request and reset are both there when the server reads.
        server.signal(Signal::STOP);
        let mut client = server.connect();
        client.send(b"one\ntwo\n");
        client.reset();
        server.signal(Signal::CONT);
        server.signal(Signal::TERM);
        let summary = server.wait_exit(PATIENCE).summary();
        let counts = ["connections", "messages", "bytes_in", "bytes_out"];
        assert_eq!(counts.map(|name| &summary[name]), [1, 2, 8, 20], "{summary}");
    });
}
