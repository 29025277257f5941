//! The chat room, on every model: recipients, order, and members that leave.

mod crowds;
mod programs;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use echo_test_support::bench_process::BenchProcess;
use echo_test_support::client::Client;
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::running_server::{RunningServer, each_model, on_every_model};
use rustix::process::Signal;
use socket2::SockRef;

use crate::secure_client::SecureClient;

const CHAT: [&str; 4] = ["--protocol", "chat", "--log-format", "json"];
const GREETING: &[u8] = b"* Welcome. Choose a name with /nick <name>\n";

/// A named member; `online` is what it is sent.
fn join(server: &RunningServer, name: &str, online: &str) -> Client {
    let mut client = server.connect();
    client.expect(GREETING);
    client.exchange(format!("/nick {name}\n").as_bytes(), format!("{online}\n").as_bytes());
    client
}

#[test]
fn members_hear_each_other_and_of_each_leaving_once() {
    on_every_model(&CHAT, |server| {
        assert_eq!(server.ready()["protocol"], "chat");
        let mut anna = join(server, "anna", "* 1 online: anna");
        let mut bob = join(server, "bob", "* 2 online: anna, bob");
        anna.expect(b"* bob joined\n");
        let mut unnamed = server.connect();
        unnamed.expect(GREETING);
        unnamed.exchange(b"hello?\n", b"ERROR: Choose a name first\n");
        unnamed.exchange(b"/nick BOB\n", b"ERROR: Name is taken\n");

        bob.send(b"hi \x1b[31mall\n");
        anna.expect("bob: hi \u{fffd}[31mall\n".as_bytes());
        anna.send(b"/msg bob psst\n");
        bob.expect(b"anna (private): psst\n");
        bob.exchange(b"/nick robert\n", b"* bob is now robert\n");
        anna.expect(b"* bob is now robert\n");
        anna.exchange(b"/who\n", b"* 2 online: anna, robert\n");

        let mut quits = join(server, "quits", "* 3 online: anna, quits, robert");
        quits.send(b"/quit\n");
        assert_eq!(quits.read_to_end(), b"");
        let mut ends = join(server, "ends", "* 3 online: anna, ends, robert");
        ends.send(b"no newline");
        ends.half_close();
        assert_eq!(ends.read_to_end(), b"");
        join(server, "resets", "* 3 online: anna, resets, robert").reset();
        for name in ["quits", "ends", "resets"] {
            for client in [&mut anna, &mut bob] {
                client.expect(format!("* {name} joined\n").as_bytes());
                if name == "ends" {
                    client.expect(b"ends: no newline\n");
                }
                client.expect(format!("* {name} left\n").as_bytes());
            }
        }
        // Nothing was duplicated, and the unnamed member received nothing.
        for client in [&mut anna, &mut bob] {
            client.exchange(b"/who\n", b"* 2 online: anna, robert\n");
        }
        unnamed.exchange(b"/who\n", b"* 2 online: anna, robert\n");
    });
}

#[test]
fn nobody_passes_for_the_server_or_for_another_member() {
    on_every_model(&CHAT, |server| {
        let mut hindi = join(server, "हिन्दी", "* 1 online: हिन्दी");
        let mut anna = join(server, "Straße", "* 2 online: Straße, हिन्दी");
        hindi.expect("* Straße joined\n".as_bytes());
        let mut forger = server.connect();
        forger.expect(GREETING);
        for (name, reason) in [
            ("ERROR", "Name is reserved"),
            ("STRASSE", "Name is taken"),
            ("Strаße", "Name looks like one that is taken"), // The a is Cyrillic.
            ("\u{3164}", "A name has 1 to 32 letters, digits, _ or -"),
        ] {
            let reply = format!("ERROR: {reason}\n");
            forger.exchange(format!("/nick {name}\n").as_bytes(), reply.as_bytes());
        }
        anna.send("a\u{200e}b\u{e0041} 👩‍💻\n".as_bytes());
        hindi.expect("Straße: a\u{fffd}b\u{fffd} 👩‍💻\n".as_bytes());
    });
}

#[test]
fn a_line_too_long_is_refused_after_what_others_said() {
    let flags = [&CHAT[..], &["--max-message", "100"]].concat();
    on_every_model(&flags, |server| {
        let mut anna = join(server, "anna", "* 1 online: anna");
        let mut bob = join(server, "bob", "* 2 online: anna, bob");
        anna.expect(b"* bob joined\n");
        bob.send(&[b'x'; 101]);
        assert_eq!(bob.read_to_end(), b"ERROR: line too long (limit 100 bytes)\n");
        anna.expect(b"* bob left\n");
        anna.half_close();
        assert_eq!(anna.read_to_end(), b"");
    });
}

/// The lines that one member received from each other one until it was stopped.
fn listen(stream: TcpStream, count: &AtomicUsize) -> HashMap<String, Vec<usize>> {
    let mut heard: HashMap<String, Vec<usize>> = HashMap::new();
    for line in BufReader::new(stream).lines() {
        let line = line.expect("an orderly end");
        let Some((name, number)) = line.split_once(": line ") else { continue };
        let number = number.split(' ').next().and_then(|text| text.parse().ok());
        heard.entry(name.to_owned()).or_default().push(number.expect("the line is whole"));
        count.fetch_add(1, Ordering::Relaxed);
    }
    heard
}

/// `members` members each send `lines` lines of about `length` bytes at once; each must receive
/// all lines of the others, once and in order.
fn all_hear_all(server: &RunningServer, members: usize, lines: usize, length: usize) {
    let streams: Vec<TcpStream> = (0..members)
        .map(|number| {
            let mut client = server.connect();
            client.expect(GREETING);
            client.send(format!("/nick m{number}\n").as_bytes());
            client.sender()
        })
        .collect();
    let online = format!("* {members} online");
    wait_until("all are in", || who(server).starts_with(&online));
    let heard = AtomicUsize::new(0);
    thread::scope(|scope| {
        let listeners: Vec<_> = streams
            .iter()
            .map(|stream| {
                let stream = stream.try_clone().expect("a descriptor is free");
                scope.spawn(|| listen(stream, &heard))
            })
            .collect();
        let speakers: Vec<_> = streams
            .iter()
            .map(|mut stream| {
                scope.spawn(move || {
                    for number in 0..lines {
                        let fill = ".".repeat(length);
                        writeln!(stream, "line {number} {fill}").expect("the server reads");
                    }
                })
            })
            .collect();
        for speaker in speakers {
            speaker.join().expect("it only sends");
        }
        wait_until("all is heard", || {
            heard.load(Ordering::Relaxed) >= members * (members - 1) * lines
        });
        // Duplicates would come before the end.
        server.signal(Signal::TERM);
        let all: Vec<usize> = (0..lines).collect();
        for (me, listener) in listeners.into_iter().enumerate() {
            let heard = listener.join().expect("it only listens");
            for other in (0..members).filter(|other| *other != me) {
                let name = format!("m{other}");
                assert_eq!(heard.get(&name), Some(&all), "what m{me} heard of {name}");
            }
            assert!(!heard.contains_key(&format!("m{me}")), "m{me} heard itself");
        }
    });
}

/// What an unnamed client is sent about the members.
fn who(server: &RunningServer) -> String {
    let mut client = server.connect();
    client.expect(GREETING);
    String::from_utf8(client.try_line(b"/who\n")).expect("names are text")
}

#[test]
fn everyone_hears_every_line_of_the_others_once_and_in_order() {
    on_every_model(&CHAT, |server| {
        all_hear_all(server, 20, 50, 20);
        let exit = server.wait_exit(PATIENCE);
        let summary = exit.summary();
        assert_eq!(
            (exit.code, &summary["chat"]["overflown"]),
            (Some(0), &0.into()),
            "{exit:?}"
        );
        assert_eq!(summary["cut"], 0, "{exit:?}");
    });
}

#[test]
fn a_server_that_stops_delivers_what_was_said_before() {
    const LINES: usize = 400;
    let flags = [&CHAT[..], &["--send-buffer", "16K"]].concat();
    on_every_model(&flags, |server| {
        let mut anna = join(server, "anna", "* 1 online: anna");
        let mut bob = join(server, "bob", "* 2 online: anna, bob");
        anna.expect(b"* bob joined\n");
        let line = [&[b'x'; 2000][..], b"\n"].concat();
        anna.send(&line.repeat(LINES));
        // The reply proves that everything before it was processed.
        anna.exchange(b"/who\n", b"* 2 online: anna, bob\n");
        server.signal(Signal::TERM);
        assert_eq!(anna.read_to_end(), b"", "who leaves is no news when all have to");
        let heard = bob.read_to_end();
        assert!(heard == [b"anna: ", &line[..]].concat().repeat(LINES), "{}", heard.len());
        let exit = server.wait_exit(PATIENCE);
        assert_eq!((exit.code, &exit.summary()["cut"]), (Some(0), &0.into()), "{exit:?}");
    });
}

#[test]
fn who_does_not_read_is_cut_off_and_the_others_hear_everything() {
    let flags = [&CHAT[..], &["--chat-queue", "64K", "--send-buffer", "16K"]].concat();
    on_every_model(&flags, |server| {
        let mut anna = join(server, "anna", "* 1 online: anna");
        let mut stuck = server.connect();
        SockRef::from(stuck.stream()).set_recv_buffer_size(4096).expect("a size it may have");
        stuck.expect(GREETING);
        stuck.send(b"/nick stuck\n");
        anna.expect(b"* stuck joined\n");
        let mut bob = join(server, "bob", "* 3 online: anna, bob, stuck");
        anna.expect(b"* bob joined\n");
        let line = [&[b'x'; 1000][..], b"\n"].concat();
        let heard = [b"bob: ", &line[..]].concat();
        let began = Instant::now();
        let mut left = false;
        // More than the kernel and the queue can hold, by a wide margin.
        for _ in 0..4000 {
            bob.send(&line);
            let told = anna.read(heard.len().min(13));
            if told == b"* stuck left\n" {
                assert!(!left, "it leaves once");
                left = true;
                anna.expect(&heard);
            } else {
                assert_eq!(told, heard[..13]);
                anna.expect(&heard[13..]);
            }
            if left {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "nobody was cut off");
        }
        assert!(left, "nobody was cut off");
        bob.expect(b"* stuck left\n");
        for client in [&mut anna, &mut bob] {
            client.exchange(b"/who\n", b"* 2 online: anna, bob\n");
        }
        // Its connection also ends, long before the write timeout, and not as if that was all.
        let end = Instant::now();
        let mut rest = Vec::new();
        let ended = std::io::Read::read_to_end(&mut stuck.sender(), &mut rest);
        assert!(ended.is_err(), "an orderly end after {} bytes", rest.len());
        assert!(end.elapsed() < Duration::from_secs(15), "the connection stays open");
        drop(stuck);
        server.signal(Signal::TERM);
        let exit = server.wait_exit(PATIENCE);
        assert_eq!(exit.summary()["chat"]["overflown"], 1, "{exit:?}");
        assert_eq!(exit.summary()["errors"], 1, "{exit:?}");
    });
}

/// Far more than the queue holds, at full speed: readers receive all of it.
#[test]
fn who_reads_hears_everything_however_much_is_said_at_once() {
    const LINES: usize = 10_000;
    let flags = [&CHAT[..], &["--chat-queue", "128K"]].concat();
    on_every_model(&flags, |server| {
        let mut anna = join(server, "anna", "* 1 online: anna");
        let mut bob = join(server, "bob", "* 2 online: anna, bob");
        anna.expect(b"* bob joined\n");
        let (ear, count) = (anna.sender(), AtomicUsize::new(0));
        thread::scope(|scope| {
            let heard = scope.spawn(|| listen(ear, &count));
            let fill = ".".repeat(1000);
            let mut pour = Vec::new();
            for number in 0..LINES {
                writeln!(pour, "line {number} {fill}").expect("it only takes memory");
            }
            bob.send(&pour);
            bob.exchange(b"/who\n", b"* 2 online: anna, bob\n");
            bob.send(b"/quit\n");
            assert_eq!(bob.read_to_end(), b"");
            anna.half_close();
            let heard = heard.join().expect("it only listens");
            assert_eq!(heard.get("bob"), Some(&(0..LINES).collect()));
        });
        server.signal(Signal::TERM);
        let exit = server.wait_exit(PATIENCE);
        assert_eq!(exit.summary()["chat"]["overflown"], 0, "{exit:?}");
    });
}

#[test]
fn an_idle_member_is_let_go_and_one_that_only_listens_is_not() {
    let flags = [&CHAT[..], &["--idle-timeout", "700ms"]].concat();
    on_every_model(&flags, |server| {
        let mut anna = join(server, "anna", "* 1 online: anna");
        let mut listens = join(server, "listens", "* 2 online: anna, listens");
        anna.expect(b"* listens joined\n");
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(1500) {
            anna.send(b"still there?\n");
            listens.expect(b"anna: still there?\n");
            thread::sleep(Duration::from_millis(50));
        }
        drop(anna);
        listens.expect(b"* anna left\n");
        assert!(listens.is_ended_within(PATIENCE));
    });
}

#[test]
fn a_room_inside_tls_is_the_same_room() {
    let flags = [&CHAT[..], &["--tls-self-signed"]].concat();
    on_every_model(&flags, |server| {
        let mut anna = SecureClient::connect(server);
        anna.exchange(b"", GREETING);
        anna.exchange(b"/nick anna\n", b"* 1 online: anna\n");
        let mut bob = SecureClient::connect(server);
        bob.exchange(b"", GREETING);
        bob.exchange(b"/nick bob\n", b"* 2 online: anna, bob\n");
        anna.exchange(b"", b"* bob joined\n");
        let line = [b"x".repeat(40_000), b"\n".to_vec()].concat();
        for _ in 0..10 {
            bob.send(&line);
        }
        anna.exchange(b"", &[b"bob: ", &line[..]].concat().repeat(10));
        bob.send(b"/quit\n");
        assert_eq!(bob.read_to_end(), b"");
        anna.exchange(b"", b"* bob left\n");
        server.signal(Signal::TERM);
        assert_eq!(anna.read_to_end(), b"");
        let exit = server.wait_exit(PATIENCE);
        assert_eq!((exit.code, &exit.summary()["errors"]), (Some(0), &0.into()), "{exit:?}");
    });
}

/// 19 others receive each of the 100 messages on every model, and one that never reads delays
/// nobody.
#[test]
fn the_generator_sees_every_delivery_on_every_model() {
    each_model(|model| {
        let model = format!("--model={model}");
        let rooms: [(u64, &[&str]); 4] = [
            (20, &["--chat-deaf=0"]),
            (19, &["--chat-deaf=1"]),
            (20, &["--tls"]),
            (19, &["--tls", "--chat-deaf=1"]),
        ];
        for (hearing, room) in rooms {
            let run = [
                "--protocol=chat",
                "--conns=20",
                "--rate=200",
                "--duration=500ms",
                "--warmup=100ms",
                &model,
            ];
            let finished = BenchProcess::start(&[&run[..], room].concat()).finish(PATIENCE);
            assert_eq!(finished.code, Some(0), "{room:?}: {}", finished.stderr);
            // As many as the rate requires, however many members there are.
            assert_eq!(finished.requests("ok"), 100 * (hearing - 1), "{room:?}");
            assert_eq!(finished.requests("scheduled"), finished.requests("ok"), "{room:?}");
            let handshakes = finished.report()["summary"]["set_up"]["tls"]["count"].as_u64();
            assert_eq!(handshakes, room.contains(&"--tls").then_some(20), "{room:?}");
        }
    });
}
