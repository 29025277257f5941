//! What events and keys do to the view.

use std::time::Duration;

use clap::Parser;
use echo_bench_engine::Sums;
use echo_bench_engine::plan::Plan;
use echo_bench_engine::record::{Interval, Phase};

use super::*;
use crate::cli::{Cli, Inputs};
use crate::view::clock::Clock;
use crate::view::event::{Begun, Moment};

const SECOND: u64 = 1_000_000_000;

/// The plan of such a command line.
pub(in crate::view) fn plan(words: &[&str]) -> Plan {
    let all = ["echo-bench", "127.0.0.1:1"].iter().chain(words);
    let inputs = Inputs {
        messages: None,
        sizes: None,
        arrivals: None,
        cores: 1,
        cpus: Vec::new(),
        nodes: Vec::new(),
        seed: 1,
        credentials: echo_client::credentials::Credentials::default(),
    };
    Cli::try_parse_from(all).unwrap().run.plan(&inputs).unwrap()
}

/// A view of a run that has begun.
pub(in crate::view) fn begun(words: &[&str]) -> View {
    let mut view = View::default();
    let begun = Begun { plan: plan(words), name: String::new() };
    view.hear(Event::Begun(Box::new(begun)));
    view
}

/// A piece in which so many requests were answered after about `ns`.
pub(in crate::view) fn piece(index: u64, is_open: bool, answered: u64, ns: u64) -> Event {
    let mut interval = Interval::new(index, is_open);
    (interval.tally.scheduled, interval.tally.ok) = (answered + 1, answered);
    (interval.tally.answered, interval.tally.timeout) = (answered, 1);
    for number in 0..answered {
        interval.latencies.record((0, ns / 10, ns + number * ns / 100), 1, false);
    }
    Event::Measured(Box::new(interval))
}

fn moment(at_s: u64, phase: Phase, ends_in_s: u64, replies: u64) -> Event {
    let at = at_s * SECOND;
    let left_ns = Some(ends_in_s * SECOND);
    Event::Moment(Moment { at, phase, left_ns, established: 3, failed: 2, replies })
}

#[test]
fn a_run_is_shown_from_its_first_connection_to_its_drain() {
    let mut view = View::default();
    assert!(view.run().is_none());
    view.hear(moment(0, Phase::SetUp, 0, 0));
    assert!(view.run().is_none(), "nothing is known of it");
    view = begun(&["--conns=9", "-d", "20s"]);
    view.hear(moment(0, Phase::SetUp, 0, 0));
    let run = view.run().unwrap();
    assert_eq!((run.phase(), run.established, run.connections), (Phase::SetUp, 3, 9));
    view.hear(Event::Connected(9));
    view.hear(moment(1, Phase::WarmUp, 21, 50));
    let run = view.run().unwrap();
    assert_eq!((run.phase(), run.established, run.done()), (Phase::WarmUp, 9, Some(0.0)));
    view.hear(moment(2, Phase::Window, 20, 100));
    view.hear(moment(7, Phase::Window, 15, 600));
    view.hear(piece(0, false, 500, 1_000));
    let run = view.run().unwrap();
    assert_eq!((run.done(), run.left()), (Some(0.25), Some(Duration::from_secs(15))));
    assert_eq!((run.rate_now(), run.failed_now), (Some(100.0), 2));
    assert_eq!(run.rates(), Some((501.0, 500.0)));
    view.hear(moment(22, Phase::Drain, 0, 600));
    let run = view.run().unwrap();
    assert_eq!((run.phase(), run.done(), run.left()), (Phase::Drain, Some(1.0), None));
}

#[test]
fn a_run_that_is_followed_shows_its_stages_and_time_left_by_its_pieces() {
    let mut view = begun(&["--stage=1k:2s", "--ramp=1k..2k:2s"]);
    view.hear(Event::Connected(10));
    view.hear(piece(0, true, 1_000, 1_000));
    view.hear(Event::Sums(Sums { stamped_ns: 10, own_ns: 1, ..Sums::default() }));
    let run = view.run().unwrap();
    assert_eq!((run.phase(), run.done()), (Phase::Window, Some(0.25)));
    assert_eq!(run.left(), Some(Duration::from_secs(3)));
    assert!(run.stage().unwrap().starts_with("stage 1/2"), "{:?}", run.stage());
    view.hear(piece(1, true, 1_000, 1_000));
    view.hear(piece(2, true, 1_000, 1_000));
    let run = view.run().unwrap();
    assert!(run.stage().unwrap().starts_with("stage 2/2"), "{:?}", run.stage());
    assert_eq!(run.rate_now(), Some(1_000.0));
    assert_eq!(run.sums.own_share(), Some(0.1));
}

#[test]
fn of_a_number_of_requests_the_time_left_goes_by_the_pace() {
    let mut view = begun(&["-n", "10k"]);
    view.hear(piece(0, false, 2_500, 1_000));
    let run = view.run().unwrap();
    assert_eq!((run.done(), run.left()), (Some(0.25), Some(Duration::from_secs(3))));
}

#[test]
fn a_held_picture_stays_and_nothing_is_lost_meanwhile() {
    let mut view = begun(&["--rate=1k"]);
    view.hear(piece(0, true, 1_000, 1_000));
    assert!(!view.press(Key::Pause) && view.is_paused());
    view.hear(piece(1, true, 1_000, 1_000));
    assert_eq!(view.run().unwrap().tally.ok, 1_000);
    view.press(Key::Pause);
    assert!(!view.is_paused());
    assert_eq!(view.run().unwrap().tally.ok, 2_000);
}

#[test]
fn clocks_take_turns_and_a_closed_loop_has_one() {
    let mut view = begun(&["--rate=1k"]);
    view.hear(piece(0, true, 100, 1_000));
    let mut seen = vec![view.clock()];
    for _ in 0..4 {
        view.press(Key::Clock);
        seen.push(view.clock());
    }
    let [response, service, wait, lateness] =
        [Clock::Response, Clock::Service, Clock::Wait, Clock::Lateness];
    assert_eq!(seen, [response, service, wait, lateness, response]);
    let run = view.run().unwrap();
    assert_eq!(run.clock(response).unwrap().count(), 100);
    assert!(run.clock(lateness).is_none(), "nothing was late");
    // The next run of a sweep may be a closed loop.
    view.press(Key::Clock);
    let next = Begun { plan: plan(&["-c", "1"]), name: "conns=1".into() };
    view.hear(Event::Begun(Box::new(next)));
    assert_eq!(view.clock(), response);
    view.press(Key::Clock);
    assert_eq!(view.clock(), response);
}

#[test]
fn only_a_stop_concerns_the_run() {
    let mut view = begun(&[]);
    for key in [Key::Pause, Key::Clock, Key::Help, Key::Back] {
        assert!(!view.press(key));
    }
    assert!(view.press(Key::Stop) && view.press(Key::Stop));
    assert_eq!(view.stops(), 2);
    view.press(Key::Help);
    assert!(view.is_help());
    view.press(Key::Back);
    assert!(!view.is_help());
}

#[test]
fn remarks_are_bounded_and_the_latest_stay() {
    let mut view = View::default();
    view.note((0..1_000).map(|number| number.to_string()));
    assert_eq!(view.notes().len(), MOST_NOTES);
    assert_eq!(view.notes().last().unwrap(), "999");
}
