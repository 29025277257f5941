//! Both sides of every protocol: any cut of a stream means the same, what is kept and said is
//! bounded, and nothing panics.

use echo_proto::{Answers, Malformed, Outcome, ProtocolKind, Request, Requester};

use super::input::{Input, pieces};
use crate::answers::{Heard, answers};

pub(super) fn line(data: &[u8]) {
    both_sides(ProtocolKind::Line, data);
}

pub(super) fn raw(data: &[u8]) {
    both_sides(ProtocolKind::Raw, data);
}

pub(super) fn frame(data: &[u8]) {
    both_sides(ProtocolKind::Frame, data);
}

pub(super) fn mux(data: &[u8]) {
    both_sides(ProtocolKind::Mux, data);
}

pub(super) fn resp(data: &[u8]) {
    both_sides(ProtocolKind::Resp, data);
}

pub(super) fn http(data: &[u8]) {
    both_sides(ProtocolKind::Http, data);
}

/// A connection that is open as well.
pub(super) fn postgres(data: &[u8]) {
    both_sides(ProtocolKind::Postgres, data);
    let mut wire = Vec::new();
    ProtocolKind::Postgres.requester(16).encode(0, b"first", &mut wire);
    wire.extend_from_slice(data);
    both_sides(ProtocolKind::Postgres, &wire);
    // The same bytes, as what a server says after it has let the client in.
    let mut heard =
        answers(ProtocolKind::Postgres, 16, [&wire[..wire.len() - data.len()]], false);
    heard.bytes.extend_from_slice(data);
    both_sides(ProtocolKind::Postgres, &heard.bytes);
}

/// The commands as well, against the standard library.
pub(super) fn command(data: &[u8]) {
    both_sides(ProtocolKind::Command, data);
    let text = String::from_utf8_lossy(data);
    let text: String = text.chars().filter(|&character| character != '\n').collect();
    let text = text.trim_end_matches('\r');
    let ask = |word: &str| {
        let asked = format!("{word} {text}\n");
        let heard = answers(ProtocolKind::Command, 1 << 20, [asked.as_bytes()], false);
        assert_eq!(heard.messages, 1, "one reply to each line");
        String::from_utf8(heard.bytes).expect("text stays text")
    };
    assert_eq!(ask("ECHO"), format!("ECHO: {text}\n"));
    assert_eq!(ask("UPPER").trim_end_matches('\n'), text.to_uppercase().trim_end_matches('\n'));
    assert_eq!(ask("lower").trim_end_matches('\n'), text.to_lowercase().trim_end_matches('\n'));
    let mut reversed: Vec<_> = ask("Reverse").trim_end_matches('\n').chars().collect();
    let mut expected: Vec<_> = text.chars().collect();
    reversed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(reversed, expected, "nothing is added or lost");
}

fn both_sides(protocol: ProtocolKind, data: &[u8]) {
    let mut input = Input::new(data);
    let max_message = input.pick(&[0, 1, 16, 100, 65_536, 1 << 40, usize::MAX]);
    let lengths = input.lengths();
    let waiting = input.byte() % 5;
    let stream = input.rest();
    server_side(protocol, max_message, stream, &lengths);
    client_side(protocol, max_message, stream, &lengths, waiting);
    round_trip(protocol, stream, &lengths);
}

fn server_side(protocol: ProtocolKind, max_message: usize, stream: &[u8], lengths: &[usize]) {
    let whole = answers(protocol, max_message, [stream], true);
    // A line end can cost an error of two dozen bytes; none can cost a kilobyte.
    assert!(whole.bytes.len() <= stream.len() * 24 + 300, "{} bytes said", whole.bytes.len());
    let cut = answers(protocol, max_message, pieces(stream, lengths), true);
    same(protocol, &whole, &cut);
    same(protocol, &whole, &answers(protocol, max_message, stream.chunks(1), true));
}

fn same(protocol: ProtocolKind, whole: &Heard, cut: &Heard) {
    assert_eq!(whole.bytes.escape_ascii().to_string(), cut.bytes.escape_ascii().to_string());
    assert_eq!((whole.finished, whole.errors), (cut.finished, cut.errors));
    // Each read is a message of raw.
    assert!(protocol == ProtocolKind::Raw || whole.messages == cut.messages);
}

/// A reply with its body copied.
type Owned = (Answers, Outcome, Option<u16>, Vec<u8>);

fn client_side(
    protocol: ProtocolKind,
    max_message: usize,
    stream: &[u8],
    lengths: &[usize],
    waiting: u8,
) {
    let read = |pieces: Vec<&[u8]>| {
        let mut requester = protocol.requester(max_message);
        let mut wire = Vec::new();
        for number in 0..waiting {
            requester.encode(number.into(), b"waiting", &mut wire);
        }
        let (seen, outcome) = decode(&mut requester, pieces);
        assert!(requester.partial().len() <= stream.len());
        let over = outcome.is_ok() && requester.is_over();
        (seen, outcome, over)
    };
    let (seen, outcome, over) = read(vec![stream]);
    for cut in [pieces(stream, lengths), stream.chunks(1).collect()] {
        let (seen_cut, outcome_cut, over_cut) = read(cut);
        // Reading ends with the first bytes that are no reply: how many unsolicited ones come
        // with them depends on the cut.
        assert_eq!(outcome.is_ok(), outcome_cut.is_ok(), "{outcome:?}, {outcome_cut:?}");
        assert_eq!(seen, seen_cut);
        assert_eq!(over, over_cut);
    }
}

fn decode(
    requester: &mut Requester,
    pieces: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> (Vec<Owned>, Result<(), Malformed>) {
    let mut seen = Vec::new();
    let mut raw = Vec::new();
    for piece in pieces {
        let outcome = requester.decode(piece.as_ref(), |reply| {
            let body = reply.body.to_vec();
            raw.push((reply.answers, reply.outcome, reply.status, body));
        });
        seen.append(&mut raw);
        if outcome.is_err() {
            return (seen, outcome);
        }
    }
    requester.end_of_input(|reply| {
        seen.push((reply.answers, reply.outcome, reply.status, reply.body.to_vec()));
    });
    (seen, Ok(()))
}

/// A server's answers to a client's requests are the client's replies.
fn round_trip(protocol: ProtocolKind, stream: &[u8], lengths: &[usize]) {
    let messages: Vec<&[u8]> = pieces(stream, lengths)
        .into_iter()
        .take(20)
        .filter(|message| protocol.check_message(message).is_ok())
        .collect();
    let mut requester = protocol.requester(1 << 20);
    let mut wire = Vec::new();
    for (number, message) in (0..).zip(&messages) {
        requester.encode(number, message, &mut wire);
    }
    let heard = answers(protocol, 1 << 20, pieces(&wire, lengths), false);
    let (seen, outcome) = decode(&mut requester, pieces(&heard.bytes, lengths));
    assert_eq!(outcome, Ok(()));
    let bodies: Vec<&[u8]> = seen.iter().map(|(.., body)| &body[..]).collect();
    assert_eq!(bodies, messages, "{protocol}");
    assert!(seen.iter().all(|(_, outcome, ..)| *outcome == Outcome::Echo), "{protocol}");
}
