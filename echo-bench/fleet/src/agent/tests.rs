mod serving;

use proptest::prelude::*;

use super::*;
use crate::message::Unreadable;
use crate::plan::{self, PlanFlag};

fn at(seconds: u64) -> Now {
    Now { monotonic_ns: seconds * SECOND, wall_ns: 1_000 * SECOND + seconds * SECOND }
}

fn run() -> RunId {
    "run-1".parse().unwrap()
}

fn agent() -> Agent {
    Agent::new("a".parse().unwrap(), "1.0.0", 2, 7)
}

fn document() -> PlanDocument {
    PlanDocument {
        schema: plan::SCHEMA.into(),
        version: "1.0.0".into(),
        run: run(),
        flags: vec![PlanFlag { flag: "target".into(), value: "127.0.0.1:7".into() }],
        seed: 1,
        schedule_digest: None,
    }
}

fn bytes(sequence: u64, order: Order) -> Vec<u8> {
    Command { schema: SCHEMA.into(), run: run(), sequence, order }.to_bytes()
}

const PART: Work = Work::Part { fewest_parts: 2 };

fn offer(agent: &Agent) -> Vec<u8> {
    offer_of(agent, PART)
}

fn offer_of(agent: &Agent, work: Work) -> Vec<u8> {
    let plan = Digest::of(&document().to_bytes());
    let ticket = agent.presence().ticket;
    bytes(1, Order::Offer(Offer { ticket, plan, work }))
}

const READY: Ready = Ready::Part(Facts { descriptors: 1000, ports: Some(100), cores: 2 });
const SERVING: Ready =
    Ready::Server { serving: Serving { address: None }, length_ns: Some(60 * SECOND) };

fn prepared() -> Agent {
    let mut agent = agent();
    agent.command(&offer(&agent), at(0));
    agent.fetched(&run(), Ok(document().to_bytes()));
    let actions = agent.checked(Box::new(document()), Ok(READY));
    assert!(matches!(&actions[..], [Action::AnswerOffer(_)]), "{actions:?}");
    agent
}

fn start(sequence: u64) -> Vec<u8> {
    bytes(sequence, Order::Start(Start { part: 2, parts: 2, at_ns: 5 }))
}

/// Why the last command was refused.
fn refusal(actions: &[Action]) -> &str {
    actions
        .iter()
        .find_map(|action| match action {
            Action::Answer(Answer { reply: Reply::Refused { reason }, .. }) => Some(&**reason),
            _ => None,
        })
        .unwrap_or_else(|| panic!("not refused: {actions:?}"))
}

#[test]
fn a_run_goes_from_the_offer_to_the_report() {
    let mut agent = agent();
    let before = agent.presence();
    let actions = agent.command(&offer(&agent), at(0));
    assert_eq!(actions, [Action::Announce, Action::Fetch(run(), PART)]);
    assert_eq!(agent.presence().run, Some(run()));
    assert_ne!(agent.presence().ticket, before.ticket);
    let actions = agent.fetched(&run(), Ok(document().to_bytes()));
    assert!(matches!(&actions[..], [Action::Check { work: PART, .. }]), "{actions:?}");
    agent.checked(Box::new(document()), Ok(READY));
    let actions = agent.command(&start(2), at(1));
    assert!(matches!(&actions[1], Action::Launch { start, .. } if start.part == 2));
    assert!(agent.is_at_work());
    agent.progress(Progress { answered: 5, ..Progress::default() });
    let actions = agent.tick(at(2));
    assert!(
        matches!(&actions[..], [Action::Publish(Event { part: 2, what: Happened::Alive(p), .. })]
            if p.answered == 5),
        "{actions:?}"
    );
    assert_eq!(agent.tick(at(2)), []);
    assert_eq!(agent.ended(Ok(()), at(3)), [Action::Store { run: run(), part: 2 }]);
    let done = stored(b"report");
    let actions = agent.stored(Ok(done.clone()));
    assert!(
        matches!(&actions[0], Action::Publish(Event { what: Happened::Done(s), .. }) if *s == done)
    );
    assert_eq!(agent.presence().run, None);
}

#[test]
fn what_was_sent_before_starts_nothing_again() {
    let mut agent = agent();
    let recorded = offer(&agent);
    agent.command(&recorded, at(0));
    agent.fetched(&run(), Err("gone".into()));
    assert!(refusal(&agent.command(&recorded, at(1))).contains("ticket"));
    // Another start of the same agent has other tickets.
    let mut restarted = Agent::new("a".parse().unwrap(), "1.0.0", 2, 8);
    assert!(refusal(&restarted.command(&recorded, at(1))).contains("ticket"));
    let mut agent = prepared();
    agent.command(&bytes(5, Order::Renew {}), at(0));
    assert!(refusal(&agent.command(&start(5), at(1))).contains("sent before"));
    assert!(!agent.is_at_work());
}

#[test]
fn an_agent_whose_coordinator_is_gone_is_free_again_before_the_start_only() {
    let mut agent = prepared();
    agent.command(&bytes(2, Order::Renew {}), at(9));
    agent.tick(at(18));
    assert!(agent.run().is_some());
    agent.tick(at(19));
    assert_eq!(agent.run(), None);
    assert!(refusal(&agent.command(&start(3), at(20))).contains("no run"));
    let mut agent = prepared();
    agent.command(&start(2), at(1));
    agent.tick(at(3600));
    assert!(agent.is_at_work());
}

#[test]
fn a_plan_that_is_not_the_one_of_the_offer_is_refused_and_the_agent_is_free() {
    let mut foreign = document();
    foreign.seed = 2;
    let mut newer = document();
    newer.version = "2.0.0".into();
    for (plan, said) in [(foreign.to_bytes(), "offer names"), (vec![b'{'; 9], "digest")] {
        let mut agent = agent();
        agent.command(&offer(&agent), at(0));
        let actions = agent.fetched(&run(), Ok(plan));
        let Action::AnswerOffer(Answer { reply: Reply::Refused { reason }, .. }) = &actions[0]
        else {
            panic!("{actions:?}")
        };
        assert!(reason.contains(said), "{reason}");
        assert_eq!(agent.run(), None);
    }
}

#[test]
fn somebody_elses_commands_and_starts_too_early_are_refused() {
    let mut agent = agent();
    assert!(refusal(&agent.command(&start(1), at(0))).contains("no run"));
    agent.command(&offer(&agent), at(0));
    assert!(refusal(&agent.command(&start(2), at(0))).contains("not ready"));
    let other = offer(&agent);
    assert!(refusal(&agent.command(&other, at(0))).contains("busy"));
    let mut agent = prepared();
    let none = bytes(2, Order::Start(Start { part: 3, parts: 2, at_ns: 0 }));
    assert!(refusal(&agent.command(&none, at(0))).contains("no such part"));
    agent.command(&start(3), at(0));
    let release = bytes(4, Order::Release {});
    assert!(refusal(&agent.command(&release, at(0))).contains("begun"));
    let stop = bytes(5, Order::Stop { forced: false });
    assert!(agent.command(&stop, at(0)).contains(&Action::Interrupt));
    let stop = bytes(6, Order::Stop { forced: true });
    assert!(agent.command(&stop, at(0)).contains(&Action::Kill));
}

#[test]
fn a_flood_of_nonsense_is_remarked_a_few_times_and_counted() {
    let mut agent = agent();
    let told = |actions: &[Action]| {
        actions.iter().filter(|action| matches!(action, Action::Tell(_))).count()
    };
    let said: usize = (0..1000).map(|_| told(&agent.command(b"\xff{", at(1)))).sum();
    assert_eq!(said, 10);
    let actions = agent.tick(at(61));
    assert!(
        matches!(&actions[..], [Action::Tell(text)] if text.contains("990")),
        "{actions:?}"
    );
    assert_eq!(told(&agent.command(b"x", at(62))), 1);
}

#[derive(Debug, Clone)]
enum Input {
    Command(u64, u8),
    Raw(Vec<u8>),
    Fetched(bool),
    Checked(bool, bool),
    Ended(bool),
    Stored(bool),
    Tick,
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        4 => (0_u64..12, 0_u8..9).prop_map(|(sequence, kind)| Input::Command(sequence, kind)),
        1 => prop::collection::vec(any::<u8>(), 0..64).prop_map(Input::Raw),
        2 => any::<bool>().prop_map(Input::Fetched),
        2 => any::<(bool, bool)>().prop_map(|(well, server)| Input::Checked(well, server)),
        1 => any::<bool>().prop_map(Input::Ended),
        1 => any::<bool>().prop_map(Input::Stored),
        2 => Just(Input::Tick),
    ]
}

fn order(kind: u8, agent: &Agent) -> Order {
    match kind {
        0 | 7 => {
            let plan = Digest::of(&document().to_bytes());
            let ticket = agent.presence().ticket;
            let work = if kind == 0 { PART } else { Work::Server {} };
            Order::Offer(Offer { ticket, plan, work })
        }
        8 => Order::Watch(Watch { at_ns: 0 }),
        1 => Order::Clock {},
        2 => Order::Renew {},
        3 => Order::Start(Start { part: 1, parts: 1, at_ns: 0 }),
        4 => Order::Stop { forced: false },
        5 => Order::Stop { forced: true },
        _ => Order::Release {},
    }
}

proptest! {
    /// Whatever comes in which order: every command gets one answer at most, nothing is started
    /// but after an offer and a check, one process at a time is at work, and a server that was made
    /// ready is looked at or abandoned before there is another one.
    #[test]
    fn any_order_of_inputs_leaves_it_consistent(
        inputs in prop::collection::vec(input(), 0..80),
        steps in prop::collection::vec(0_u64..4, 80),
    ) {
        let mut agent = agent();
        let (mut now, mut at_work) = (0, false);
        let mut has_server = false;
        for (input, step) in inputs.into_iter().zip(steps) {
            now += step;
            let is_command = matches!(input, Input::Command(..) | Input::Raw(_));
            let actions = match input {
                Input::Command(sequence, kind) => {
                    let order = order(kind, &agent);
                    agent.command(&bytes(sequence, order), at(now))
                }
                Input::Raw(bytes) => agent.command(&bytes, at(now)),
                Input::Fetched(true) => agent.fetched(&run(), Ok(document().to_bytes())),
                Input::Fetched(false) => agent.fetched(&run(), Err("no".into())),
                Input::Checked(true, server) => {
                    let ready = if server { SERVING } else { READY };
                    agent.checked(Box::new(document()), Ok(ready))
                }
                Input::Checked(false, _) => {
                    agent.checked(Box::new(document()), Err("no".into()))
                }
                Input::Ended(well) => {
                    let actions = agent.ended(if well { Ok(()) } else { Err("no".into()) }, at(now));
                    at_work &= actions.is_empty();
                    actions
                }
                Input::Stored(well) => {
                    let stored = stored(b"x");
                    agent.stored(if well { Ok(stored) } else { Err("no".into()) })
                }
                Input::Tick => agent.tick(at(now)),
            };
            let answers =
                actions.iter().filter(|action| matches!(action, Action::Answer(_))).count();
            prop_assert!(answers <= usize::from(is_command));
            for action in &actions {
                match action {
                    Action::Launch { start, .. } => {
                        prop_assert!(!at_work && !has_server && start.part == 1);
                        at_work = true;
                    }
                    Action::AnswerOffer(Answer { reply: Reply::Serving(_), .. }) => {
                        prop_assert!(!at_work && !has_server);
                        has_server = true;
                    }
                    Action::Watch { .. } => {
                        prop_assert!(!at_work && has_server);
                        (at_work, has_server) = (true, false);
                    }
                    Action::Abandon => has_server = false,
                    _ => {}
                }
            }
            prop_assert_eq!(agent.run().is_some(), agent.presence().run.is_some());
            prop_assert!(!agent.is_at_work() || agent.run().is_some());
            prop_assert!(!has_server || agent.run().is_some(), "a server that nobody stops");
        }
    }

    #[test]
    fn any_bytes_are_answered_and_change_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assume!(matches!(Command::read(&bytes), Err(Unreadable::Invalid(_))));
        let mut agent = prepared();
        let before = agent.presence();
        refusal(&agent.command(&bytes, at(0)));
        prop_assert_eq!(agent.presence(), before);
        prop_assert!(!agent.is_at_work());
    }
}
