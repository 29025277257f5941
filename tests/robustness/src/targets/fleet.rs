//! What an agent and a coordinator read from the bus, where anybody may write.

use echo_bench_fleet::agent::{Action, Now, Ready};
use echo_bench_fleet::message::{
    Answer, Command, Event, Facts, Message, Presence, Reply, Roster, SERVER, Serving, Work,
};
use echo_bench_fleet::plan::{Digest, PlanDocument};
use echo_bench_fleet::{Agent, RunId};

const VERSION: &str = "1.0.0";
const FACTS: Facts = Facts { descriptors: 1024, ports: None, cores: 1 };

const READY: Ready = Ready::Part(FACTS);
const SERVING: Ready =
    Ready::Server { serving: Serving { address: None }, length_ns: Some(1_000_000_000) };

/// Each line is a message to an agent, or a plan out of the store where one is waited for. Every
/// message gets one answer, now or once the plan was checked; nothing starts unchecked, and a
/// server that was made ready is looked at or let go.
pub(super) fn agent(data: &[u8]) {
    let name = "fuzzed".parse().expect("a name");
    let mut agent = Agent::new(name, VERSION, 1, 0);
    let (mut wanted, mut is_checked, mut seconds) = (None::<RunId>, false, 0_u64);
    let mut has_server = false;
    for line in data.split(|&byte| byte == b'\n') {
        reads(line);
        seconds += 1;
        let now = Now { monotonic_ns: seconds * 1_000_000_000, wall_ns: seconds };
        let mut actions = if let Some(run) = wanted.take() {
            agent.fetched(&run, Ok(line.to_vec()))
        } else {
            let actions = agent.command(line, now);
            let answers =
                |action: &&Action| matches!(action, Action::Answer(_) | Action::Fetch(..));
            assert_eq!(actions.iter().filter(answers).count(), 1, "{actions:?}");
            actions
        };
        actions.extend(agent.tick(now));
        for action in actions {
            match action {
                Action::Fetch(run, _) => wanted = Some(run),
                Action::Check { plan, work } => {
                    is_checked = true;
                    assert!(plan.flags.iter().all(|flag| flag.flag != "exec"));
                    has_server = work == Work::Server {};
                    agent.checked(plan, Ok(if has_server { SERVING } else { READY }));
                }
                Action::Watch { .. } => {
                    assert!(is_checked && has_server);
                    (is_checked, has_server) = (false, false);
                    let stored = agent.ended(Ok(()), now);
                    assert!(matches!(stored[..], [Action::Store { part: SERVER, .. }]));
                    agent.stored(Err("no store".into()));
                }
                Action::Abandon => has_server = false,
                Action::Launch { plan, start } => {
                    assert!(is_checked && !has_server);
                    assert!((1..=start.parts).contains(&start.part));
                    is_checked = false;
                    assert!(plan.flags.iter().all(|flag| flag.flag != "exec"));
                    agent.ended(Err("it did not run".into()), now);
                }
                Action::Answer(answer) => harmless(&answer),
                Action::Tell(text) => assert!(!text.contains(char::is_control), "{text:?}"),
                _ => {}
            }
        }
        assert!(!has_server || agent.run().is_some(), "a server that nobody stops");
    }
}

/// What is read is written and read again as the same.
fn reads(line: &[u8]) {
    again::<Command>(line);
    again::<Answer>(line);
    again::<Event>(line);
    again::<Presence>(line);
    again::<Roster>(line);
    let run = "run".parse().expect("a name");
    for work in [Work::Part { fewest_parts: 1 }, Work::Server {}] {
        match PlanDocument::read(line, &run, &Digest::of(line), VERSION, work) {
            Ok(plan) => {
                let bytes = plan.to_bytes();
                let again =
                    PlanDocument::read(&bytes, &run, &Digest::of(&bytes), VERSION, work);
                assert_eq!(again.as_ref(), Ok(&plan));
            }
            Err(reason) => assert!(!reason.to_string().contains(char::is_control), "{reason}"),
        }
    }
}

fn again<T: Message + PartialEq + std::fmt::Debug>(line: &[u8]) {
    match T::read(line) {
        Ok(message) => assert_eq!(T::read(&message.to_bytes()).as_ref(), Ok(&message)),
        Err(reason) => assert!(!reason.to_string().contains(char::is_control), "{reason}"),
    }
}

fn harmless(answer: &Answer) {
    if let Reply::Refused { reason } = &answer.reply {
        assert!(!reason.contains(char::is_control) && reason.len() < 10_000, "{reason:?}");
    }
}
