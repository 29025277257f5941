//! The line protocol as seen by a telnet client.

use echo_test_support::running_server::on_every_model;

use crate::lines::numbered;

#[test]
fn a_line_comes_back_with_the_prefix() {
    on_every_model(&[], |server| {
        let mut client = server.connect();
        client.exchange(b"hello\n", b"ECHO: hello\n");
        client.exchange(b"and again\n", b"ECHO: and again\n");
    });
}

#[test]
fn two_messages_in_one_write_get_two_replies() {
    on_every_model(&[], |server| {
        server.connect().exchange(b"one\ntwo\n", b"ECHO: one\nECHO: two\n");
    });
}

#[test]
fn hundreds_of_messages_in_one_write_are_answered_in_order() {
    on_every_model(&[], |server| {
        server.connect().exchange(&numbered("", 0..500), &numbered("ECHO: ", 0..500));
    });
}

#[test]
fn an_empty_line_is_a_message() {
    on_every_model(&[], |server| {
        let mut client = server.connect();
        client.exchange(b"\n", b"ECHO: \n");
        client.exchange(b"\n\n", b"ECHO: \nECHO: \n");
    });
}

#[test]
fn one_carriage_return_before_the_newline_is_dropped() {
    on_every_model(&[], |server| {
        let mut client = server.connect();
        client.exchange(b"telnet\r\n", b"ECHO: telnet\n");
        client.exchange(b"two\r\r\n", b"ECHO: two\r\n");
        client.exchange(b"in\rside\n", b"ECHO: in\rside\n");
        client.exchange(b"\r\n", b"ECHO: \n");
    });
}

#[test]
fn eight_bit_data_comes_back_as_it_was() {
    let text: Vec<u8> = (0..=u8::MAX).filter(|&byte| byte != b'\n').collect();
    let request = [&text[..], b"\n"].concat();
    let reply = [b"ECHO: ", &text[..], b"\n"].concat();
    on_every_model(&[], |server| server.connect().exchange(&request, &reply));
}

#[test]
fn clients_are_told_apart() {
    on_every_model(&[], |server| {
        let (mut first, mut second) = (server.connect(), server.connect());
        first.send(b"first, beg");
        first.wait_until_read();
        second.exchange(b"second\n", b"ECHO: second\n");
        first.exchange(b"un earlier\n", b"ECHO: first, begun earlier\n");
    });
}
