//! An agent that looks at the server.

use super::agent as agent_at_rest;
use super::*;

/// One that has a server ready.
fn serving() -> Agent {
    let mut agent = agent_at_rest();
    agent.command(&offer_of(&agent, Work::Server {}), at(0));
    let actions = agent.fetched(&run(), Ok(document().to_bytes()));
    assert!(matches!(&actions[..], [Action::Check { work: Work::Server {}, .. }]));
    let actions = agent.checked(Box::new(document()), Ok(SERVING));
    assert!(
        matches!(&actions[..], [Action::AnswerOffer(Answer { reply: Reply::Serving(_), .. })]),
        "{actions:?}"
    );
    agent
}

fn watch(sequence: u64, at_s: u64) -> Vec<u8> {
    bytes(sequence, Order::Watch(Watch { at_ns: at(at_s).wall_ns }))
}

#[test]
fn a_server_is_let_go_when_its_run_is_released_or_its_coordinator_is_silent() {
    let mut agent = serving();
    let actions = agent.command(&bytes(2, Order::Release {}), at(1));
    assert!(actions.contains(&Action::Abandon), "{actions:?}");
    assert_eq!(agent.run(), None);
    let mut agent = serving();
    assert_eq!(agent.tick(at(29)), []);
    assert!(agent.tick(at(30)).contains(&Action::Abandon));
    // One that is made ready too late is nobody's, and may not have been there to be let go.
    let mut agent = agent_at_rest();
    agent.command(&offer_of(&agent, Work::Server {}), at(0));
    agent.fetched(&run(), Ok(document().to_bytes()));
    assert!(agent.tick(at(30)).contains(&Action::Abandon));
    assert_eq!(agent.checked(Box::new(document()), Ok(SERVING)), [Action::Abandon]);
    assert_eq!(agent.checked(Box::new(document()), Err("none".into())), []);
    // A part has no server.
    let actions = prepared().command(&bytes(2, Order::Release {}), at(1));
    assert!(!actions.contains(&Action::Abandon), "{actions:?}");
}

#[test]
fn a_server_is_looked_at_until_the_run_is_stopped() {
    let mut agent = serving();
    let actions = agent.command(&watch(2, 5), at(3));
    assert!(matches!(&actions[1], Action::Watch { watch, .. } if watch.at_ns == at(5).wall_ns));
    assert!(agent.is_at_work());
    let actions = agent.tick(at(4));
    assert!(
        matches!(&actions[..], [Action::Publish(Event { part: SERVER, .. })]),
        "{actions:?}"
    );
    let actions = agent.command(&bytes(3, Order::Stop { forced: false }), at(6));
    assert!(actions.contains(&Action::Interrupt));
    assert_eq!(agent.ended(Ok(()), at(7)), [Action::Store { run: run(), part: SERVER }]);
    let actions = agent.stored(Ok(stored(b"seen")));
    assert!(matches!(&actions[0], Action::Publish(Event { what: Happened::Done(_), .. })));
    assert!(!actions.contains(&Action::Abandon), "it has stopped it already: {actions:?}");
    assert_eq!(agent.run(), None);
}

#[test]
fn a_server_outlives_its_coordinator_until_the_load_is_over() {
    let mut agent = serving();
    agent.command(&watch(2, 5), at(3));
    // Sixty seconds of load, from second 5 on.
    assert!(!agent.tick(at(64)).contains(&Action::Interrupt));
    assert!(agent.tick(at(66)).contains(&Action::Interrupt));
    assert!(!agent.tick(at(68)).contains(&Action::Interrupt), "once");
    // One of unknown length as long as the lease lasts.
    let mut agent = agent_at_rest();
    agent.command(&offer_of(&agent, Work::Server {}), at(0));
    agent.fetched(&run(), Ok(document().to_bytes()));
    let unknown = Ready::Server { serving: Serving { address: None }, length_ns: None };
    agent.checked(Box::new(document()), Ok(unknown));
    agent.command(&watch(2, 5), at(25));
    agent.command(&bytes(3, Order::Renew {}), at(100));
    assert!(!agent.tick(at(109)).contains(&Action::Interrupt));
    assert!(agent.tick(at(110)).contains(&Action::Interrupt));
    // Nobody keeps one for years.
    let mut agent = serving();
    agent.command(&watch(2, 1_000_000), at(3));
    assert!(agent.tick(at(25 * 3600)).contains(&Action::Interrupt));
}

#[test]
fn each_work_has_a_start_of_its_own() {
    assert!(refusal(&serving().command(&start(2), at(0))).contains("look at the server"));
    assert!(refusal(&prepared().command(&watch(2, 1), at(0))).contains("part of the load"));
    let mut agent = agent_at_rest();
    agent.command(&offer_of(&agent, Work::Server {}), at(0));
    assert!(refusal(&agent.command(&watch(2, 1), at(0))).contains("not ready"));
    agent.fetched(&run(), Ok(document().to_bytes()));
    let actions = agent.checked(Box::new(document()), Ok(READY));
    assert!(matches!(
        &actions[0],
        Action::AnswerOffer(Answer { reply: Reply::Refused { .. }, .. })
    ));
}
