//! `--until`: a run that ends once a percentile is known sharply enough, and says so.

use echo_test_support::bench_process::BenchProcess;
use echo_test_support::deadline::PATIENCE;

const SHORT: [&str; 3] = ["--conns=4", "--warmup=0s", "--interval=100ms"];

#[test]
fn a_run_ends_at_a_look_once_its_percentile_is_sharp_enough() {
    for load in ["--pipeline=2", "--rate=2k", "--pool=2"] {
        let flags = ["--duration=8s", "--until=p50\u{b1}90%", load];
        let finished = BenchProcess::start(&[&SHORT[..], &flags].concat()).finish(PATIENCE);
        let report = finished.report();
        assert_eq!(finished.code, Some(0), "{load}: {}", finished.stderr);
        let until = &report["summary"]["until"];
        assert_eq!(until["looks"].as_u64(), Some(5));
        let looked_at = until["looked_at_s"].as_f64().expect("it ended at a look");
        let measured = report["summary"]["measured_s"].as_f64().expect("by the schema");
        // A machine that is busy with other tests may blur any percentile until the end.
        let outcome = if looked_at < 8.0 {
            assert!([1.0, 2.0, 4.0].contains(&looked_at), "{load}: {until}");
            assert!(measured > looked_at && measured < 8.0, "{load}: {measured} {until}");
            assert_eq!(until["reached"], true, "{load}");
            "reached at look "
        } else {
            assert_eq!((measured, until["look"].as_u64()), (8.0, Some(5)), "{load}");
            if until["reached"] == true {
                "reached at look 5"
            } else {
                "not reached in 5 looks"
            }
        };
        assert_eq!(report["interrupted"], false);
        assert_eq!(finished.requests("scheduled"), finished.requests("ok"), "{load}");
        let told = format!("\nuntil      p50+-90% {outcome}");
        assert!(finished.stdout.contains(&told), "{}", finished.stdout);
        assert!(finished.stdout.contains("until p50+-90%, at most 8.00 s"), "{load}");
    }
}

#[test]
fn a_run_that_was_too_short_says_so() {
    let flags = ["--duration=1s", "--until=p99.99+-0.001%"];
    let finished = BenchProcess::start(&[&SHORT[..], &flags].concat()).finish(PATIENCE);
    let report = finished.report();
    assert_eq!(report["summary"]["until"]["reached"], false);
    assert_eq!(report["summary"]["measured_s"].as_f64(), Some(1.0));
    let warnings = report["warnings"].as_array().expect("by the schema");
    let codes: Vec<_> =
        warnings.iter().filter_map(|warning| warning["code"].as_str()).collect();
    assert!(codes.contains(&"until-not-reached"), "{codes:?}");
    assert!(finished.stdout.contains("not reached in 5 looks"), "{}", finished.stdout);
}

#[test]
fn what_can_not_be_looked_at_is_refused() {
    for (flags, told) in [
        (["--requests=9", "--until=p99+-5%"], "--until"),
        (["--duration=150ms", "--until=p99+-5%"], "--duration must be at least 2 x --interval"),
        (["--duration=1s", "--until=p99<5ms"], "like p99+-5%"),
    ] {
        let finished = BenchProcess::start(&[&SHORT[..], &flags].concat()).finish(PATIENCE);
        assert_eq!(finished.code, Some(2), "{flags:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(told), "{flags:?}: {}", finished.stderr);
    }
}
