use super::*;
use crate::{OpeningFault, Secret};
use Outcome::{Echo, Error, Unexpected};

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(4 + body.len() as u32).to_be_bytes(), body].concat()
}

fn authentication(method: u32, more: &[u8]) -> Vec<u8> {
    message(b'R', &[&method.to_be_bytes(), more].concat())
}

fn row(text: &[u8]) -> Vec<u8> {
    message(b'D', &[&[0, 1], &(text.len() as u32).to_be_bytes()[..], text].concat())
}

fn error(severity: &str, sqlstate: &str, text: &str) -> Vec<u8> {
    let fields = format!("S{severity}\0V{severity}\0C{sqlstate}\0M{text}\0\0");
    message(b'E', fields.as_bytes())
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

/// What a server says once it has let a client in.
fn settings() -> Vec<u8> {
    [message(b'S', b"server_version\x0015\0"), message(b'K', &[0; 8]), ready()].concat()
}

fn requester(password: Option<&str>) -> PostgresRequester {
    let password = password.map(|password| Secret::from(password.to_owned()));
    let login = PostgresLogin::new("me".into(), Some("d".into()), password).unwrap();
    PostgresRequester::new(100).with_login(login)
}

/// A requester that has said the first packet.
fn begun(password: Option<&str>) -> PostgresRequester {
    let (mut requester, mut wire) = (requester(password), Vec::new());
    requester.open(&mut wire);
    assert!(wire[8..].starts_with(b"user\0me\0database\0d\0client_encoding\0UTF8\0\0"));
    requester
}

type Seen = Vec<(Outcome, String)>;

fn hear(requester: &mut PostgresRequester, bytes: &[u8]) -> Result<(Seen, Vec<u8>), Malformed> {
    let (mut seen, mut answer) = (Vec::new(), Vec::new());
    requester.decode(bytes, |reply| {
        seen.push((reply.outcome, reply.body.escape_ascii().to_string()));
    })?;
    requester.open(&mut answer);
    Ok((seen, answer))
}

/// A requester that is open.
fn open() -> PostgresRequester {
    let mut requester = begun(None);
    let bytes = [authentication(0, b""), settings()].concat();
    let (seen, answer) = hear(&mut requester, &bytes).unwrap();
    assert!(seen.is_empty() && answer.starts_with(b"P") && !requester.is_open());
    let (seen, answer) = hear(&mut requester, &[message(b'1', b""), ready()].concat()).unwrap();
    assert!(seen.is_empty() && answer.is_empty() && requester.is_open());
    requester
}

#[test]
fn a_statement_is_prepared_once_and_a_simple_requester_prepares_none() {
    open();
    let mut requester = begun(None).simple();
    let mut wire = Vec::new();
    let mut fresh = PostgresRequester::new(100).simple();
    fresh.open(&mut wire);
    let bytes = [authentication(0, b""), settings()].concat();
    let (_, answer) = hear(&mut fresh, &bytes).unwrap();
    assert!(answer.is_empty() && fresh.is_open());
    wire.clear();
    requester.encode(0, b"it's", &mut wire);
    assert_eq!(wire, b"Q\0\0\0\x13SELECT 'it''s'\0");
}

#[test]
fn passwords_are_sent_as_they_are_asked_for() {
    let mut requester = begun(Some("secret"));
    let (_, answer) = hear(&mut requester, &authentication(3, b"")).unwrap();
    assert_eq!(answer, message(b'p', b"secret\0"));
    let mut requester = begun(Some("secret"));
    let (_, answer) = hear(&mut requester, &authentication(5, b"salt")).unwrap();
    // md5 of "salt" after the hexadecimal md5 of "secretme".
    assert_eq!(answer, message(b'p', b"md541c83370953958037c7298c50b238bda\0"));
    let mut requester = begun(Some("secret"));
    let (_, answer) =
        hear(&mut requester, &authentication(10, b"OTHER\0SCRAM-SHA-256\0\0")).unwrap();
    assert!(answer.starts_with(b"p") && answer[5..].starts_with(b"SCRAM-SHA-256\0"));
    assert!(answer.windows(8).any(|part| part == b"n,,n=,r="));
}

#[test]
fn what_can_t_be_proven_or_is_no_proof_is_an_error_with_its_cause() {
    let scram = authentication(10, b"SCRAM-SHA-256\0\0");
    for (password, bytes, fault) in [
        (None, authentication(3, b""), OpeningFault::NoPassword),
        (None, authentication(5, b"salt"), OpeningFault::NoPassword),
        (None, scram.clone(), OpeningFault::NoPassword),
        (Some("x"), authentication(7, b""), OpeningFault::Method(7)),
        (Some("x"), authentication(10, b"OTHER\0\0"), OpeningFault::Mechanism),
        (Some("x"), authentication(10, b"SCRAM-SHA-256-PLUS\0\0"), OpeningFault::Mechanism),
        // A server that does not know the password lets everyone in.
        (Some("x"), [scram.clone(), authentication(0, b"")].concat(), OpeningFault::Unproven),
        (
            Some("x"),
            [scram.clone(), authentication(11, b"r=x,s=,i=1")].concat(),
            OpeningFault::Scram,
        ),
        (Some("x"), [scram, authentication(12, b"v=x")].concat(), OpeningFault::Unproven),
    ] {
        let outcome = hear(&mut begun(password), &bytes);
        assert_eq!(outcome, Err(Malformed::Opening(fault)));
    }
    for nonsense in [
        b"HTTP/1.1 400".to_vec(),
        ready(),
        row(b"a"),
        authentication(11, b""),
        [authentication(0, b""), authentication(0, b"")].concat(),
        b"R\0\0\0\x03".to_vec(),
    ] {
        assert_eq!(hear(&mut begun(None), &nonsense), Err(Malformed::NotPostgres));
    }
    let long = Err(Malformed::TooLong(MOST_MESSAGE));
    assert_eq!(hear(&mut begun(None), b"S\x7f\0\0\0"), long);
}

/// With a password that it does not know, a server can't sign what was said.
#[test]
fn a_server_that_does_not_know_the_password_is_not_believed() {
    let mut requester = begun(Some("secret"));
    let offered = authentication(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    let (_, answer) = hear(&mut requester, &offered).unwrap();
    let text = String::from_utf8_lossy(&answer);
    let nonce = text.split_once("r=").unwrap().1;
    let first = format!("r={nonce}more,s=c2FsdA==,i=4096");
    let (_, proof) = hear(&mut requester, &authentication(11, first.as_bytes())).unwrap();
    assert!(proof.windows(3).any(|part| part == b",p="));
    let signed = authentication(12, b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let refused = hear(&mut requester, &signed).unwrap_err();
    assert_eq!(refused, Malformed::Opening(OpeningFault::Unproven));
    let told = refused.to_string();
    assert!(told.contains("did not prove that it knows the password"), "{told}");
    let told = Malformed::Opening(OpeningFault::Mechanism).to_string();
    assert!(told.contains("SCRAM-SHA-256-PLUS, with channel binding"), "{told}");
    let told = Malformed::Opening(OpeningFault::Method(7)).to_string();
    assert!(told.starts_with("the server asks for GSSAPI authentication, which"), "{told}");
}

#[test]
fn who_is_not_let_in_hears_why() {
    let refused = error("FATAL", "28P01", "password authentication failed");
    let mut requester = begun(Some("wrong"));
    let (seen, _) = hear(&mut requester, &refused).unwrap();
    let told = "28P01: password authentication failed".to_owned();
    assert_eq!(seen, [(Error, told)]);
    assert!(requester.is_over() && !requester.is_open());
    // What follows is no reply, whether it comes with the refusal or after it.
    assert_eq!(hear(&mut requester, b"nonsense").unwrap(), (vec![], vec![]));
}

#[test]
fn a_refusal_that_repeats_the_password_is_told_without_it() {
    let refused = error("FATAL", "08P01", "no command `hidden`: hidden");
    let (seen, _) = hear(&mut begun(Some("hidden")), &refused).unwrap();
    assert_eq!(seen, [(Error, "08P01: no command `***`: ***".to_owned())]);
    // The user of this requester is `me`.
    let refused = error("FATAL", "28P01", "authentication failed for user me");
    for (password, told) in [("me", "user me"), ("a", "authentication failed for user me")] {
        let (seen, _) = hear(&mut begun(Some(password)), &refused).unwrap();
        assert!(seen[0].1.ends_with(told), "{password}: {seen:?}");
    }
}

#[test]
fn a_reply_is_right_when_its_one_row_has_one_text() {
    let (bound, done) = (message(b'2', b""), message(b'C', b"SELECT 1\0"));
    let reply =
        |rows: &[Vec<u8>]| [bound.clone(), rows.concat(), done.clone(), ready()].concat();
    let null = message(b'D', &[0, 1, 0xff, 0xff, 0xff, 0xff]);
    let two_columns = message(b'D', &[0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    let notice = message(b'N', b"SNOTICE\0C00000\0Mhello\0\0");
    let stream = [
        reply(&[row(b"a")]),
        notice.clone(),
        reply(&[row(b"")]),
        reply(&[row(b"a"), row(b"b")]),
        reply(&[]),
        reply(&[null]),
        reply(&[two_columns]),
        [bound.clone(), notice, error("ERROR", "22021", "no\x1b"), ready()].concat(),
        reply(&[row(b"c")]),
    ]
    .concat();
    for piece in [1, 2, 7, stream.len()] {
        let mut requester = open();
        let mut seen = Vec::new();
        for piece in stream.chunks(piece) {
            seen.append(&mut hear(&mut requester, piece).unwrap().0);
        }
        let outcomes: Vec<_> = seen.iter().map(|(outcome, _)| *outcome).collect();
        let expected =
            [Echo, Echo, Unexpected, Unexpected, Unexpected, Unexpected, Error, Echo];
        assert_eq!(outcomes, expected);
        let texts = [&seen[0].1, &seen[1].1, &seen[6].1, &seen[7].1];
        assert_eq!(texts, ["a", "", "22021: no\\x1b", "c"]);
    }
}

#[test]
fn a_notice_between_replies_is_no_part_of_one_and_a_fatal_error_is_the_last_word() {
    let mut requester = open();
    let (seen, _) = hear(&mut requester, &message(b'A', b"\0\0\0\0a\0b\0")).unwrap();
    assert!(seen.is_empty() && requester.partial().is_empty());
    let fatal = error("FATAL", "57P01", "terminating connection");
    let (seen, _) = hear(&mut requester, &[fatal, ready()].concat()).unwrap();
    assert_eq!(seen, [(Error, "57P01: terminating connection".to_owned())]);
    assert!(requester.is_over() && requester.partial().is_empty());
}

#[test]
fn what_is_too_long_is_refused_before_it_is_there() {
    let mut requester = open();
    let outcome = hear(&mut requester, b"D\0\0\x01\0");
    assert_eq!(outcome, Err(Malformed::TooLong(100)));
    let notice = message(b'N', &b"x".repeat(60_000));
    let mut requester = open();
    assert!(hear(&mut requester, &message(b'2', b"")).is_ok());
    let endless = (0..10).find_map(|_| hear(&mut requester, &notice).err());
    assert!(matches!(endless, Some(Malformed::TooLong(_))), "{endless:?}");
}
