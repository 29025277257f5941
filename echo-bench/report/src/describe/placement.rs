//! Where both sides ran, in words: [`told`].

use crate::report::{Report, SurroundingsReport};
use echo_bench_engine::plan::{PinMode, Plan, Unpinned};

/// What was pinned to which CPUs or why nothing was, and where both sides were seen; `None`
/// where nothing of that is known, as in older reports.
pub(super) fn told(report: &Report) -> Option<String> {
    let pinned = pinned(&report.plan);
    let around = report.summary.surroundings.as_ref();
    // Who is pinned and was seen nowhere else is not said twice.
    let around = around.filter(|around| !as_pinned(&report.plan, around));
    match (pinned, around.and_then(seen)) {
        (None, None) => None,
        (Some(pinned), None) => Some(pinned),
        (pinned, Some(seen)) => {
            Some(format!("{}; {seen}", pinned.as_deref().unwrap_or("not pinned")))
        }
    }
}

fn pinned(plan: &Plan) -> Option<String> {
    let server = plan.server_cpus();
    let sides = [
        ("generator", &plan.pin.generator),
        ("server", &server),
        ("forwarder", &plan.pin.forwarder),
    ];
    let sides: Vec<String> = sides
        .into_iter()
        .filter(|(_, cpus)| !cpus.is_empty())
        .map(|(side, cpus)| format!("{side} on {}", named(cpus)))
        .collect();
    let why = match plan.pin.unpinned {
        Some(Unpinned::FewCpus) => "fewer CPUs than threads of both sides",
        Some(Unpinned::OtherServer) => "the server was not started by this run",
        None if sides.is_empty() && plan.pin.asked == PinMode::Off => return None,
        None => "",
    };
    if !plan.pin.nodes.is_empty() {
        let nodes: Vec<String> = plan.pin.nodes.iter().map(|cpus| named(cpus)).collect();
        return Some(format!("generator threads on one NUMA node each: {}", nodes.join("; ")));
    }
    let lacks_forwarder =
        plan.link.is_some() && plan.pin.asked == PinMode::Auto && plan.pin.forwarder.is_empty();
    Some(match (sides.is_empty(), why) {
        (true, why) => format!("not pinned: {why}"),
        (false, "") if lacks_forwarder => {
            format!("pinned: {}; the link's forwarder shares these", sides.join(", "))
        }
        (false, "") => format!("pinned: {}", sides.join(", ")),
        (false, why) => format!("pinned: {}; the rest not: {why}", sides.join(", ")),
    })
}

/// Whether both sides are pinned, and ran nowhere else.
fn as_pinned(plan: &Plan, around: &SurroundingsReport) -> bool {
    let server = plan.server_cpus();
    let within = |seen: &[usize], cpus: &[usize]| seen.iter().all(|cpu| cpus.contains(cpu));
    within(&around.generator_cpus, &plan.pin.generator) && within(&around.server_cpus, &server)
}

fn seen(around: &SurroundingsReport) -> Option<String> {
    let sides = [("generator", &around.generator_cpus), ("server", &around.server_cpus)];
    let seen = sides.into_iter().filter(|(_, cpus)| !cpus.is_empty());
    let seen: Vec<String> =
        seen.map(|(side, cpus)| format!("{side} on {}", named(cpus))).collect();
    (!seen.is_empty()).then(|| format!("seen: {}", seen.join(", ")))
}

/// Like `CPU 0` or `CPUs 0,2-3`.
pub(super) fn named(cpus: &[usize]) -> String {
    let mut cpus = cpus.to_vec();
    cpus.sort_unstable();
    let ranges = cpus.chunk_by(|before, after| before.checked_add(1) == Some(*after));
    let ranges: Vec<String> = ranges
        .map(|range| match range {
            [first, .., last] => format!("{first}-{last}"),
            only => only[0].to_string(),
        })
        .collect();
    format!("CPU{} {}", if cpus.len() > 1 { "s" } else { "" }, ranges.join(","))
}

#[cfg(test)]
mod tests {
    use echo_bench_engine::RunRecord;
    use echo_bench_engine::plan::{Pinning, ServerCpus, ServerFlag, ServerPlan, Target};

    use super::*;
    use crate::small_plan::plan_with;

    fn plan(pin: Pinning, flags: &[ServerFlag]) -> Plan {
        let server = ServerPlan::new(flags.iter().cloned());
        plan_with(|plan| (plan.pin, plan.target) = (pin, Target::Embedded { server }))
    }

    #[test]
    fn says_what_was_pinned_where_and_why_not() {
        let apart = |cpus, server| Pinning::apart(cpus, 1, server, false);
        let own = [ServerFlag::new("pin", "3,1")];
        for (plan, told) in [
            (plan(Pinning::off(), &[]), None),
            (plan(Pinning::off(), &own), Some("pinned: server on CPUs 1,3")),
            (
                plan(apart(&[0, 1, 2], ServerCpus::Workers(2)), &[]),
                Some("pinned: generator on CPU 0, server on CPUs 1-2"),
            ),
            (
                plan(apart(&[0], ServerCpus::Workers(1)), &[]),
                Some("not pinned: fewer CPUs than threads of both sides"),
            ),
            (
                plan(apart(&[3], ServerCpus::Given(&[1, 3])), &own),
                Some(
                    "pinned: server on CPUs 1,3; the rest not: fewer CPUs than threads of both \
                     sides",
                ),
            ),
            (
                plan(apart(&[0, 1], ServerCpus::Unknown), &[]),
                Some("not pinned: the server was not started by this run"),
            ),
            (
                plan(Pinning::on_nodes(&[vec![0, 1], vec![2, 3]], 2), &[]),
                Some("generator threads on one NUMA node each: CPUs 0-1; CPUs 2-3"),
            ),
        ] {
            assert_eq!(pinned(&plan).as_deref(), told);
        }
    }

    #[test]
    fn says_where_the_forwarder_of_a_link_runs() {
        for (cpus, told) in [
            (
                &[0, 1][..],
                "pinned: generator on CPU 0, server on CPU 1; the link's forwarder shares these",
            ),
            (&[0, 1, 2], "pinned: generator on CPU 0, server on CPU 1, forwarder on CPU 2"),
        ] {
            let plan = plan(Pinning::apart(cpus, 1, ServerCpus::Workers(1), true), &[]);
            let plan = plan.with(|plan| plan.link = Some("lan".parse().unwrap())).unwrap();
            assert_eq!(pinned(&plan).as_deref(), Some(told));
        }
    }

    #[test]
    fn says_where_the_threads_were_seen() {
        let record = RunRecord { cpus: vec![0, 1], ..RunRecord::default() };
        let around = SurroundingsReport::new(&record);
        assert_eq!(seen(&around).as_deref(), Some("seen: generator on CPUs 0-1"));
        assert_eq!(seen(&SurroundingsReport::new(&RunRecord::default())), None);
        let as_pinned_to =
            |cpus: &str| as_pinned(&plan(Pinning::on(&cpus.parse().unwrap()), &[]), &around);
        assert!(as_pinned_to("0-2") && !as_pinned_to("1"));
    }
}
