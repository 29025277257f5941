//! What a user sees of an examination of the machine.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::process::{Command, Output};

use serde_json::Value;

fn doctor(flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-bench"));
    command.arg("doctor").args(flags).output().unwrap()
}

#[test]
fn every_check_has_a_value_and_a_verdict_and_a_warning_its_remedy() {
    let output = doctor(&["--format=json", "--strict"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schema"], "echo-bench.doctor/1");
    let checks = document["checks"].as_array().unwrap();
    assert!(checks.len() > 15, "{checks:?}");
    for check in checks {
        assert!(!check["value"].as_str().unwrap().is_empty(), "{check}");
        if check["health"] == "warning" {
            assert!(check["reason"].is_string() && check["remedy"].is_string(), "{check}");
        }
    }
    let warned = checks.iter().any(|check| check["health"] == "warning");
    assert_eq!(output.status.code(), Some(if warned { 4 } else { 0 }));
}

#[test]
fn a_remedy_stands_below_what_it_mends() {
    let output = doctor(&[]);
    let text = String::from_utf8(output.stdout).unwrap();
    for name in ["cores", "descriptors", "clock source", "receive stamps", "verdict"] {
        assert!(text.contains(name), "{name} in {text}");
    }
}
