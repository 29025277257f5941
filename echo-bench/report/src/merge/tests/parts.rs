//! Parts of a plan, carried out one after the other on the simulated reactor against a scripted
//! server, are together the run that one process makes.

use std::sync::Arc;

use echo_bench_engine::Peer as LoadedPeer;
use echo_bench_engine::plan::{Load, Part, PlanError, Settings, StopRule, WorkloadPlan};
use echo_bench_engine::rehearsal::rehearse;
use echo_bench_engine::schedule::Arrival;
use echo_bench_engine::{ServerLog, ServerLook};
use echo_net::clock::MILLISECOND;
use echo_net::cpu::Usage;
use echo_net::netstat::TcpCounters;
use echo_net::reactor::simulated::{Peer, Script, SimulatedReactor};
use echo_net::stop::Stop;
use proptest::prelude::*;

use super::*;
use crate::report::{Environment, MissingPart, ServerOfRun, ServerSeen, StartReport};

const START: u64 = 1000 * SECOND;

/// Echoes lines, each after a delay of its own, which only its text decides: what else a process
/// asks changes nothing.
#[derive(Default)]
struct Scripted {
    unfinished: Vec<u8>,
}

impl Peer for Scripted {
    fn receive(&mut self, _now: u64, bytes: &[u8], script: &mut Script) {
        self.unfinished.extend_from_slice(bytes);
        while let Some(end) = self.unfinished.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).collect();
            let hash = line.iter().fold(7_u64, |hash, &byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
            });
            let reply = [b"ECHO: ", &line[..]].concat();
            script.deliver(MILLISECOND / 10 + hash % (20 * MILLISECOND), &reply);
        }
    }
}

/// The report of what one process carries out of a plan, at this second.
fn carried_out(plan: &Plan, second: u32) -> Report {
    let measured_ns = match plan.stop {
        StopRule::Duration { duration_ns } => duration_ns,
        StopRule::Requests { .. } => SECOND,
    };
    carried_out_for(measured_ns, plan, second)
}

/// The same, of a process that says that its window had this length.
fn carried_out_for(measured_ns: u64, plan: &Plan, second: u32) -> Report {
    let plan = Arc::new(plan.clone());
    let mut reactor = SimulatedReactor::new(START, |_| Box::new(Scripted::default()));
    let peer =
        LoadedPeer { addresses: vec!["127.0.0.1:1".parse().unwrap()], ..LoadedPeer::default() };
    let done = rehearse(&plan, peer, &Stop::new(), &mut reactor).unwrap();
    let mut total = done.total;
    // A rehearsal has no window in which replies could be counted.
    total.tally.answered = total.tally.ok;
    let response = Packed::new(&total.latencies.response);
    let piece = IntervalRecord { index: 0, tally: total.tally, response };
    let empty = (1..=measured_ns / plan.interval_ns).map(|index| IntervalRecord {
        index,
        tally: record::Tally::default(),
        response: Packed::new(&record::Latency::default()),
    });
    let record = RunRecord {
        established: done.established,
        alive_at_end: done.alive_at_end,
        measured_ns,
        load_ns: measured_ns,
        last_reply_ns: Some(measured_ns),
        stage_pieces: vec![Vec::new(); plan.load.stage_ends().len()],
        total,
        intervals: std::iter::once(piece).chain(empty).collect(),
        ..RunRecord::default()
    };
    let at = format!("2026-01-02T03:04:{second:02}.000000000Z");
    let start = StartReport { wanted_at: at.clone(), began_at: at.clone(), late_ns: 0 };
    let circumstances = Circumstances {
        started_at: at.clone(),
        window_started_at: Some(at),
        start: Some(start),
        ..circumstances(second)
    };
    build(&plan, &record, circumstances)
}

/// A plan with a load of this kind.
fn plan_of(kind: usize, connections: u32, seed: u64) -> Plan {
    let open = |arrival| Load::Open { rate_per_s: 400.0, arrival, pipeline: 64 };
    small_plan::plan_with(|plan| {
        plan.connections = connections;
        plan.seed = seed;
        plan.warmup_ns = 100 * MILLISECOND;
        plan.interval_ns = SECOND;
        plan.stop = StopRule::Duration { duration_ns: SECOND };
        plan.think = None;
        plan.load = match kind {
            0 | 1 => Load::Closed { pipeline: 1 + kind as u32 * 2 },
            2 | 3 => Load::Closed { pipeline: 2 },
            4 | 5 => open(Arrival::Constant),
            6 => open(Arrival::Poisson),
            _ => Load::Staged {
                stages: ["200:500ms", "200..800:500ms"]
                    .map(|typed| typed.parse().unwrap())
                    .into(),
                arrival: Arrival::Poisson,
                pipeline: 64,
            },
        };
        if kind == 2 {
            plan.think = "exp:5ms".parse().ok();
        }
        if matches!(kind, 3 | 5) {
            plan.stop = StopRule::Requests { requests: 151 };
        }
    })
}

fn part(plan: &Plan, number: u32, of: u32) -> Plan {
    plan.with(|plan| plan.part = Some(Part { number, of })).unwrap()
}

/// All parts of a plan, one after the other.
fn parts_of(plan: &Plan, of: u32) -> Vec<Report> {
    (1..=of).map(|number| carried_out(&part(plan, number, of), number)).collect()
}

fn hdr(report: &Report) -> Vec<Option<String>> {
    let whole = report.summary.latency.response.as_ref();
    let stages = report.stages.iter().map(|stage| stage.latency.response.as_ref());
    let intervals = report.intervals.iter().map(|interval| interval.response.as_ref());
    let all = std::iter::once(whole).chain(stages).chain(intervals);
    all.map(|clock| clock.map(|clock| clock.hdr.clone())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn parts_are_together_the_run_of_one_process(
        kind in 0_usize..8, connections in 2_u32..12, of in 1_u32..6, seed in 1_u64..1 << 50,
    ) {
        prop_assume!(of <= connections);
        let plan = plan_of(kind, connections, seed);
        let whole = carried_out(&plan, 0);
        let parts = parts_of(&plan, of);
        for part in &parts {
            prop_assert_eq!(part.plan.schedule_digest(), plan.schedule_digest());
        }
        let merged = merge(&parts).unwrap();
        prop_assert_eq!(merged.plan.schedule_digest(), whole.plan.schedule_digest());
        let (ours, theirs) = (&merged.summary, &whole.summary);
        prop_assert_eq!(ours.requests.scheduled, theirs.requests.scheduled);
        prop_assert!(theirs.requests.ok > 50, "{:?}", theirs.requests);
        prop_assert_eq!(ours.connections.requested, theirs.connections.requested);
        prop_assert_eq!(merged.plan.part, None);
        prop_assert_eq!(merged.parts.as_ref().unwrap().each.len(), of as usize);
        // In a closed loop it is chance which connection claims the last of a number.
        if kind != 3 {
            prop_assert_eq!(ours.requests, theirs.requests);
            prop_assert_eq!(ours.bytes, theirs.bytes);
            prop_assert_eq!(ours.answered_in_window, theirs.answered_in_window);
            prop_assert_eq!(hdr(&merged), hdr(&whole));
        }
    }
}

#[test]
fn a_missing_a_doubled_and_a_foreign_part_are_refused_by_name() {
    let plan = plan_of(4, 6, 7);
    let parts = parts_of(&plan, 3);
    let refused = |parts: &[Report]| merge(parts).unwrap_err().to_string();
    let told = refused(&parts[..2]);
    assert!(
        told.contains("part 3 of 3 is missing") && told.contains("--allow-missing"),
        "{told}"
    );
    let twice = [&parts[..], &parts[1..2]].concat();
    assert!(refused(&twice).contains("part 2/3 is there twice"));
    let of_two = parts_of(&plan, 2);
    assert!(refused(&[parts[0].clone(), of_two[1].clone()]).contains("number"));
    let slower = plan_of(6, 6, 7);
    let foreign = [parts[0].clone(), carried_out(&part(&slower, 2, 3), 2), parts[2].clone()];
    assert!(
        refused(&foreign).contains("load.arrival (constant and poisson)"),
        "{}",
        refused(&foreign)
    );
    let other_seed = plan_of(4, 6, 8);
    let foreign =
        [parts[0].clone(), carried_out(&part(&other_seed, 2, 3), 2), parts[2].clone()];
    assert!(refused(&foreign).contains("seed (7 and 8"), "{}", refused(&foreign));
    let mixed = [parts[0].clone(), carried_out(&plan, 2)];
    assert!(matches!(merge(&mixed), Err(MergeError::Mixed(_))));
}

#[test]
fn what_is_left_of_the_parts_is_marked_and_claims_nothing_for_the_others() {
    let plan = plan_of(4, 6, 7);
    let all = parts_of(&plan, 3);
    let there: Vec<_> = [&all[0], &all[2]].map(PartOfRun::from).into();
    let lost = [MissingPart { number: 2, reason: Some("killed".into()) }];
    let merged = merge_parts(there, &lost, true, None).unwrap();
    let found = merged.parts.as_ref().unwrap();
    assert_eq!((found.of, &found.missing[..]), (3, &lost[..]));
    assert_eq!(messages(&merged, "parts-missing"), ["part 2 of 3 is missing"]);
    assert_ne!(merged.verdict, Verdict::Valid);
    // Two of three parts, each with a third of 400 per second.
    let offered = merged.summary.offered_per_s.unwrap();
    assert!((offered - 400.0 * 2.0 / 3.0).abs() < 2.0, "{offered}");
    assert_eq!(merged.summary.connections.requested, 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A signal, or a number of requests, ends each part at an instant of its own.
    #[test]
    fn parts_that_end_one_after_the_other_are_one_report(
        lengths_ms in prop::collection::vec(prop_oneof![900_u64..1100, 1_u64..4000], 2..5),
        kind in prop::sample::select(vec![0_usize, 4]),
    ) {
        let plan = plan_of(kind, 6, 7);
        let of = lengths_ms.len() as u32;
        let parts = (1..).zip(&lengths_ms).map(|(number, length)| {
            let part = part(&plan, number, of);
            Report { interrupted: true, ..carried_out_for(length * MILLISECOND, &part, number) }
        });
        let merged = merge(&parts.collect::<Vec<_>>());
        prop_assert!(merged.is_ok(), "{:?}", merged.err());
        let merged = merged.unwrap();
        prop_assert!(merged.interrupted);
        let longest = *lengths_ms.iter().max().unwrap() as f64 / 1e3;
        prop_assert!((merged.summary.measured_s - longest).abs() < 1e-9);
        let overlap = merged.intervals.windows(2).find(|pair| {
            pair[0].at_s + pair[0].length_s > pair[1].at_s + 1e-9
        });
        prop_assert!(overlap.is_none(), "{overlap:?}");
    }
}

#[test]
fn parts_that_did_not_run_at_once_say_so() {
    let plan = plan_of(4, 6, 7);
    let mut parts = parts_of(&plan, 2);
    assert_eq!(messages(&merge(&parts).unwrap(), "parts-apart").len(), 1);
    for (part, began) in parts.iter_mut().zip(["01.000000000Z", "01.000400000Z"]) {
        part.start.as_mut().unwrap().began_at = format!("2026-01-02T03:04:{began}");
    }
    let merged = merge(&parts).unwrap();
    assert_eq!(messages(&merged, "parts-apart"), [""; 0]);
    assert_eq!(merged.parts.unwrap().start_skew_ns, Some(400_000));
    // A clock that is half a second ahead is not taken at its word.
    let start = parts[1].start.as_mut().unwrap();
    start.began_at = "2026-01-02T03:04:01.500400000Z".into();
    let mut known: Vec<_> = parts.iter().map(PartOfRun::from).collect();
    let clock = crate::report::ClockOffset { offset_ns: 500_000_000, error_ns: 20_000 };
    known[1].clock = Some(clock);
    let merged = merge_parts(known, &[], false, None).unwrap();
    assert_eq!(merged.parts.unwrap().start_skew_ns, Some(400_000));
}

#[test]
fn what_processes_can_not_share_is_refused_by_its_flag() {
    let refused = |change: fn(&mut Settings)| {
        let whole = plan_of(0, 6, 7);
        let part = whole.with(|plan| {
            plan.part = Some(Part { number: 1, of: 2 });
            change(plan);
        });
        part.unwrap_err()
    };
    let pool = |plan: &mut Settings| {
        plan.load = Load::Closed { pipeline: 1 };
        let protocol = plan.workload.protocol().clone();
        plan.workload = WorkloadPlan::Pool { protocol, size: 3, reconnect_after: None };
    };
    assert!(refused(pool).to_string().contains("--pool"));
    let many = refused(|plan| plan.connections = 1);
    assert!(
        matches!(many, PlanError::ManyParts { .. }) && many.to_string().contains("--conns")
    );
    let until = refused(|plan| plan.until = "p99+-5%".parse().ok());
    assert!(until.to_string().contains("--until"));
}

/// What an agent saw of a server that uses half a core, looked at every 200 ms.
fn seen(plan: &Plan, until_ms: u64) -> ServerSeen {
    let look = |after_ms: u64| ServerLook {
        after_ns: after_ms * MILLISECOND + 1,
        server: Some(Usage {
            cpu: Duration::from_millis(10 + after_ms / 2),
            voluntary_switches: Some(after_ms),
            involuntary_switches: Some(7),
            peak_rss_bytes: 4096,
        }),
        tcp: Some(TcpCounters { retransmits: after_ms, ..TcpCounters::default() }),
        machine: None,
    };
    let looks = (0..=until_ms / 200).map(|number| look(number * 200)).collect();
    ServerSeen {
        schema: ServerSeen::SCHEMA.into(),
        target: plan.target.clone(),
        process: None,
        environment: Environment::default(),
        log: ServerLog { step_ns: 200 * MILLISECOND, looks, cpus: vec![3] },
        side: None,
        killed: false,
    }
}

fn merged_with(plan: &Plan, seen: Result<ServerSeen, String>) -> Report {
    merged_late(plan, seen, 0)
}

/// The same of parts that began so late.
fn merged_late(plan: &Plan, seen: Result<ServerSeen, String>, late_ms: u64) -> Report {
    let mut parts = parts_of(plan, 2);
    for start in parts.iter_mut().filter_map(|part| part.start.as_mut()) {
        start.late_ns = late_ms * MILLISECOND;
    }
    let known: Vec<_> = parts.iter().map(PartOfRun::from).collect();
    let server = ServerOfRun { agent: "db-1".into(), clock: None, seen: seen.map(Box::new) };
    merge_parts(known, &[], false, Some(&server)).unwrap()
}

#[test]
fn what_an_agent_saw_of_the_server_is_its_cost() {
    let plan = plan_of(4, 6, 7);
    let merged = merged_with(&plan, Ok(seen(&plan, 2000)));
    let (cpu, answered) = (merged.summary.cpu, merged.summary.answered_in_window as f64);
    let close = |found: Option<f64>, wanted: f64| {
        assert!(found.is_some_and(|found| (found / wanted - 1.0).abs() < 0.01), "{found:?}");
    };
    // The window has a second.
    close(cpu.server_busy, 0.5);
    close(cpu.server_us_per_message, 500_000.0 / answered);
    assert_eq!(cpu.server_context_switches, Some(1000));
    assert_eq!(cpu.server_peak_rss_bytes, Some(4096));
    let whole = merged.intervals.iter().find(|interval| interval.answered() > 0.0).unwrap();
    close(whole.server_us_per_message, 500_000.0 * whole.length_s / whole.answered());
    let server = merged.parts.as_ref().unwrap().server.as_ref().unwrap();
    let around = server.surroundings.as_ref().unwrap();
    assert_eq!((around.tcp.unwrap().retransmits, &around.server_cpus), (1000, &vec![3]));
    assert_eq!((&server.failure, server.ended), (&None, false));
    // It is stored and read again.
    let text = crate::report::store::to_json(&merged);
    let read: Report = serde_json::from_str(&text).unwrap();
    assert_eq!(read.parts, merged.parts);
}

#[test]
fn the_cost_of_a_load_that_began_late_is_that_of_its_own_window() {
    let plan = plan_of(4, 6, 7);
    let mut seen = seen(&plan, 2000);
    // Idle until the load begins.
    for look in &mut seen.log.looks {
        let used = look.server.as_mut().unwrap();
        used.cpu = used.cpu.max(Duration::from_millis(410));
    }
    let merged = merged_late(&plan, Ok(seen), 800);
    let busy = merged.summary.cpu.server_busy.unwrap();
    assert!((busy - 0.5).abs() < 0.01, "{busy}");
    let first = merged.intervals.iter().find(|interval| interval.answered() > 0.0).unwrap();
    assert!(first.server_us_per_message.unwrap() > 0.0, "{first:?}");
}

#[test]
fn a_server_that_nobody_saw_costs_nothing_that_is_known() {
    let plan = plan_of(4, 6, 7);
    let mut ended = seen(&plan, 2000);
    ended.log.looks.iter_mut().skip(3).for_each(|look| look.server = None);
    for (seen, told, has_ended) in [
        (Err("silent for 10 s".to_owned()), "silent", false),
        (Ok(seen(&plan, 400)), "both ends", false),
        (Ok(ended), "did not run", true),
    ] {
        let merged = merged_with(&plan, seen);
        assert_eq!(merged.summary.cpu.server_us_per_message, None);
        let server = merged.parts.as_ref().unwrap().server.as_ref().unwrap();
        assert!(server.failure.as_ref().unwrap().contains(told), "{server:?}");
        assert_eq!(server.ended, has_ended);
        assert_eq!(messages(&merged, crate::report::SERVER_ENDED).is_empty(), !has_ended);
    }
}
