use super::*;
use crate::WriteMode;
use std::time::{Duration, SystemTime};

fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_700_000_000_123)
}

fn replies(limit: usize, script: &[u8]) -> (String, Flow) {
    let mut replies = Replies::new(WriteMode::Whole);
    let mut responder = CommandResponder::new(limit, clock);
    let flow = responder.receive(script, &mut replies);
    responder.end_of_input(&mut replies);
    (String::from_utf8(replies.bytes().to_vec()).unwrap(), flow)
}

fn reply(line: &str) -> String {
    replies(1024, line.as_bytes()).0
}

#[test]
fn each_command_does_what_the_table_says() {
    for (line, answer) in [
        ("ECHO x", "ECHO: x\n"),
        ("echo  two  spaces ", "ECHO:  two  spaces \n"),
        ("ECHO", "ECHO: \n"),
        ("UPPER straße", "STRASSE\n"),
        ("LOWER ΟΔΟΣ", "οδος\n"),
        ("LOWER ΣΑΣ ÀÉİ", "σας àéi\u{307}\n"),
        ("lOwEr ABC", "abc\n"),
        ("REVERSE a🇩🇪é", "é🇩🇪a\n"),
        ("REVERSE ae\u{301}👩‍👩‍👧", "👩‍👩‍👧e\u{301}a\n"),
        ("REVERSE ", "\n"),
        ("TIME", "2023-11-14T22:13:20.123Z\n"),
        ("NOPE", "ERROR: Unknown command\n"),
        ("", ""),
        ("ECHOx", "ERROR: Unknown command\n"),
        ("TIME now", "ERROR: Unknown command\n"),
        (" ECHO x", "ERROR: Unknown command\n"),
    ] {
        assert_eq!(reply(line), answer, "{line}");
    }
    let help = reply("HELP");
    for word in ["ECHO", "UPPER", "LOWER", "REVERSE", "TIME", "HELP", "QUIT"] {
        assert!(help.contains(word) && help.lines().count() == 1, "{help}");
    }
}

#[test]
fn quit_ends_with_what_came_before_answered_and_nothing_after() {
    let (seen, flow) = replies(1024, b"ECHO a\nNOPE\n\nquit\nECHO no\n");
    assert_eq!(seen, "ECHO: a\nERROR: Unknown command\nERROR: Unknown command\n");
    assert_eq!(flow, Flow::Finish);
    assert_eq!(replies(1024, b"ECHO a\nQUIT"), ("ECHO: a\n".into(), Flow::Open));
}

#[test]
fn text_that_is_not_utf_8_is_echoed_and_not_interpreted() {
    let mut replies = Replies::new(WriteMode::Whole);
    let mut responder = CommandResponder::new(1024, clock);
    let script = b"ECHO \xff\nUPPER \xff\nLOWER \xff\nREVERSE \xff\n";
    assert_eq!(responder.receive(script, &mut replies), Flow::Open);
    let invalid = &b"ERROR: Invalid UTF-8\n"[..];
    assert_eq!(replies.bytes(), [b"ECHO: \xff\n", invalid, invalid, invalid].concat());
    assert_eq!((replies.messages(), replies.errors()), (4, 0));
}

#[test]
fn the_limit_is_of_the_text_and_not_of_the_command() {
    for (line, fits) in [
        ("ECHO 1234\n", true),
        ("ECHO 12345\n", false),
        ("REVERSE 1234\r\n", true),
        ("REVERSE 12345\n", false),
        ("ECHO 1234\r", true),
        ("ECHO 1234\r\r", false),
        ("NOPE\n", true),
        ("NOPE!\n", false),
        ("ECHO 12345", false),
    ] {
        let (seen, _) = replies(4, line.as_bytes());
        let refused = seen == "ERROR: line too long (limit 4 bytes)\n";
        assert_eq!(refused, !fits, "{line:?}: {seen}");
    }
}

#[test]
fn a_long_text_of_flags_is_reversed_in_linear_time() {
    let flags = "🇩🇪".repeat(8_000);
    let begin = std::time::Instant::now();
    let (seen, _) = replies(1 << 20, format!("REVERSE a{flags}\n").as_bytes());
    assert_eq!(seen, format!("{flags}a\n"));
    // Quadratic time would be minutes without optimisation.
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[test]
fn typed_commands_are_sent_as_they_are_and_their_replies_told_whole() {
    let mut requester = CommandRequester::typed(64);
    let mut wire = Vec::new();
    requester.encode(0, b"UPPER a", &mut wire);
    assert_eq!(wire, b"UPPER a\n");
    let mut seen = Vec::new();
    let decoded = requester.decode(b"ECHO: a\nERROR: no\nA\n", |reply| {
        seen.push((reply.outcome, reply.body.to_vec()));
    });
    assert_eq!(decoded, Ok(()));
    assert_eq!(
        seen,
        [
            (Outcome::Echo, b"ECHO: a".to_vec()),
            (Outcome::Error, b"no".to_vec()),
            (Outcome::Echo, b"A".to_vec()),
        ]
    );
}
