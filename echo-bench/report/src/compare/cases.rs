//! Which reports are repeats of one case, and which cases of two sides belong together:
//! [`pair`]. A setting whose values on one side never occur on the other is what the sides
//! differ by; all other settings tell cases apart.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use echo_bench_engine::plan::{Load, Plan, ServerPlan, Target};

/// A plan as settings by name, like `socket.nodelay`.
pub(crate) type Settings = BTreeMap<String, String>;

/// Settings that vary from repeat to repeat, or follow from others.
const PASSING: [&str; 7] = [
    "seed",
    "schedule_digest",
    "load.arrivals.instants_ns",
    // Of files the digest counts, wherever they are and whatever they are called.
    "messages.sizes.file",
    "messages.sizes.bins",
    "messages.file.name",
    "messages.file.format",
];

/// Cases, each with the places of its reports in the two sides.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Pairing {
    pub(super) both: Vec<(String, Vec<usize>, Vec<usize>)>,
    pub(super) only_in_base: Vec<String>,
    pub(super) only_in_candidate: Vec<String>,
}

/// The settings of a plan that make it the case that it is.
pub(crate) fn settings(plan: &Plan) -> Settings {
    let mut settings = Settings::new();
    let value = serde_json::to_value(plan).unwrap_or(Value::Null);
    flatten("", &value, &mut settings);
    if let Load::Staged { stages, .. } = &plan.load {
        let stages: Vec<_> = stages.iter().map(ToString::to_string).collect();
        settings.insert("load.stages".into(), stages.join(" "));
    }
    let is_of_file = settings.contains_key("messages.file.digest");
    settings.retain(|name, _| {
        let is_said_elsewhere = PASSING.contains(&name.as_str())
            || name.starts_with("target.server")
            || name.starts_with("drawn_sizes.")
            || (is_of_file && name == "messages.texts");
        !is_said_elsewhere
    });
    if let Target::Embedded { server } = &plan.target {
        settings.extend(flags(server));
    }
    settings
}

fn flatten(name: &str, value: &Value, settings: &mut Settings) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let dot = if name.is_empty() { "" } else { "." };
                flatten(&format!("{name}{dot}{field}"), value, settings);
            }
        }
        Value::String(text) => {
            settings.insert(name.to_owned(), text.clone());
        }
        other => {
            settings.insert(name.to_owned(), other.to_string());
        }
    }
}

/// The embedded server's flags.
fn flags(server: &ServerPlan) -> Settings {
    let flags = server.all_flags().into_iter();
    flags
        .map(|flag| {
            let value = flag.value.unwrap_or_else(|| "on".to_owned());
            (format!("server.{}", flag.name), value)
        })
        .collect()
}

/// Pairs the cases of two sides.
pub(super) fn pair(base: &[Settings], candidate: &[Settings]) -> Pairing {
    let treated = treatments(base, candidate);
    let (base, candidate) = (group(base, &treated), group(candidate, &treated));
    let all: BTreeSet<&Settings> = base.keys().chain(candidate.keys()).collect();
    let telling = telling(&all);
    let mut pairing = Pairing::default();
    for settings in &all {
        let name = name(settings, &telling);
        match (base.get(*settings), candidate.get(*settings)) {
            (Some(base), Some(candidate)) => {
                pairing.both.push((name, base.clone(), candidate.clone()));
            }
            (Some(_), None) => pairing.only_in_base.push(name),
            _ => pairing.only_in_candidate.push(name),
        }
    }
    pairing
}

/// The settings that differ from side to side in every report.
fn treatments(base: &[Settings], candidate: &[Settings]) -> BTreeSet<String> {
    let names: BTreeSet<&String> =
        base.iter().chain(candidate).flat_map(Settings::keys).collect();
    let values = |side: &[Settings], name: &String| -> BTreeSet<Option<String>> {
        side.iter().map(|settings| settings.get(name).cloned()).collect()
    };
    let apart = |name: &&&String| values(base, name).is_disjoint(&values(candidate, name));
    names.iter().filter(apart).map(|name| (*name).clone()).collect()
}

fn group(side: &[Settings], treated: &BTreeSet<String>) -> BTreeMap<Settings, Vec<usize>> {
    let mut groups: BTreeMap<Settings, Vec<usize>> = BTreeMap::new();
    for (place, settings) in side.iter().enumerate() {
        let mut key = settings.clone();
        key.retain(|name, _| !treated.contains(name));
        groups.entry(key).or_default().push(place);
    }
    groups
}

/// The settings that are not the same in all cases.
pub(crate) fn telling(cases: &BTreeSet<&Settings>) -> BTreeSet<String> {
    let names = cases.iter().flat_map(|settings| settings.keys());
    let differs = |name: &&String| {
        let values: BTreeSet<_> = cases.iter().map(|settings| settings.get(*name)).collect();
        values.len() > 1
    };
    names.filter(differs).cloned().collect()
}

/// The settings that tell a case from others, with their values.
pub(crate) fn name(settings: &Settings, telling: &BTreeSet<String>) -> String {
    let parts: Vec<String> = telling
        .iter()
        .map(|name| format!("{name}={}", settings.get(name).map_or("-", String::as_str)))
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::small_plan::plan_with;
    use echo_bench_engine::plan::ServerFlag;

    fn plan(conns: u32, nodelay: bool) -> Settings {
        settings(&plan_with(|plan| {
            plan.connections = conns;
            plan.socket.nodelay = nodelay;
            plan.seed = u64::from(conns) + 7;
        }))
    }

    #[test]
    fn what_never_agrees_is_the_difference_and_the_rest_tells_cases_apart() {
        let base = [plan(1, false), plan(10, false), plan(1, false), plan(100, false)];
        let candidate = [plan(10, true), plan(1, true), plan(7, true)];
        let pairing = pair(&base, &candidate);
        assert_eq!(
            pairing.both,
            [
                ("connections=1".into(), vec![0, 2], vec![1]),
                ("connections=10".into(), vec![1], vec![0]),
            ]
        );
        assert_eq!(pairing.only_in_base, ["connections=100"]);
        assert_eq!(pairing.only_in_candidate, ["connections=7"]);
    }

    #[test]
    fn one_case_a_side_is_compared_whatever_differs() {
        let pairing = pair(&[plan(1, false)], &[plan(10, true)]);
        assert_eq!(pairing.both, [(String::new(), vec![0], vec![0])]);
    }

    #[test]
    fn the_embedded_servers_flags_are_settings() {
        let settings = settings(&plan_with(|plan| {
            let flags = [ServerFlag::new("model", "epoll"), ServerFlag::switch("reuse-port")];
            let server = ServerPlan { workers: Some(2), ..ServerPlan::new(flags) };
            plan.target = Target::Embedded { server };
        }));
        assert_eq!(settings["server.model"], "epoll");
        assert_eq!(settings["server.reuse-port"], "on");
        assert_eq!(settings["server.workers"], "2");
        assert!(!settings.contains_key("target.server"));
    }

    #[test]
    fn files_are_told_apart_by_what_they_hold() {
        use echo_bench_engine::messages::{Histogram, MessageFile, MessageFormat};
        use echo_bench_engine::plan::{MessagePlan, SizePlan};

        let of_file = |name: &str, text: &str| {
            let texts = vec![text.as_bytes().to_vec()];
            let file = MessageFile::of(name.into(), MessageFormat::Whole, &texts);
            let messages = MessagePlan::Given { texts, crlf: false, file: Some(file) };
            settings(&plan_with(|plan| plan.messages = messages))
        };
        assert_eq!(of_file("a", "text"), of_file("b", "text"));
        assert_ne!(of_file("a", "text"), of_file("a", "another"));
        assert!(!of_file("a", "text").contains_key("messages.texts"));
        let of_sizes = |name: &str, text: &str, seed| {
            let histogram = Histogram::read(name, text).expect("it is one");
            let (min_bytes, max_bytes) = histogram.bounds();
            let sizes = Some(SizePlan::Histogram(histogram));
            settings(&plan_with(|plan| {
                plan.messages = MessagePlan::Generated { min_bytes, max_bytes, sizes };
                plan.seed = seed;
            }))
        };
        assert_eq!(of_sizes("a", "64 1\n70 2\n", 1), of_sizes("b", "70 2\n64 1\n", 2));
        assert_ne!(of_sizes("a", "64 1\n70 2\n", 1), of_sizes("a", "64 1\n70 3\n", 1));
    }
}
