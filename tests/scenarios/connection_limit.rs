//! `--max-conns`: one more than the limit is told, and nobody else notices.

use crate::client::Client;
use crate::deadline::wait_for;
use crate::running_server::{RunningServer, on_every_model};

const LIMIT: usize = 3;
const FLAGS: [&str; 2] = ["--max-conns", "3"];

/// As many clients as may be, each known to be served.
fn fill(server: &RunningServer) -> Vec<Client> {
    (0..LIMIT)
        .map(|_| {
            let mut client = server.connect();
            client.exchange(b"in\n", b"ECHO: in\n");
            client
        })
        .collect()
}

#[test]
fn one_too_many_is_told_and_the_others_keep_working() {
    on_every_model(&FLAGS, |server| {
        let mut served = fill(server);
        for _ in 0..5 {
            let told = String::from_utf8(server.connect().read_to_end()).expect("text");
            assert!(told.starts_with("ERROR: ") && told.ends_with('\n'), "told {told:?}");
            assert_eq!(told.lines().count(), 1, "told {told:?}");
        }
        for client in &mut served {
            client.exchange(b"still in\n", b"ECHO: still in\n");
        }
    });
}

#[test]
fn a_place_can_be_used_again_after_a_close() {
    on_every_model(&FLAGS, |server| {
        let mut served = fill(server);
        for _ in 0..3 {
            drop(served.remove(0));
            // The server learns of the close when it does; until then it says no.
            let next = wait_for("a place becomes free", || {
                let mut client = server.connect();
                (client.try_line(b"next\n") == b"ECHO: next\n").then_some(client)
            });
            served.push(next);
        }
        for client in &mut served {
            client.exchange(b"all in\n", b"ECHO: all in\n");
        }
    });
}

#[test]
fn in_a_protocol_without_text_one_too_many_gets_just_the_end() {
    let flags = ["--max-conns", "1", "--protocol", "raw"];
    on_every_model(&flags, |server| {
        let mut served = server.connect();
        served.exchange(b"in", b"in");
        assert_eq!(server.connect().read_to_end(), b"");
        served.exchange(b"still in", b"still in");
    });
}
