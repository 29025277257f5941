//! A client that half-closes and still reads.

use echo_test_support::running_server::on_every_model;

use crate::lines::numbered;

#[test]
fn half_close_answers_everything() {
    on_every_model(&[], |server| {
        let mut client = server.connect();
        client.send(b"a\nb\n");
        client.half_close();
        assert_eq!(client.read_to_end(), b"ECHO: a\nECHO: b\n");
    });
}

#[test]
fn a_last_line_without_newline_is_answered_at_half_close() {
    for (last, reply) in [(&b"last"[..], &b"ECHO: last\n"[..]), (b"last\r", b"ECHO: last\n")] {
        on_every_model(&[], |server| {
            let mut client = server.connect();
            client.exchange(&[b"whole\n", last].concat(), b"ECHO: whole\n");
            client.half_close();
            assert_eq!(client.read_to_end(), reply);
        });
    }
}

#[test]
fn half_close_without_a_word_is_answered_with_the_end() {
    on_every_model(&[], |server| {
        let mut client = server.connect();
        client.half_close();
        assert_eq!(client.read_to_end(), b"");
    });
}

#[test]
fn half_close_behind_megabytes_answers_everything() {
    let (stream, replies) = (numbered("", 0..300_000), numbered("ECHO: ", 0..300_000));
    on_every_model(&[], |server| {
        let seen = server.connect().converse(&stream);
        assert_eq!(seen.len(), replies.len());
        assert!(seen == replies, "same length, other bytes");
    });
}
