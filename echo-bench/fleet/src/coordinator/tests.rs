use super::*;
use crate::message::{Event, Facts, Happened, Presence, Progress, SERVER, Serving, Work};

fn settings(agents: u32, at_least: u32, on_loss: OnLoss) -> Settings {
    Settings {
        run: "run-1".parse().unwrap(),
        server: None,
        version: "1".into(),
        agents,
        at_least,
        wait_ns: 5 * SECOND,
        lead_ns: 2 * SECOND,
        on_loss,
    }
}

fn name(number: u32) -> AgentName {
    format!("a{number}").parse().unwrap()
}

fn presence(number: u32, version: &str) -> Presence {
    Presence {
        schema: SCHEMA.into(),
        agent: name(number),
        version: version.into(),
        ticket: format!("t{number}"),
        run: None,
        cores: 1,
    }
}

fn answer(number: u32, reply: Reply) -> Answer {
    Answer { schema: SCHEMA.into(), agent: name(number), reply }
}

fn event(number: u32, part: u32, what: Happened) -> Event {
    let run = "run-1".parse().unwrap();
    Event { schema: SCHEMA.into(), agent: name(number), run, part, what }
}

fn orders(actions: &[Action]) -> Vec<(AgentName, Order)> {
    let sent = actions.iter().filter_map(|action| match action {
        Action::Send { agent, command } => Some((agent.clone(), command.order.clone())),
        _ => None,
    });
    sent.collect()
}

fn outcome(actions: &[Action]) -> &Outcome {
    let found = actions.iter().find_map(|action| match action {
        Action::Finish(outcome) => Some(outcome),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("not finished: {actions:?}"))
}

/// What the driver does when all are there: the plan is stored.
fn planned(coordinator: &mut Coordinator, actions: &[Action]) -> Vec<Action> {
    let asks = |action: &&Action| matches!(action, Action::Plan { .. });
    assert_eq!(actions.iter().filter(asks).count(), 1, "{actions:?}");
    coordinator.planned(Ok(Digest::of(b"plan")))
}

const PREPARED: Reply = Reply::Prepared(Facts { descriptors: 9, ports: None, cores: 1 });

/// How far the clock of an agent is from the coordinator's.
fn skew(number: u32) -> u64 {
    u64::from(number) * SECOND / 2
}

/// Answers every clock until no more are asked for.
fn time_all(coordinator: &mut Coordinator, mut actions: Vec<Action>) -> Vec<Action> {
    let mut wall = 1_000 * SECOND;
    loop {
        let asked = orders(&actions);
        if asked.is_empty() {
            return actions;
        }
        actions = Vec::new();
        for (agent, order) in asked {
            assert_eq!(order, Order::Clock {});
            let number: u32 = agent.as_str()[1..].parse().unwrap();
            let at_ns = wall + 50_000 + skew(number);
            let answer = answer(number, Reply::Clock { at_ns });
            actions.extend(coordinator.answered(&answer, (wall, wall + 100_000), 0));
            wall += 200_000;
        }
    }
}

/// A run of agents 1 to `agents` that has begun, and the start of each.
fn running(agents: u32, on_loss: OnLoss) -> (Coordinator, Vec<Start>) {
    let mut coordinator = Coordinator::new(settings(agents, agents, on_loss), 0);
    let mut actions = Vec::new();
    for number in 1..=agents {
        actions = coordinator.present(&presence(number, "1"), 0);
    }
    let mut actions = planned(&mut coordinator, &actions);
    assert_eq!(orders(&actions).len(), agents as usize);
    for number in 1..=agents {
        actions = coordinator.answered(&answer(number, PREPARED), (0, 0), 0);
    }
    let actions = time_all(&mut coordinator, actions);
    let [Action::Keep(roster)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(roster.members.len(), agents as usize);
    let starts = orders(&coordinator.kept(Ok(())));
    let starts = starts.into_iter().map(|(agent, order)| {
        let Order::Start(start) = order else { panic!("{agent}: {order:?}") };
        start
    });
    let starts: Vec<Start> = starts.collect();
    for number in 1..=agents {
        coordinator.answered(&answer(number, Reply::Accepted {}), (0, 0), SECOND);
    }
    (coordinator, starts)
}

fn done(coordinator: &mut Coordinator, number: u32) -> Vec<Action> {
    let stored = crate::agent::stored(b"x");
    coordinator.event(&event(number, number, Happened::Done(stored)), 2 * SECOND)
}

#[test]
fn all_begin_at_one_instant_whatever_their_clocks_say() {
    let (coordinator, starts) = running(4, OnLoss::Mark);
    let instants: Vec<u64> = starts.iter().map(|s| s.at_ns - skew(s.part)).collect();
    let (first, last) = (instants.iter().min().unwrap(), instants.iter().max().unwrap());
    assert!(last - first <= 2 * 50_000, "{instants:?}");
    assert_eq!(
        starts.iter().map(|start| (start.part, start.parts)).collect::<Vec<_>>(),
        [(1, 4), (2, 4), (3, 4), (4, 4)]
    );
    assert!(coordinator.is_running());
}

#[test]
fn a_run_ends_when_every_report_is_in_the_store() {
    let (mut coordinator, _) = running(2, OnLoss::Mark);
    let progress = Progress { answered: 3, rate_per_s: 1.5, ..Progress::default() };
    for number in 1..=2 {
        coordinator.event(&event(number, number, Happened::Alive(progress)), 2 * SECOND);
    }
    assert_eq!(coordinator.progress().answered, 6);
    assert_eq!(done(&mut coordinator, 1), []);
    // Neither somebody else's part nor a second end counts.
    let stored = crate::agent::stored(b"x");
    assert_eq!(coordinator.event(&event(2, 1, Happened::Done(stored)), 0), []);
    assert_eq!(done(&mut coordinator, 1), []);
    let actions = done(&mut coordinator, 2);
    let outcome = outcome(&actions);
    assert!(outcome.ends.iter().all(|end| end.result.is_ok()) && outcome.ends.len() == 2);
    assert_eq!((outcome.failure.clone(), outcome.interrupted), (None, false));
}

#[test]
fn a_silent_agent_is_looked_for_in_the_store_before_it_is_lost() {
    let (mut coordinator, _) = running(3, OnLoss::Mark);
    done(&mut coordinator, 1);
    assert_eq!(coordinator.tick(SECOND + SILENCE - 1), []);
    // Nobody is heard while the bus is away.
    coordinator.cut_off(2 * SECOND);
    assert_eq!(coordinator.tick(SECOND + SILENCE), []);
    let actions = coordinator.tick(2 * SECOND + SILENCE);
    assert_eq!(actions, [Action::Look(2), Action::Look(3)]);
    assert_eq!(coordinator.tick(30 * SECOND), []);
    coordinator.looked(2, Some(crate::agent::stored(b"y")));
    let actions = coordinator.looked(3, None);
    assert!(matches!(&actions[0], Action::Tell(text) if text.contains("a3")), "{actions:?}");
    let outcome = outcome(&actions);
    let results: Vec<bool> = outcome.ends.iter().map(|end| end.result.is_ok()).collect();
    assert_eq!(results, [true, true, false]);
    assert_eq!(outcome.aborted, None);
}

#[test]
fn a_loss_stops_the_others_if_that_was_asked_for() {
    let (mut coordinator, _) = running(3, OnLoss::Abort);
    let failed = Happened::Failed { reason: "no\u{1b}[2J".into() };
    let actions = coordinator.event(&event(2, 2, failed), 2 * SECOND);
    let stopped = orders(&actions);
    assert_eq!(stopped.len(), 2, "{actions:?}");
    assert!(stopped.iter().all(|(_, order)| *order == Order::Stop { forced: false }));
    done(&mut coordinator, 1);
    let actions = done(&mut coordinator, 3);
    let aborted = outcome(&actions).aborted.clone().unwrap();
    assert!(aborted.contains("a2") && !aborted.contains('\u{1b}'), "{aborted}");
}

#[test]
fn too_few_agents_and_those_of_another_build_are_named() {
    let mut coordinator = Coordinator::new(settings(3, 2, OnLoss::Mark), 0);
    coordinator.present(&presence(1, "1"), 0);
    let other = presence(2, "1 (1f2e3d4c5b6a)");
    let told = coordinator.present(&other, 0);
    assert!(matches!(&told[..], [Action::Tell(text)] if text.contains("a2")), "{told:?}");
    assert_eq!(coordinator.present(&other, 0), []);
    let busy = Presence { run: Some("x".parse().unwrap()), ..presence(3, "1") };
    coordinator.present(&busy, 0);
    let actions = coordinator.tick(5 * SECOND);
    let said = outcome(&actions).failure.clone().unwrap();
    for part in ["--agents 3", "1 idle", "a2", "version 1 (1f2e3d4c5b6a)", "--min-agents"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn enough_agents_are_enough_and_parts_are_of_those_that_are_ready() {
    let mut coordinator = Coordinator::new(settings(4, 2, OnLoss::Mark), 0);
    for number in 1..=3 {
        coordinator.present(&presence(number, "1"), 0);
    }
    let actions = coordinator.tick(5 * SECOND);
    let offers = orders(&planned(&mut coordinator, &actions));
    assert_eq!(offers.len(), 3);
    let work = Work::Part { fewest_parts: 2 };
    assert!(matches!(&offers[0].1, Order::Offer(offer) if offer.work == work));
    coordinator.answered(&answer(1, PREPARED), (0, 0), 0);
    let renewed = orders(&coordinator.tick(8 * SECOND));
    assert_eq!(renewed, [(name(1), Order::Renew {})]);
    let refused = answer(2, Reply::Refused { reason: "busy".into() });
    coordinator.answered(&refused, (0, 0), 0);
    let actions = coordinator.answered(&answer(3, PREPARED), (0, 0), 0);
    let actions = time_all(&mut coordinator, actions);
    let [Action::Keep(roster)] = &actions[..] else { panic!("{actions:?}") };
    let members: Vec<_> = roster.members.iter().map(|m| (m.part, m.agent.clone())).collect();
    assert_eq!(members, [(1, name(1)), (2, name(3))]);
}

#[test]
fn one_refusal_too_many_releases_the_others() {
    let mut coordinator = Coordinator::new(settings(2, 2, OnLoss::Mark), 0);
    coordinator.present(&presence(1, "1"), 0);
    let actions = coordinator.present(&presence(2, "1"), 0);
    planned(&mut coordinator, &actions);
    coordinator.answered(&answer(1, PREPARED), (0, 0), 0);
    let refused = answer(2, Reply::Refused { reason: "too few descriptors".into() });
    let actions = coordinator.answered(&refused, (0, 0), 0);
    assert_eq!(orders(&actions), [(name(1), Order::Release {})]);
    let said = outcome(&actions).failure.clone().unwrap();
    assert!(said.contains("a2: too few descriptors"), "{said}");
}

#[test]
fn an_agent_that_falls_silent_while_clocks_are_measured_is_left_out() {
    let mut coordinator = Coordinator::new(settings(2, 1, OnLoss::Mark), 0);
    coordinator.present(&presence(1, "1"), 0);
    let actions = coordinator.present(&presence(2, "1"), 0);
    planned(&mut coordinator, &actions);
    coordinator.answered(&answer(1, PREPARED), (0, 0), 0);
    coordinator.answered(&answer(2, PREPARED), (0, 0), 0);
    let actions = vec![Action::Send {
        agent: name(1),
        command: Command {
            schema: SCHEMA.into(),
            run: "run-1".parse().unwrap(),
            sequence: 0,
            order: Order::Clock {},
        },
    }];
    assert_eq!(time_all(&mut coordinator, actions), []);
    let actions = coordinator.silent(&name(2), 0);
    let kept = actions.iter().find_map(|action| match action {
        Action::Keep(roster) => Some(roster),
        _ => None,
    });
    assert_eq!(kept.unwrap().members.len(), 1, "{actions:?}");
    assert!(kept.unwrap().start_at_ns > 1_000 * SECOND);
}

#[test]
fn an_interruption_stops_what_runs_and_releases_what_waits() {
    let mut coordinator = Coordinator::new(settings(2, 2, OnLoss::Mark), 0);
    coordinator.present(&presence(1, "1"), 0);
    let actions = coordinator.stop(false);
    assert!(outcome(&actions).interrupted && outcome(&actions).failure.is_some());
    let (mut coordinator, _) = running(2, OnLoss::Mark);
    let stopped = orders(&coordinator.stop(false));
    assert_eq!(stopped.len(), 2);
    let forced = orders(&coordinator.stop(true));
    assert!(forced.iter().all(|(_, order)| *order == Order::Stop { forced: true }));
    done(&mut coordinator, 1);
    assert!(outcome(&done(&mut coordinator, 2)).interrupted);
}

/// A run of agent 1, whose server agent 9 has started, and what agent 9 was asked first.
fn served(on_loss: OnLoss) -> (Coordinator, Vec<Action>) {
    let server = OfServer { agent: name(9), plan: Digest::of(b"server") };
    let settings = Settings { server: Some(server), ..settings(1, 1, on_loss) };
    let mut coordinator = Coordinator::new(settings, 0);
    assert_eq!(coordinator.present(&presence(1, "1"), 0), []);
    // Of several agents one is enough, and the other is left alone.
    assert_eq!(coordinator.present(&presence(2, "1"), 0), []);
    let actions = coordinator.present(&presence(9, "1"), 0);
    (coordinator, actions)
}

fn address() -> SocketAddr {
    "10.0.0.9:7000".parse().unwrap()
}

/// The same once the load runs.
fn loaded(on_loss: OnLoss) -> Coordinator {
    let (mut coordinator, actions) = served(on_loss);
    let asked = orders(&actions);
    assert!(
        matches!(&asked[..], [(agent, Order::Offer(offer))]
            if *agent == name(9) && offer.work == Work::Server {}),
        "{asked:?}"
    );
    let serving = Reply::Serving(Serving { address: Some(address()) });
    let actions = coordinator.answered(&answer(9, serving), (0, 0), 0);
    assert_eq!(actions, [Action::Plan { server: Some(address()) }]);
    let offers = orders(&coordinator.planned(Ok(Digest::of(b"plan"))));
    assert_eq!(offers.iter().map(|(agent, _)| agent.clone()).collect::<Vec<_>>(), [name(1)]);
    // It keeps the server meanwhile.
    assert_eq!(orders(&coordinator.tick(4 * SECOND)), [(name(9), Order::Renew {})]);
    let actions = coordinator.answered(&answer(1, PREPARED), (0, 0), 0);
    let actions = time_all(&mut coordinator, actions);
    let [Action::Keep(roster)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(roster.members.len(), 1);
    let server = roster.server.as_ref().unwrap();
    assert_eq!((server.part, &server.agent), (SERVER, &name(9)));
    assert!(server.clock.is_some());
    let starts = orders(&coordinator.kept(Ok(())));
    assert!(matches!(&starts[0].1, Order::Start(start) if (start.part, start.parts) == (1, 1)));
    assert!(matches!(&starts[1], (agent, Order::Watch(_)) if *agent == name(9)));
    for number in [1, 9] {
        coordinator.answered(&answer(number, Reply::Accepted {}), (0, 0), 5 * SECOND);
    }
    coordinator
}

#[test]
fn the_server_comes_before_the_plan_and_goes_after_the_load() {
    let mut coordinator = loaded(OnLoss::Mark);
    assert_eq!(orders(&coordinator.tick(8 * SECOND)), [(name(9), Order::Renew {})]);
    assert_eq!(coordinator.at_work(), 1);
    assert_eq!(orders(&coordinator.stop(false)), [(name(1), Order::Stop { forced: false })]);
    let actions = done(&mut coordinator, 1);
    assert_eq!(orders(&actions), [(name(9), Order::Stop { forced: false })]);
    assert!(actions.iter().all(|action| !matches!(action, Action::Finish(_))));
    let stored = crate::agent::stored(b"seen");
    let ended = event(9, SERVER, Happened::Done(stored.clone()));
    let actions = coordinator.event(&ended, 9 * SECOND);
    let outcome = outcome(&actions);
    assert_eq!(outcome.ends.len(), 1);
    assert_eq!(outcome.server.as_ref().unwrap().result, Ok(stored));
}

#[test]
fn a_server_that_is_lost_leaves_the_load_unless_that_is_to_abort() {
    for on_loss in [OnLoss::Mark, OnLoss::Abort] {
        let mut coordinator = loaded(on_loss);
        let failed = Happened::Failed { reason: "gone".into() };
        let actions = coordinator.event(&event(9, SERVER, failed), 6 * SECOND);
        assert!(
            matches!(&actions[0], Action::Tell(text) if text.contains("a9, which looked")),
            "{actions:?}"
        );
        let stopped = orders(&actions).len();
        assert_eq!(stopped, usize::from(on_loss == OnLoss::Abort));
        let actions = done(&mut coordinator, 1);
        assert_eq!(orders(&actions), []);
        assert_eq!(outcome(&actions).server.as_ref().unwrap().result, Err("gone".into()));
    }
}

#[test]
fn without_the_agent_of_the_server_nothing_begins() {
    let server = OfServer { agent: name(9), plan: Digest::of(b"server") };
    let settings = Settings { server: Some(server), ..settings(1, 1, OnLoss::Mark) };
    let mut coordinator = Coordinator::new(settings.clone(), 0);
    coordinator.present(&presence(1, "1"), 0);
    let said = outcome(&coordinator.tick(5 * SECOND)).failure.clone().unwrap();
    assert!(said.contains("--server-agent a9") && said.contains("--name a9"), "{said}");
    let mut coordinator = Coordinator::new(settings, 0);
    coordinator.present(&presence(1, "1"), 0);
    coordinator.present(&presence(9, "2"), 0);
    let said = outcome(&coordinator.tick(5 * SECOND)).failure.clone().unwrap();
    assert!(said.contains("--server-agent a9") && said.contains("version 2"), "{said}");
    let (mut coordinator, _) = served(OnLoss::Mark);
    let refused = Reply::Refused { reason: "no process listens".into() };
    let actions = coordinator.answered(&answer(9, refused), (0, 0), 0);
    assert_eq!(orders(&actions), [], "nobody else was asked anything");
    let said = outcome(&actions).failure.clone().unwrap();
    assert!(said.contains("--server-agent a9: no process listens"), "{said}");
}
