//! `--pin`: where generator and embedded server run, and what the report says of it.

use echo_net::pin;
use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::tell_skipped;
use echo_test_support::running_server::each_model;
use serde_json::{Value, json};

const SHORT: [&str; 4] = ["--conns=4", "--threads=1", "--duration=500ms", "--warmup=0s"];

fn measured(flags: &[&str]) -> Finished {
    BenchProcess::start(&[&SHORT[..], flags].concat()).finish(PATIENCE)
}

fn cpus(of: &Value) -> Vec<u64> {
    of.as_array().expect("a list").iter().filter_map(Value::as_u64).collect()
}

#[test]
fn both_sides_of_every_model_run_apart_where_there_are_cpus_for_both() {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return tell_skipped("both_sides_of_every_model_run_apart", "one CPU");
    }
    each_model(|model| {
        let model = format!("--model={model}");
        // A thread per connection has no number of workers.
        let workers =
            if model.ends_with("=threads") { vec![] } else { vec!["--server-workers=1"] };
        let finished = measured(&[&["--pin=auto", &*model], &*workers].concat());
        let report = finished.report();
        let pinned = &report["plan"]["pin"];
        let (generator, server) = (cpus(&pinned["generator"]), cpus(&pinned["server"]));
        assert_eq!((generator.len(), server.is_empty()), (1, false), "{model}: {pinned}");
        assert!(!server.contains(&generator[0]), "{model}: {pinned}");
        let seen = &report["summary"]["surroundings"];
        assert_eq!(cpus(&seen["generator_cpus"]), generator, "{model}: {seen}");
        let strayed = cpus(&seen["server_cpus"]).into_iter().find(|cpu| !server.contains(cpu));
        assert_eq!(strayed, None, "{model}: {seen}");
        assert!(finished.stdout.contains("\nplacement  pinned: generator on CPU "), "{model}");
        assert!(!finished.stdout.contains("shared-cores"), "{}", finished.stdout);
    });
}

#[test]
fn nothing_is_pinned_where_there_are_too_few_cpus_and_the_report_says_why() {
    let cpus = pin::allowed().expect("the kernel tells").len();
    let workers = format!("--server-workers={cpus}");
    let finished = measured(&["--pin=auto", "--model=epoll", &workers]);
    let pin = &finished.report()["plan"]["pin"];
    assert_eq!(
        *pin,
        json!({"asked": "auto", "generator": [], "server": [], "unpinned": "few_cpus"})
    );
    let told = "placement  not pinned: fewer CPUs than threads of both sides";
    assert!(finished.stdout.contains(told), "{}", finished.stdout);
}

#[test]
fn a_list_is_for_the_generator_and_a_cpu_that_is_not_there_is_refused() {
    let last = *pin::allowed().expect("the kernel tells").last().expect("there is one");
    let flag = format!("--pin={last}");
    let finished = measured(&["--model=epoll", &flag]);
    let report = finished.report();
    assert_eq!(cpus(&report["plan"]["pin"]["generator"]), [last as u64]);
    assert_eq!(cpus(&report["summary"]["surroundings"]["generator_cpus"]), [last as u64]);
    let usual = ["--conns=4", "--duration=500ms", "--model=epoll", "--server-workers=1"];
    for crowded in [["--threads=1", "--server-pin=0"], ["--threads=2", "--warmup=0s"]] {
        let flags = [&usual[..], &["--pin=0"], &crowded].concat();
        let finished = BenchProcess::start(&flags).finish(PATIENCE);
        assert!(finished.stdout.contains("share 1 core"), "{crowded:?}: {}", finished.stdout);
        assert_eq!(finished.report()["plan"]["idle"], "sleep", "{crowded:?}");
    }
    let finished = measured(&["--pin=off"]);
    assert_eq!(finished.report()["plan"]["pin"]["asked"], "off");
    for (flag, told) in [
        ("--pin=4095", "--pin: CPU 4095 is not available"),
        ("--pin=x", "or write auto or off"),
    ] {
        let finished = measured(&[flag]);
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        assert!(finished.stderr.contains(told), "{}", finished.stderr);
    }
}
