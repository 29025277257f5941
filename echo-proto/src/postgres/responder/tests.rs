use super::*;

fn startup() -> Vec<u8> {
    let body = b"\0\x03\0\0user\0me\0\0";
    [&(4 + body.len() as u32).to_be_bytes()[..], body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(4 + body.len() as u32).to_be_bytes(), body].concat()
}

fn query(text: &str) -> Vec<u8> {
    message(b'Q', &[text.as_bytes(), b"\0"].concat())
}

fn parse(name: &str, text: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{text}\0\0\0").as_bytes())
}

fn bind(name: &str, values: &[&[u8]]) -> Vec<u8> {
    let mut body = format!("\0{name}\0\0\0\0").into_bytes();
    body.push(values.len() as u8);
    for value in values {
        body.extend((value.len() as u32).to_be_bytes());
        body.extend_from_slice(value);
    }
    body.extend([0, 0]);
    message(b'B', &body)
}

fn execute() -> Vec<u8> {
    message(b'E', &[0; 5])
}

fn sync() -> Vec<u8> {
    message(b'S', b"")
}

/// What is said, message by message: type and body.
fn told(mut bytes: &[u8]) -> Vec<(char, Vec<u8>)> {
    let mut all = Vec::new();
    while let [kind, a, b, c, d, rest @ ..] = bytes {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize - 4;
        all.push((char::from(*kind), rest[..length].to_vec()));
        bytes = &rest[length..];
    }
    assert_eq!(bytes, b"");
    all
}

/// A connection that is open.
fn open(max_message: usize) -> PostgresResponder {
    let mut responder = PostgresResponder::new(max_message);
    let mut replies = Replies::new(WriteMode::Whole);
    assert_eq!(responder.receive(&startup(), &mut replies), Flow::Open);
    responder
}

struct Said {
    kinds: String,
    bodies: Vec<String>,
    flow: Flow,
    counts: (u64, u64),
}

/// What an open connection answers to `pieces`.
fn ask(responder: &mut PostgresResponder, pieces: &[Vec<u8>]) -> Said {
    let mut replies = Replies::new(WriteMode::Whole);
    let flow = responder.receive(&pieces.concat(), &mut replies);
    let said = told(replies.bytes());
    Said {
        kinds: said.iter().map(|(kind, _)| kind).collect(),
        bodies: said.into_iter().map(|(_, body)| body.escape_ascii().to_string()).collect(),
        flow,
        counts: (replies.messages(), replies.errors()),
    }
}

#[test]
fn every_user_is_let_in_after_encryption_was_declined() {
    let mut responder = PostgresResponder::new(100);
    let mut replies = Replies::new(WriteMode::Whole);
    let request = |code: u32| [&8_u32.to_be_bytes()[..], &code.to_be_bytes()].concat();
    let (ssl, gss) = (request((1234 << 16) + 5679), request((1234 << 16) + 5680));
    assert_eq!(responder.receive(&[gss, ssl].concat(), &mut replies), Flow::Open);
    assert_eq!(replies.bytes(), b"NN");
    let said = ask(&mut responder, &[startup()]);
    assert_eq!((&said.kinds[..], said.flow), ("RSSSSSSSKZ", Flow::Open));
    assert_eq!(said.bodies[0], "\\x00\\x00\\x00\\x00");
    assert_eq!(said.bodies[1], "server_version\\x0015.0 (echo)\\x00");
    assert_eq!(said.bodies.last().unwrap(), "I");
    assert_eq!(said.counts, (0, 0), "nothing was asked yet");
}

#[test]
fn a_newer_minor_version_is_told_that_3_0_is_spoken() {
    let mut packet = startup();
    packet[7] = 2;
    let said = ask(&mut PostgresResponder::new(100), &[packet]);
    assert!(said.kinds.starts_with("vR"), "{}", said.kinds);
    // The version as in a startup packet, and no option.
    assert_eq!(said.bodies[0], "\\x00\\x03\\x00\\x00\\x00\\x00\\x00\\x00");
}

#[test]
fn options_of_the_protocol_are_declined_by_name() {
    let body = b"\0\x03\0\0_pq_.a\x001\0user\0me\0_pq_.b\0\0\0";
    let packet = [&(4 + body.len() as u32).to_be_bytes()[..], body].concat();
    let said = ask(&mut PostgresResponder::new(100), &[packet]);
    assert!(said.kinds.starts_with("vR"), "{}", said.kinds);
    let named = b"\0\x03\0\0\0\0\0\x02_pq_.a\0_pq_.b\0";
    assert_eq!(said.bodies[0], named.escape_ascii().to_string());
}

#[test]
fn a_cancel_request_or_a_second_ssl_request_ends_the_connection() {
    let cancel = [&16_u32.to_be_bytes()[..], &0x04d2_162e_u32.to_be_bytes(), &[0; 8]].concat();
    let said = ask(&mut PostgresResponder::new(100), &[cancel]);
    assert_eq!((&said.kinds[..], said.flow, said.counts), ("", Flow::Finish, (0, 0)));
    let ssl = [&8_u32.to_be_bytes()[..], &((1234_u32 << 16) + 5679).to_be_bytes()].concat();
    let mut replies = Replies::new(WriteMode::Whole);
    let mut responder = PostgresResponder::new(100);
    assert_eq!(responder.receive(&[&ssl[..], &ssl].concat(), &mut replies), Flow::Finish);
    assert_eq!(told(&replies.bytes()[1..])[0].0, 'E');
}

#[test]
fn simple_queries_answer_their_literals() {
    let mut server = open(100);
    let said = ask(&mut server, &[query("select 'it''s'")]);
    assert_eq!((&said.kinds[..], said.counts), ("TDCZ", (1, 0)));
    assert!(said.bodies[0].contains("?column?"), "{}", said.bodies[0]);
    assert_eq!(said.bodies[1], "\\x00\\x01\\x00\\x00\\x00\\x04it\\'s");
    assert_eq!(said.bodies[2], "SELECT 1\\x00");
    let said = ask(&mut server, &[query("begin; SELECT 1; select 'x'; end")]);
    assert_eq!((&said.kinds[..], said.counts), ("CTDCTDCCZ", (4, 0)));
    assert_eq!(said.bodies[2], "\\x00\\x01\\x00\\x00\\x00\\x011");
    let said = ask(&mut server, &[query(" ; ")]);
    assert_eq!((&said.kinds[..], said.counts), ("IZ", (1, 0)));
}

#[test]
fn what_is_unknown_gets_an_error_and_the_connection_goes_on() {
    let mut server = open(100);
    for (text, sqlstate) in [
        ("select now()", "42601"),
        ("CREATE TABLE t ()", "42601"),
        ("select $1", "42P02"),
        ("select $1::text; select 2", "42P02"),
    ] {
        let said = ask(&mut server, &[query(text), query("select 'x'")]);
        assert_eq!((&said.kinds[..], said.flow), ("EZTDCZ", Flow::Open), "{text}");
        let begin = format!("SERROR\\x00VERROR\\x00C{sqlstate}\\x00M");
        assert!(said.bodies[0].starts_with(&begin), "{text}: {}", said.bodies[0]);
        assert_eq!(said.counts, (2, 0));
    }
    let said = ask(&mut server, &[query("select 'x'; boo; select 'y'")]);
    assert_eq!(said.kinds, "TDCEZ", "as far as it is known");
}

#[test]
fn a_parameter_comes_back_as_often_as_it_is_bound() {
    let mut server = open(100);
    let said = ask(&mut server, &[parse("s", "select $1::text"), sync()]);
    assert_eq!((&said.kinds[..], said.counts), ("1Z", (0, 0)));
    let one = |text: &[u8]| [bind("s", &[text]), execute(), sync()].concat();
    let said = ask(&mut server, &[one(b"a"), one(b"\0\xff")]);
    assert_eq!((&said.kinds[..], said.counts), ("2DCZ2DCZ", (2, 0)));
    assert_eq!(said.bodies[1], "\\x00\\x01\\x00\\x00\\x00\\x01a");
    assert_eq!(said.bodies[5], "\\x00\\x01\\x00\\x00\\x00\\x02\\x00\\xff");
    let describe = message(b'D', b"P\0");
    let both = [describe, execute(), execute()].concat();
    let said = ask(&mut server, &[bind("s", &[b"a"]), both, message(b'H', b""), sync()]);
    assert_eq!(said.kinds, "2TDCCZ");
    assert_eq!(said.bodies[4], "SELECT 0\\x00", "a portal has its row once");
    let said = ask(&mut server, &[message(b'D', b"Ss\0"), message(b'C', b"Ss\0"), sync()]);
    assert_eq!(said.kinds, "tT3Z");
    assert_eq!(said.bodies[0], "\\x00\\x01\\x00\\x00\\x00\\x19");
}

#[test]
fn after_an_error_all_is_skipped_up_to_the_next_sync() {
    let mut server = open(100);
    for (wrong, sqlstate) in [
        (parse("", "select now()"), "42601"),
        (parse("", "select 'a'; select 'b'"), "42601"),
        (parse("", &format!("select '{}'", "x".repeat(1025))), "54000"),
        (bind("nobody", &[]), "26000"),
        (execute(), "34000"),
        (message(b'D', b"P\0"), "34000"),
        (message(b'F', b""), "0A000"),
        ([parse("", "select $1"), bind("", &[])].concat(), "08P01"),
        ([parse("", "select $1"), bind("", &[b"a", b"b"])].concat(), "08P01"),
    ] {
        let is_call = wrong[0] == b'F';
        let mut server = if wrong.len() > 1000 {
            open(1000)
        } else {
            std::mem::replace(&mut server, open(100))
        };
        let after = [wrong, parse("p", "select 'x'"), query("select 'y'"), sync()];
        let said = ask(&mut server, if is_call { &after[..1] } else { &after });
        let kinds = said.kinds.trim_start_matches('1');
        assert_eq!((kinds, said.flow), ("EZ", Flow::Open), "{sqlstate}");
        let error = &said.bodies[said.bodies.len() - 2];
        assert!(error.contains(&format!("C{sqlstate}\\x00")), "{sqlstate}: {error}");
        assert_eq!(said.counts, (1, 0));
        let said = ask(&mut server, &[query("select 'z'")]);
        assert_eq!(said.kinds, "TDCZ", "{sqlstate}");
    }
}

#[test]
fn null_and_binary_results_are_answered_as_they_are_asked_for() {
    let mut server = open(100);
    let null = message(b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xff\0\0");
    let said = ask(&mut server, &[parse("", "select $1"), null, execute(), sync()]);
    assert_eq!(said.bodies[2], "\\x00\\x01\\xff\\xff\\xff\\xff");
    let binary = message(b'B', b"\0\0\0\0\0\0\0\x01\0\x01");
    let said = ask(&mut server, &[parse("", "select 258"), binary, execute(), sync()]);
    assert_eq!(said.bodies[2], "\\x00\\x01\\x00\\x00\\x00\\x04\\x00\\x00\\x01\\x02");
}

#[test]
fn what_is_no_message_ends_the_connection_with_its_cause() {
    for (wrong, text) in [
        (message(b'Q', b"no end"), "invalid message format"),
        (message(b'Q', b"a\0b\0"), "invalid message format"),
        (message(b'B', b"\0\0"), "invalid message format"),
        (b"Q\0\0\0\x03".to_vec(), "invalid message length"),
        (b"Q\xff\xff\xff\xff".to_vec(), "message too long (limit 100 bytes)"),
        (b"p".to_vec(), "invalid frontend message type 112"),
        (query(&format!("select '{}'", "x".repeat(101))), "message too long (limit 100 bytes)"),
    ] {
        let mut server = open(100);
        let said = ask(&mut server, &[wrong, query("select 'x'")]);
        assert_eq!((&said.kinds[..], said.flow, said.counts), ("E", Flow::Finish, (0, 1)));
        assert!(said.bodies[0].starts_with("SFATAL\\x00VFATAL\\x00C08P01\\x00M"), "{text}");
        assert!(said.bodies[0].contains(text), "{text}: {}", said.bodies[0]);
        assert_eq!(ask(&mut server, &[query("select 'x'")]).kinds, "");
    }
}

#[test]
fn terminate_ends_the_connection_without_a_word() {
    let said = ask(&mut open(100), &[query("select 'x'"), message(b'X', b""), sync()]);
    assert_eq!((&said.kinds[..], said.flow, said.counts), ("TDCZ", Flow::Finish, (1, 0)));
}
