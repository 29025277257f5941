//! A client that quits, and sends on without waiting.

use super::*;

#[test]
fn what_follows_a_quit_destroys_no_reply_before_it() {
    let echo = |protocol: ProtocolKind| Service::Echo(protocol);
    let sessions = [
        (echo(ProtocolKind::Command), &b"ECHO a\nQUIT\n"[..], &b"ECHO: a\n"[..]),
        (echo(ProtocolKind::Resp), b"ECHO a\r\nQUIT\r\n", b"$1\r\na\r\n+OK\r\n"),
        (
            Service::Chat,
            b"/nick anna\n/quit\n",
            b"* Welcome. Choose a name with /nick <name>\n* 1 online: anna\n",
        ),
    ];
    for_each_model(|model| {
        for (protocol, session, replies) in sessions {
            let server = Server::start(Config { protocol, ..config(model) });
            let mut stream = server.connect();
            // Left unread, it would make the kernel reset the connection.
            let session = [session, &b"ECHO more\r\n".repeat(100_000)].concat();
            stream.write_all(&session).unwrap();
            assert_eq!(
                rest(stream).escape_ascii().to_string(),
                replies.escape_ascii().to_string()
            );
            let outcome = server.stop();
            assert_eq!((outcome.served.errors, outcome.cut), (0, 0), "{protocol}");
        }
    });
}
