//! Formatting of replies: [`Display`]. Prints nothing.

use std::fmt::Write as _;
use std::time::Duration;

use echo_client::connection::Answer;
use echo_proto::terminal;
use echo_proto::{Outcome, ProtocolKind, Service};

const RED: anstyle::Style = anstyle::AnsiColor::Red.on_default();
const DIM: anstyle::Style = anstyle::Style::new().dimmed();

/// How replies are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Display {
    /// What sends the replies.
    pub(crate) protocol: Service,
    /// Escaped for a terminal; otherwise bytes are unchanged.
    pub(crate) escaped: bool,
    /// With colours.
    pub(crate) coloured: bool,
    /// With the round-trip time of each reply.
    pub(crate) timed: bool,
}

impl Display {
    /// Appends a reply to piped output: as the server sent it, one per line. Raw replies are
    /// not line-based.
    pub(crate) fn filtered(self, answer: &Answer<'_>, output: &mut Vec<u8>) {
        self.plain(self.protocol.framing().reply_prefix(answer.outcome), output);
        self.plain(answer.body, output);
        if self.timed {
            output.extend_from_slice(format!("\t{}", shown_time(answer.round_trip)).as_bytes());
        }
        if self.protocol.framing() != ProtocolKind::Raw {
            output.push(b'\n');
        }
    }

    /// Appends bytes that may be part of a reply, without adding a newline.
    pub(crate) fn plain(self, bytes: &[u8], output: &mut Vec<u8>) {
        if self.escaped {
            let mut shown = String::new();
            terminal::escape(bytes, &mut shown);
            output.extend_from_slice(shown.as_bytes());
        } else {
            output.extend_from_slice(bytes);
        }
    }

    /// Appends a reply as shown at the prompt.
    pub(crate) fn prompted(self, answer: &Answer<'_>, output: &mut String) {
        let body = match self.protocol.framing() {
            // The newline that the prompt has sent is echoed.
            ProtocolKind::Raw => answer.body.strip_suffix(b"\n").unwrap_or(answer.body),
            _ => answer.body,
        };
        // In a chat these are lines of others, not replies.
        if !self.protocol.is_chat() {
            output.push_str("< ");
        }
        let mut shown = String::new();
        if let Some(status) = answer.failed_status() {
            // Writing to a String can't fail.
            let _ = write!(shown, "[{status}] ");
        }
        terminal::escape(self.protocol.framing().reply_prefix(answer.outcome), &mut shown);
        terminal::escape(body, &mut shown);
        self.styled(answer.outcome == Outcome::Error, RED, &shown, output);
        if self.timed {
            output.push_str("  ");
            self.styled(true, DIM, &shown_time(answer.round_trip), output);
        }
        output.push('\n');
    }

    fn styled(self, apply: bool, style: anstyle::Style, text: &str, output: &mut String) {
        let style = if apply && self.coloured { style } else { anstyle::Style::new() };
        // Writing to a String can't fail.
        let _ = write!(output, "{style}{text}{style:#}");
    }
}

/// A round-trip time in milliseconds with microsecond precision, as in ping(8).
fn shown_time(round_trip: Option<Duration>) -> String {
    match round_trip {
        Some(round_trip) => format!("{:.3} ms", round_trip.as_secs_f64() * 1e3),
        None => "unsolicited".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Display = Display {
        protocol: Service::Echo(ProtocolKind::Line),
        escaped: false,
        coloured: false,
        timed: false,
    };

    fn answer(outcome: Outcome, body: &[u8]) -> Answer<'_> {
        Answer { outcome, status: None, body, round_trip: Some(Duration::from_micros(1_234)) }
    }

    fn filtered(display: Display, outcome: Outcome, body: &[u8]) -> Vec<u8> {
        let mut output = Vec::new();
        display.filtered(&answer(outcome, body), &mut output);
        output
    }

    fn prompted(display: Display, outcome: Outcome, body: &[u8]) -> String {
        let mut output = String::new();
        display.prompted(&answer(outcome, body), &mut output);
        output
    }

    #[test]
    fn a_filter_gives_replies_as_they_were_sent() {
        assert_eq!(filtered(PIPE, Outcome::Echo, b"a\x1b\xff"), b"ECHO: a\x1b\xff\n");
        assert_eq!(filtered(PIPE, Outcome::Error, b"no"), b"ERROR: no\n");
        assert_eq!(filtered(PIPE, Outcome::Unexpected, b"* hello"), b"* hello\n");
        let raw = Display { protocol: ProtocolKind::Raw.into(), ..PIPE };
        assert_eq!(filtered(raw, Outcome::Echo, b"a"), b"a");
        let frame = Display { protocol: ProtocolKind::Frame.into(), ..PIPE };
        assert_eq!(filtered(frame, Outcome::Echo, b"a"), b"a\n");
    }

    #[test]
    fn a_terminal_gets_no_control_character() {
        let terminal = Display { escaped: true, timed: true, ..PIPE };
        let shown = filtered(terminal, Outcome::Echo, b"a\x1b[31m");
        assert_eq!(shown, b"ECHO: a\\x1b[31m\t1.234 ms\n");
        assert_eq!(prompted(PIPE, Outcome::Echo, b"a\x1b[31m"), "< ECHO: a\\x1b[31m\n");
    }

    #[test]
    fn a_status_stands_before_the_body_unless_it_is_a_success() {
        let web = Display { protocol: ProtocolKind::Http.into(), ..PIPE };
        for (status, outcome, expected) in [
            (404, Outcome::Error, "< [404] ECHO: /x\n"),
            (302, Outcome::Error, "< [302] ECHO: /x\n"),
            (200, Outcome::Echo, "< ECHO: /x\n"),
        ] {
            let answer = Answer { status: Some(status), ..answer(outcome, b"ECHO: /x") };
            let mut shown = String::new();
            web.prompted(&answer, &mut shown);
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn colour_marks_errors_and_never_says_something_alone() {
        let coloured = Display { coloured: true, timed: true, ..PIPE };
        let shown = prompted(coloured, Outcome::Error, b"no");
        assert_eq!(shown, "< \x1b[31mERROR: no\x1b[0m  \x1b[2m1.234 ms\x1b[0m\n");
        let plain = Display { timed: true, ..PIPE };
        assert_eq!(prompted(plain, Outcome::Error, b"no"), "< ERROR: no  1.234 ms\n");
    }
}
