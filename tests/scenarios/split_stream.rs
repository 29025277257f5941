//! TCP does not preserve message boundaries. Here each piece is read before the next is sent.

use echo_test_support::running_server::on_every_model;

const STREAM: &[u8] = b"a\nbc\r\n\nlast";
const REPLIES: &[u8] = b"ECHO: a\nECHO: bc\nECHO: \nECHO: last\n";

#[test]
fn bytes_split_at_every_position_give_the_same_replies() {
    on_every_model(&[], |server| {
        for cut in 1..STREAM.len() {
            let mut client = server.connect();
            client.send(&STREAM[..cut]);
            client.wait_until_read();
            client.send(&STREAM[cut..]);
            client.half_close();
            assert_eq!(client.read_to_end(), REPLIES, "cut at {cut}");
        }
    });
}

#[test]
fn one_byte_at_a_time_gives_the_same_replies() {
    on_every_model(&[], |server| {
        let mut client = server.connect();
        for byte in STREAM.chunks(1) {
            client.send(byte);
            client.wait_until_read();
        }
        client.half_close();
        assert_eq!(client.read_to_end(), REPLIES);
    });
}

#[test]
fn a_line_longer_than_any_read_buffer_comes_back_whole() {
    let text = vec![b'x'; 60_000];
    let request = [&text[..], b"\n"].concat();
    let reply = [b"ECHO: ", &text[..], b"\n"].concat();
    on_every_model(&["--read-buffer", "512"], |server| {
        let mut client = server.connect();
        client.exchange(&request, &reply);
        client.exchange(b"short\n", b"ECHO: short\n");
    });
}
