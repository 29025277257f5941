//! Facts of made-up machines, judged.

use super::*;

fn health(facts: &Facts, name: &str) -> (Health, String) {
    let checks = examine(facts);
    let check = checks.iter().find(|check| check.name == name).unwrap();
    (check.health, check.remedy.clone().unwrap_or_default())
}

#[test]
fn what_was_not_read_is_unknown_and_no_fault() {
    for check in examine(&Facts::default()) {
        assert_eq!((check.health, check.remedy), (Health::Unknown, None), "{}", check.name);
    }
}

#[test]
fn whatever_is_not_as_it_should_be_has_a_reason_and_a_warning_a_remedy() {
    let bad = Facts {
        descriptors: Some(1024),
        port_range: Some((60_000, 60_999)),
        time_wait: Some(900),
        time_wait_reuse: Some(0),
        accept_queue: Some(128),
        syn_backlog: Some(128),
        cores: Some(1),
        quota: Some(Limit::At(0.5)),
        memory: Some(Limit::At(64 << 20)),
        governors: vec!["performance".into(), "powersave".into()],
        turbo: Some(true),
        smt: Some(true),
        mitigations: Some(7),
        is_virtual: Some(true),
        clock_source: Some("hpet".into()),
        timer_slack_ns: Some(50_000),
        oversleep: Some([Duration::from_micros(60), Duration::from_millis(3)]),
        uring: Some(Err("it is disabled".into())),
        link: Some(Err("no namespace (sysctl -w user.x=1, or run as root)".into())),
        locked_memory: Some(65_536),
        numa_nodes: Some(2),
        congestion: Some("bbr".into()),
        stamps: Some(Err("none came".into())),
        others_busy: Some(0.8),
        stolen: Some(0.3),
    };
    for check in examine(&bad) {
        match check.health {
            Health::Warning => assert!(check.reason.is_some() && check.remedy.is_some()),
            Health::Note => assert!(check.reason.is_some(), "{}", check.name),
            Health::Unknown => panic!("{} is known", check.name),
            Health::Ok => {}
        }
    }
    let warned = |name| health(&bad, name).0 == Health::Warning;
    for name in [
        "cores",
        "cpu quota",
        "governor",
        "other load",
        "stolen",
        "clock source",
        "descriptors",
        "ports",
        "time_wait",
        "accept queue",
        "syn queue",
        "receive stamps",
    ] {
        assert!(warned(name), "{name}");
    }
    assert_eq!(health(&bad, "emulated link").1, "sysctl -w user.x=1, or run as root");
    assert!(health(&bad, "accept queue").1.contains("net.core.somaxconn"));
}

#[test]
fn a_quota_below_the_cores_stops_threads() {
    let of = |quota| {
        health(&Facts { cores: Some(4), quota: Some(quota), ..Facts::default() }, "cpu quota")
    };
    assert_eq!(of(Limit::None).0, Health::Ok);
    assert_eq!(of(Limit::At(4.0)).0, Health::Note);
    assert_eq!(of(Limit::At(3.9)).0, Health::Warning);
}

#[test]
fn ports_in_time_wait_are_missed_unless_they_are_reused() {
    let of = |waiting, reuse| {
        let facts = Facts {
            port_range: Some((32_768, 60_999)),
            time_wait: Some(waiting),
            time_wait_reuse: Some(reuse),
            ..Facts::default()
        };
        health(&facts, "time_wait").0
    };
    assert_eq!(of(14_000, 2), Health::Ok);
    assert_eq!(of(15_000, 2), Health::Warning);
    assert_eq!(of(15_000, 1), Health::Ok);
}
