//! What findings say where it takes more than a constant: a function for each.

use super::SERVER_ENDED;
use crate::report::nouns::{Noun, Nouns};

pub(super) fn server_not_stopped() -> (&'static str, String, &'static str) {
    (
        "server-not-stopped",
        "the server did not stop in time and had to be killed".into(),
        "what it does when it stops is missing; the measured window is not touched",
    )
}

pub(super) fn server_ended(how: &str) -> (&'static str, String, &'static str) {
    (
        SERVER_ENDED,
        format!("the server ended during the run: {how}"),
        "the numbers describe the part before; see what it said",
    )
}

pub(super) fn unverified() -> (&'static str, String, &'static str) {
    (
        "unverified-server",
        "--insecure: nobody checked who the server is".into(),
        "handshakes lack the cost of that check; name the certificate with --cacert",
    )
}

pub(super) fn parts_missing(numbers: &[u32], of: u32) -> (&'static str, String, &'static str) {
    (
        "parts-missing",
        missing_parts(numbers, of),
        "the numbers are those of the parts that are there, and no rate is claimed for the others",
    )
}

/// Which parts are missing.
pub(crate) fn missing_parts(numbers: &[u32], of: u32) -> String {
    let listed: Vec<_> = numbers.iter().take(10).map(ToString::to_string).collect();
    let more = if numbers.len() > listed.len() { ", ..." } else { "" };
    let (parts, are) = if numbers.len() == 1 { ("part", "is") } else { ("parts", "are") };
    format!("{parts} {}{more} of {of} {are} missing", listed.join(", "))
}

pub(super) fn parts_apart(
    skew_s: f64,
    measured_s: f64,
) -> (&'static str, String, &'static str) {
    let what = if skew_s < measured_s {
        "for a part of the window not all of them were at work"
    } else {
        "they did not run at once, and the server never saw the sum of their rates"
    };
    (
        "parts-apart",
        format!("the loads of the parts began {skew_s:.3} s apart: {what}"),
        "start them together: --start-at with one time for all, and clocks in step (NTP)",
    )
}

/// Where wrong replies came, they may have come then.
pub(super) fn no_replies(silent_s: f64, load_s: f64, wrong: bool, answer: Noun) -> String {
    let successful = if wrong { "successful " } else { "" };
    format!("no {successful}{} for the last {silent_s:.1} s of {load_s:.1} s", answer.many)
}

pub(super) fn clamped(values: u64) -> String {
    format!("{values} latencies were above one hour and count as one hour")
}

pub(super) fn not_sharp(achieved: Option<f64>) -> String {
    match achieved {
        Some(share) => format!(
            "the interval of the percentile of --until is +-{:.1} % at the end",
            share * 100.0
        ),
        None => "the percentile of --until has no interval at the end".into(),
    }
}

pub(super) fn unfair(below_tenth: u64, connections: u64, median: u64, nouns: Nouns) -> String {
    format!(
        "{below_tenth} of {connections} {} got less than a tenth of the median of {median} {}",
        nouns.party.of(connections),
        nouns.answer.of(median)
    )
}

pub(super) fn starved_parties(starved: u64, connections: u64, nouns: Nouns) -> String {
    let (parties, answer) = (nouns.party.of(connections), nouns.answer.one);
    format!("{starved} of {connections} {parties} got no {answer} in the window")
}

pub(super) fn nothing_measured(nouns: Nouns) -> String {
    if nouns.counted == nouns.answer {
        return format!("no {} of the window succeeded", nouns.counted.one);
    }
    format!("no {} of the window got a successful {}", nouns.counted.one, nouns.answer.one)
}

pub(super) fn below_offered(achieved: f64, offered: f64, nouns: Nouns) -> String {
    let done = if nouns.counted == nouns.answer { "arrived" } else { "were answered" };
    format!("{achieved:.1} of {offered:.1} {} per second {done}", nouns.counted.many)
}

pub(super) fn stray_replies(stray: u64, nouns: Nouns) -> String {
    if nouns.counted == nouns.answer {
        return format!("{stray} {} were of no {}", nouns.answer.of(stray), nouns.sent.one);
    }
    format!("{stray} {} answered no {}", nouns.answer.of(stray), nouns.counted.one)
}

pub(super) fn late_bounds(censored: u64, nouns: Nouns) -> String {
    let never =
        if nouns.counted == nouns.answer { "never arrived" } else { "were never answered" };
    let what = nouns.counted.of(censored);
    format!("{censored} {what} {never} and count with their age")
}

/// Which side is suspect: what was in flight and has no latency, or the other way round.
pub(super) fn littles_law(in_flight: f64, expected: f64, counted: Noun) -> String {
    let suspect: String = if in_flight > expected {
        format!("the latencies lack {} that were in flight", counted.many)
    } else {
        "the latencies hold more than was in flight within the window".into()
    };
    let what = counted.many;
    format!("{in_flight:.1} {what} in flight, but rate x latency is {expected:.1}: {suspect}")
}

pub(super) fn unbalanced(scheduled: u64, ended: u64, counted: Noun) -> String {
    format!("{scheduled} {} were scheduled and {ended} ended", counted.of(scheduled))
}

pub(super) fn connections_lost(lost: u64, reconnects: u64) -> String {
    match reconnects {
        0 => format!("connections were lost {lost} times"),
        some => format!("connections were lost {lost} times; {some} reconnects"),
    }
}
