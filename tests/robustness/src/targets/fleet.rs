//! What an agent and a coordinator read from the bus, where anybody may write.

use echo_bench_fleet::agent::{Action, Now};
use echo_bench_fleet::message::{
    Answer, Command, Event, Facts, Message, Presence, Reply, Roster,
};
use echo_bench_fleet::plan::{Digest, PlanDocument};
use echo_bench_fleet::{Agent, RunId};

const VERSION: &str = "1.0.0";
const FACTS: Facts = Facts { descriptors: 1024, ports: None, cores: 1 };

/// Each line is a message to an agent, or a plan out of the store where one is waited for. Every
/// message gets one answer, now or once the plan was checked; nothing starts unchecked.
pub(super) fn agent(data: &[u8]) {
    let name = "fuzzed".parse().expect("a name");
    let mut agent = Agent::new(name, VERSION, 1, 0);
    let (mut wanted, mut is_checked, mut seconds) = (None::<RunId>, false, 0_u64);
    for line in data.split(|&byte| byte == b'\n') {
        reads(line);
        seconds += 1;
        let now = Now { monotonic_ns: seconds * 1_000_000_000, wall_ns: seconds };
        let mut actions = if let Some(run) = wanted.take() {
            agent.fetched(&run, Ok(line.to_vec()))
        } else {
            let actions = agent.command(line, now);
            let answers =
                |action: &&Action| matches!(action, Action::Answer(_) | Action::Fetch(_));
            assert_eq!(actions.iter().filter(answers).count(), 1, "{actions:?}");
            actions
        };
        actions.extend(agent.tick(now));
        for action in actions {
            match action {
                Action::Fetch(run) => wanted = Some(run),
                Action::Check { plan, .. } => {
                    is_checked = true;
                    agent.checked(plan, Ok(FACTS));
                }
                Action::Launch { plan, start } => {
                    assert!(is_checked && (1..=start.parts).contains(&start.part));
                    is_checked = false;
                    assert!(plan.flags.iter().all(|flag| flag.flag != "exec"));
                    agent.ended(Err("it did not run".into()), now);
                }
                Action::Answer(answer) => harmless(&answer),
                Action::Tell(text) => assert!(!text.contains(char::is_control), "{text:?}"),
                _ => {}
            }
        }
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
    match PlanDocument::read(line, &run, &Digest::of(line), VERSION) {
        Ok(plan) => {
            let bytes = plan.to_bytes();
            let again = PlanDocument::read(&bytes, &run, &Digest::of(&bytes), VERSION);
            assert_eq!(again.as_ref(), Ok(&plan));
        }
        Err(reason) => assert!(!reason.to_string().contains(char::is_control), "{reason}"),
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
