use super::*;
use crate::cli::{Cli, Command};
use clap::Parser;

fn planned(typed: &[&str]) -> Result<PlannedCapacity, String> {
    let words = ["echo-bench", "capacity"].iter().chain(typed);
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    let Some(Command::Capacity(args)) = cli.command else { panic!("another command") };
    args.plan().map_err(|error| error.to_string())
}

#[test]
fn a_step_is_the_run_that_was_typed_at_its_rate() {
    let planned = planned(&["--slo=p99<2ms", "-c", "7", "--arrival=poisson"]).unwrap();
    let step = planned.step(0, 1234.5, 2);
    for word in ["--conns=7", "--slo=p99<2ms", "--arrival=poisson", "--rate=1234.5"] {
        assert!(step.iter().any(|typed| typed == word), "{word}: {step:?}");
    }
    assert!(step.contains(&"--duration=6s".into()) && step.contains(&"--drain=1s".into()));
    assert_eq!(step.iter().filter(|word| word.starts_with("--rate=")).count(), 1);
    let probe = planned.probe(0);
    let open = ["--rate=", "--arrival="];
    assert!(
        !probe.iter().any(|word| open.iter().any(|flag| word.starts_with(flag))),
        "{probe:?}"
    );
    assert!(planned.plan.fixed.iter().all(|flag| flag.flag != "slo"));
}

#[test]
fn a_drain_that_was_typed_is_kept_and_a_long_limit_needs_a_long_one() {
    let drain = |typed: &[&str]| {
        let step = planned(typed).unwrap().step(0, 100.0, 1);
        step.into_iter().find(|word| word.starts_with("--drain="))
    };
    assert_eq!(drain(&["--slo=p99<500ms"]).as_deref(), Some("--drain=2s"));
    assert_eq!(drain(&["--slo=p99<5ms", "--drain=3s"]).as_deref(), Some("--drain=3s"));
    assert_eq!(drain(&["--slo=p99<2s"]), None);
    assert_eq!(drain(&["--slo=errors<1%"]), None);
}

#[test]
fn axes_are_searches_and_the_target_may_stand_alone() {
    let several = planned(&["--slo=p99<2ms", "--model=epoll,tokio", "--conns=1,10"]).unwrap();
    assert_eq!((several.cells.len(), several.plan.count()), (4, 4));
    let one = planned(&["127.0.0.1:7", "--slo=p99<2ms"]).unwrap();
    assert!(one.probe(0).contains(&"--target=127.0.0.1:7".to_owned()));
    assert!(planned(&["127.0.0.1:7", "--target=127.0.0.1:7", "--slo=p99<2ms"]).is_err());
}
