//! Rooms with members that pour out lines or never read: the others wait no longer for it, and
//! all queues together stay within their limit.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use echo_test_support::client::Client;
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::promptness::{at_most, best_of_three, p99};
use echo_test_support::running_server::{RunningServer, each_model, on_every_model};
use echo_test_support::turn::turn;
use rustix::process::Signal;
use socket2::SockRef;

use super::{CHAT, GREETING, who};

const TALKERS: usize = 6;

/// What each of them says, at least.
const LINES: usize = 50;

/// Between two lines of a talker.
const PAUSE: Duration = Duration::from_millis(10);

/// A member whose news of who comes and goes is not read yet.
fn enter(server: &RunningServer, name: &str) -> Client {
    enter_with_buffer(server, name, 64 << 10)
}

/// A member that takes nothing any more.
fn enter_deaf(server: &RunningServer, name: &str) -> Client {
    enter_with_buffer(server, name, 4096)
}

fn enter_with_buffer(server: &RunningServer, name: &str, buffer: usize) -> Client {
    let mut client = server.connect();
    SockRef::from(client.stream()).set_recv_buffer_size(buffer).expect("a size it may have");
    client.expect(GREETING);
    client.send(format!("/nick {name}\n").as_bytes());
    client
}

/// What one talker hears.
#[derive(Default)]
struct Heard {
    /// The numbers of the others' lines, by name.
    talk: HashMap<String, Vec<usize>>,
    /// How long each was under way.
    delays: Vec<Duration>,
    poured: usize,
}

/// Reads to the end, and notes when the frozen member has left.
fn listen(stream: TcpStream, began: Instant, is_cut: &AtomicBool) -> Heard {
    let mut heard = Heard::default();
    for line in BufReader::new(stream).lines() {
        let line = line.expect("an orderly end");
        if line == "* frozen left" {
            is_cut.store(true, Ordering::Relaxed);
        } else if let Some((name, text)) = line.split_once(": talk ") {
            let (number, sent_us) = text.split_once(' ').expect("the line is whole");
            let sent = Duration::from_micros(sent_us.parse().expect("a number"));
            heard.delays.push(began.elapsed().saturating_sub(sent));
            let number = number.parse().expect("a number");
            heard.talk.entry(name.to_owned()).or_default().push(number);
        } else {
            heard.poured += usize::from(line.starts_with("pours: "));
        }
    }
    heard
}

/// Says lines until the frozen member is cut off; how many.
fn talk(mut stream: &TcpStream, began: Instant, is_cut: &AtomicBool) -> usize {
    let mut said = 0;
    while said < LINES || !is_cut.load(Ordering::Relaxed) {
        assert!(began.elapsed() < PATIENCE, "the frozen member is not cut off");
        writeln!(stream, "talk {said} {}", began.elapsed().as_micros()).expect("it is read");
        said += 1;
        thread::sleep(PAUSE);
    }
    said
}

/// Six members talk, one pours out lines as fast as it can, and one is frozen: everyone hears all
/// lines of the talkers in order, the frozen one is cut off, and 99 of 100 lines take at most
/// `most`.
fn talk_beside_one_who_pours(server: &mut RunningServer, most: Duration) -> Result<(), String> {
    let frozen = enter_deaf(server, "frozen");
    let pours = enter(server, "pours");
    let talkers: Vec<_> =
        (0..TALKERS).map(|number| enter(server, &format!("t{number}"))).collect();
    wait_until("all are in", || who(server).starts_with("* 8 online"));
    let (began, is_cut, done) =
        (Instant::now(), AtomicBool::new(false), AtomicBool::new(false));
    let mut pouring = pours.sender();
    let (said, heard) = thread::scope(|scope| {
        let listen = |client: &Client| {
            let (stream, is_cut) = (client.sender(), &is_cut);
            scope.spawn(move || listen(stream, began, is_cut))
        };
        let listeners: Vec<_> = talkers.iter().map(listen).collect();
        let echoed = listen(&pours);
        let pour = scope.spawn(|| {
            let lines = [&[b'x'; 99][..], b"\n"].concat().repeat(10);
            while !done.load(Ordering::Relaxed) {
                pouring.write_all(&lines).expect("it is read");
            }
        });
        let said: Vec<_> = talkers
            .iter()
            .map(|client| {
                let (stream, is_cut) = (client.sender(), &is_cut);
                scope.spawn(move || talk(&stream, began, is_cut))
            })
            .collect();
        let said: Vec<_> =
            said.into_iter().map(|talker| talker.join().expect("heard")).collect();
        done.store(true, Ordering::Relaxed);
        pour.join().expect("it only sends");
        // What was said before is delivered.
        server.signal(Signal::TERM);
        echoed.join().expect("it only reads");
        let heard = listeners.into_iter().map(|listener| listener.join().expect("heard"));
        (said, heard.collect::<Vec<_>>())
    });
    drop(frozen);
    let mut delays = Vec::new();
    for (me, heard) in heard.into_iter().enumerate() {
        for (other, &lines) in said.iter().enumerate().filter(|(other, _)| *other != me) {
            let all: Vec<usize> = (0..lines).collect();
            let name = format!("t{other}");
            assert_eq!(heard.talk.get(&name), Some(&all), "what t{me} heard of {name}");
        }
        assert!(heard.poured > 0, "t{me} heard nothing of what was poured out");
        delays.extend(heard.delays);
    }
    let exit = server.wait_exit(PATIENCE);
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert_eq!(exit.summary()["chat"]["overflown"], 1, "{exit:?}");
    let p99 = p99(delays);
    println!("{}: p99 of a line {p99:?}", server.ready()["model"]);
    at_most(p99, most)
}

fn talk_beside_one_who_pours_on_each_model(most: Duration) {
    let _turn = turn();
    each_model(|model| {
        best_of_three(format_args!("{model}: p99 of a line"), || {
            // A line arrives after those already queued: not many, to see who waits.
            let few = ["--chat-queue=64K", "--send-buffer=16K"];
            let mut server = RunningServer::start(model, &[&CHAT[..], &few].concat());
            talk_beside_one_who_pours(&mut server, most)
        });
    });
}

/// Only who pours waits for the frozen one, which takes up to a second.
#[test]
fn a_talk_does_not_wait_for_a_member_that_is_frozen_or_for_one_that_pours() {
    talk_beside_one_who_pours_on_each_model(Duration::from_millis(500));
}

#[test]
#[ignore = "needs a quiet machine: cargo test --release --test scenarios crowds -- --ignored"]
fn a_talk_is_prompt_beside_a_member_that_is_frozen_and_one_that_pours() {
    talk_beside_one_who_pours_on_each_model(Duration::from_millis(20));
}

#[test]
fn many_that_read_nothing_share_one_limit_and_the_others_hear_everything() {
    const DEAF: usize = 100;
    const LINES: usize = 400;
    let flags =
        [&CHAT[..], &["--chat-room-queue=2M", "--send-buffer=16K", "--workers=1"]].concat();
    on_every_model(&flags, |server| {
        let deaf: Vec<_> =
            (0..DEAF).map(|one| enter_deaf(server, &format!("d{one}"))).collect();
        let sends = enter(server, "sends");
        let mut reads = enter(server, "reads");
        let online = format!("* {} online", DEAF + 2);
        wait_until("all are in", || who(server).starts_with(&online));
        let before = server.resident_kib();
        let (mut from_sends, from_reads) = (sends.sender(), reads.sender());
        let heard = thread::scope(|scope| {
            let listener = scope.spawn(move || {
                BufReader::new(from_reads)
                    .lines()
                    .map(|line| line.expect("an orderly end"))
                    .filter(|line| line.starts_with("sends: "))
                    .take_while(|line| line != "sends: that was all")
                    .collect::<Vec<_>>()
            });
            let answers = scope.spawn(|| {
                BufReader::new(sends.sender())
                    .lines()
                    .map(|line| line.expect("an orderly end"))
                    .filter(|line| line.contains("online: "))
                    // When it joined, and at the end.
                    .take(2)
                    .count()
            });
            let fill = "x".repeat(990);
            for number in 0..LINES {
                // Each has lines of its own, since what many are sent is kept once.
                let mut lines = Vec::new();
                for one in 0..DEAF {
                    writeln!(lines, "/msg d{one} {fill}").expect("it only takes memory");
                }
                from_sends.write_all(&lines).expect("it is read");
                writeln!(from_sends, "line {number}").expect("it is read");
            }
            from_sends.write_all(b"that was all\n/who\n").expect("it is read");
            answers.join().expect("it only reads");
            listener.join().expect("it only reads")
        });
        let grown = server.resident_kib().saturating_sub(before);
        let all: Vec<_> = (0..LINES).map(|number| format!("sends: line {number}")).collect();
        assert_eq!(heard, all, "what another member heard");
        // A ring has 16 MiB of receive buffers, which this is the first to use.
        let most = if server.ready()["model"] == "uring" { 32 } else { 16 };
        assert!(grown < most << 10, "grew by {grown} KiB for queues of 2 MiB");
        drop((deaf, sends));
        reads.half_close();
        let summary = {
            server.signal(Signal::TERM);
            server.wait_exit(PATIENCE).summary()
        };
        let overflown = summary["chat"]["overflown"].as_u64();
        println!("{}: {overflown:?} cut off, grew by {grown} KiB", server.ready()["model"]);
        assert!((1..=DEAF as u64).contains(&overflown.unwrap_or_default()), "{summary}");
    });
}
