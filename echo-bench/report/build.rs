//! Tells the program which git revision it is built from, where that is known.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=../../.git/HEAD");
    println!("cargo::rerun-if-changed=../../.git/logs/HEAD");
    // A build that is measured with says so if its source was changed since. In others that costs
    // more than it tells.
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        for part in [
            "Cargo.toml",
            "Cargo.lock",
            "echo-proto",
            "echo-net",
            "echo-client",
            "echo-server",
            "echo-bench",
        ] {
            println!("cargo::rerun-if-changed=../../{part}");
        }
    }
    let described =
        Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    if let Ok(output) = described
        && output.status.success()
        && let Ok(revision) = String::from_utf8(output.stdout)
    {
        println!("cargo::rustc-env=ECHO_BENCH_REVISION={}", revision.trim());
    }
}
