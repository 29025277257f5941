use super::*;
use crate::compare::{self, Options, Side};
use crate::render::html::tests::comparison::side;
use crate::render::html::tests::forms::own_share;
use crate::render::html::tests::report as open_run;
use crate::render::html::tests::sweep::swept_of;
use crate::report::{Slo, Verdict, Warning};
use crate::small_plan::plan;

fn texts(document: &impl Concluded) -> Vec<String> {
    document.conclusions().into_iter().map(|said| said.text).collect()
}

/// The first sentence of a run that was changed.
fn of_run_with(change: impl FnOnce(&mut Report)) -> String {
    let mut report = open_run();
    report.summary.requests.scheduled = 2000;
    report.summary.requests.timeout = 0;
    let latency = crate::render::html::tests::latency(100, 2000, 0);
    report.summary.latency.response = crate::report::LatencySummary::new(&latency, &[]);
    change(&mut report);
    texts(&report).join(" | ")
}

/// A closed loop on a machine of two cores, of which the server kept so many busy.
fn closed(report: &mut Report, server_busy: Option<f64>) {
    report.plan = plan();
    report.summary.offered_per_s = None;
    report.environment.cores = Some(2);
    report.summary.cpu.server_busy = server_busy;
    report.summary.cpu.client_busy = Some(0.3);
}

#[test]
fn a_run_says_its_rate_its_tail_and_what_limits_it() {
    let start = "500 requests/s [490, 510] within this run; p99 151 µs [150, 151]; ";
    let said = of_run_with(|_| ());
    assert_eq!(said, format!("{start}limited by the offered rate"));
    let said = of_run_with(|report| closed(report, Some(0.4)));
    assert!(said.ends_with(" in flight") && said.contains("limited by "), "{said}");
    let said = of_run_with(|report| closed(report, Some(1.94)));
    assert_eq!(said, format!("{start}limited by the server's CPU (97 % of 2 cores)"));
    let said = of_run_with(|report| closed(report, None));
    assert_eq!(said, format!("{start}what limits it is not known"));
    let said = of_run_with(|report| {
        closed(report, Some(0.9));
        report.summary.cpu.client_busy = Some(1.0);
    });
    assert_eq!(
        said,
        format!("{start}limited by the CPU that both sides share (95 % of 2 cores)")
    );
    let said = of_run_with(|report| {
        closed(report, Some(0.9));
        report.threads[0].busy = Some(0.985);
    });
    assert!(said.ends_with("limited by the generator's CPU (a thread 98 % busy)"), "{said}");
}

#[test]
fn what_is_weak_a_bound_the_generator_s_or_too_little_is_said() {
    let said = of_run_with(|report| {
        let own = own_share(1);
        report.summary.generator_share = Some(own);
    });
    assert!(said.contains(", of which ") && said.contains(" the generator's own; "), "{said}");
    let said = of_run_with(|report| {
        report.summary.latency.response.as_mut().unwrap().ci95.clear();
        report.summary.achieved_interval = None;
    });
    assert!(said.starts_with("500 requests/s; p99 ~151 µs; "), "{said}");
    let said = of_run_with(|report| {
        let latency = crate::render::html::tests::latency(100, 2000, 100);
        report.summary.latency.response = crate::report::LatencySummary::new(&latency, &[]);
        report.summary.requests.timeout = 100;
        report.summary.requests.scheduled = 2100;
    });
    assert!(said.contains("; p99 >= 900 µs; ") && said.contains("requests failed; "), "{said}");
    let said = of_run_with(|report| report.summary.offered_per_s = Some(1000.0));
    assert!(said.starts_with("500 of 1000 requests/s offered [490, 510] within"), "{said}");
    let said = of_run_with(|report| report.summary.latency.response = None);
    assert!(said.contains("no latency: no successful replies"), "{said}");
}

#[test]
fn a_run_that_is_not_usable_says_that_first_and_objectives_have_a_word() {
    let said = of_run_with(|report| {
        let warning = |code: &str, message: &str| Warning {
            code: code.into(),
            message: message.into(),
            remedy: String::new(),
        };
        report.verdict = Verdict::Invalid;
        report.warnings =
            vec![warning("unfair", "uneven"), warning("no-replies", "nobody answered for 2 s")];
    });
    assert!(said.starts_with("not usable: nobody answered for 2 s; 500 requests/s"), "{said}");
    assert!(!said.contains("limit"), "nothing is said of the server: {said}");
    let said = of_run_with(|report| {
        let response = report.summary.latency.response.clone();
        let judged = |slo: &str| slo.parse::<Slo>().unwrap().judge(response.as_ref(), &[]);
        report.slos = vec![judged("p99<1ms"), judged("p50<1us")];
    });
    assert!(said.contains("p99<1ms met, p50<1us MISSED; limited by"), "{said}");
}

/// What a comparison of sides at these levels says, in a closed loop.
fn compared(levels_us: [u64; 2], runs: usize, change: impl Fn(&mut Report)) -> Vec<String> {
    let side = |name: &str, first, level| -> Side {
        let mut side = side(name, first, level, &[2]);
        side.inputs.truncate(runs);
        for (number, input) in side.inputs.iter_mut().enumerate() {
            let report = &mut input.report;
            report.plan = plan();
            report.summary.answered_in_window = 2_000_000 / level + number as u64;
            report.warnings.clear();
            change(report);
        }
        side
    };
    let [base, new] = levels_us;
    let options = Options { resamples: 200, ..Options::default() };
    let (base, new) = (side("runs/threads.json", 1, base), side("runs/epoll.json", 2, new));
    texts(&compare::compare(&base, &[new], options).unwrap())
}

/// Long enough to say something of one run by itself.
fn long(report: &mut Report) {
    let interval = report.intervals[0].clone();
    report.intervals = (0..12_u64)
        .map(|place| {
            let answered = 500 + place * 7919 % 11;
            let latency = crate::render::html::tests::latency(100 + place * 5 % 7, answered, 0);
            let response = crate::report::LatencySummary::new(&latency, &[]);
            let (ok, answered) = (answered, Some(answered));
            crate::report::IntervalReport {
                at_s: place as f64,
                ok,
                answered,
                response,
                ..interval.clone()
            }
        })
        .collect();
}

#[test]
fn a_comparison_says_by_how_much_or_what_would_have_been_found() {
    let said = compared([200, 100], 3, |_| ());
    let [said] = &said[..] else { panic!("{said:?}") };
    // Of runs that are alike in every rate.
    let rates = "epoll serves 2.00 x the requests of threads; p99 0.54 x [";
    assert!(said.starts_with(rates), "{said}");
    assert!(said.contains("(better)"), "{said}");
    let said = &compared([100, 100], 3, |_| ())[0];
    assert!(said.starts_with("epoll and threads: requests/s: no difference found ("), "{said}");
    assert!(said.contains(" % would have been); p99: no difference found ("), "{said}");
    let said = &compared([200, 100], 1, long)[0];
    assert!(
        said.starts_with("single run a side: not judged (measured: requests/s 2.00 x, "),
        "{said}"
    );
    let invalid = |report: &mut Report| report.verdict = Verdict::Invalid;
    let said = &compared([200, 100], 3, invalid)[0];
    assert!(said.starts_with("inconclusive: 3 of 3 runs of the base are invalid"), "{said}");
}

#[test]
fn a_chat_has_deliveries_and_open_load_begins_with_latency() {
    let chat = |report: &mut Report| {
        report.plan = crate::small_plan::chat();
    };
    let said = &compared([200, 100], 3, chat)[0];
    assert!(said.starts_with("p99 of epoll is 0.54 x ["), "{said}");
    let open = |report: &mut Report| report.plan = open_run().plan;
    let said = &compared([200, 100], 3, open)[0];
    assert!(said.starts_with("p99 of epoll is 0.54"), "{said}");
    assert!(said.contains("] that of threads (better); p50 0.5"), "{said}");
}

#[test]
fn the_rows_of_a_comparison_of_chats_have_their_noun_too() {
    let input = |report: Report| compare::Input { source: "chat.json".into(), report };
    let side = |name: &str| {
        let mut report = open_run();
        report.plan = crate::small_plan::chat();
        Side { name: name.into(), inputs: vec![input(report.clone()), input(report)] }
    };
    let options = Options { resamples: 200, ..Options::default() };
    let comparison = compare::compare(&side("a"), &[side("b")], options).unwrap();
    for shown in [
        crate::render::text::comparison(&comparison),
        crate::render::markdown::comparison(&comparison),
        crate::render::html::comparison(&comparison),
    ] {
        let shown = shown.split("<script").next().unwrap().to_owned();
        assert!(shown.contains("deliveries/s") && !shown.contains("requests/s"), "{shown}");
    }
}

/// What a sweep of one axis says, whose levels have these latencies.
fn swept(levels: &[(&str, &[u64])]) -> Vec<String> {
    texts(&swept_of(levels))
}

#[test]
fn best_is_said_of_what_was_found_better_than_all_others_and_of_ties_together() {
    let noisy: [&[u64]; 3] = [&[100, 102, 104], &[101, 103, 100], &[200, 203, 206]];
    let said = swept(&[("epoll", noisy[0]), ("tokio", noisy[1]), ("threads", noisy[2])]);
    let [said] = &said[..] else { panic!("{said:?}") };
    assert!(said.starts_with("best: epoll and tokio (tied), at least 1.9"), "{said}");
    assert!(said.contains("] the requests of threads; epoll and tokio: no difference found ("));
    let said = &swept(&[("a", noisy[0]), ("b", noisy[1]), ("c", &[101, 100, 104])])[0];
    assert!(said.starts_with("a, b and c: no difference found ("), "{said}");
    assert!(!said.contains("best"), "{said}");
    let said =
        &swept(&[("threads", noisy[2]), ("pool", &[400, 404, 398]), ("epoll", noisy[0])])[0];
    assert!(said.starts_with("best: epoll, "), "{said}");
    assert!(said.contains("x [") && said.contains("of threads, "), "{said}");
    // The slow level may be as fast as either: nothing is best.
    let said = &swept(&[("a", noisy[0]), ("b", noisy[2]), ("wild", &[90, 150, 230])])[0];
    assert!(!said.contains("best") && said.contains("b serves 0.5"), "{said}");
    assert!(said.contains("no difference found ("), "{said}");
}

#[test]
fn two_levels_are_compared_and_single_runs_are_not_judged() {
    let said = &swept(&[("off", &[200, 203, 206]), ("on", &[100, 102, 104])])[0];
    assert!(
        said.starts_with("on serves 1.9") && said.contains("] the requests of off"),
        "{said}"
    );
    assert!(said.contains("; p99 0.5") && said.contains("(better)"), "{said}");
    let said = &swept(&[("off", &[200]), ("on", &[100])])[0];
    assert!(said.starts_with("on and off not compared: one run of 1 interval"), "{said}");
}

#[test]
fn an_effect_that_depends_on_another_axis_is_not_averaged_away() {
    let said = texts(&crate::render::html::tests::sweep::swept("tokio"));
    assert!(
        said[0].starts_with("model: requests/s of tokio against epoll depends on conns: 0.50")
    );
    assert!(said[0].contains("at conns=1 (worse), 1.0"), "{}", said[0]);
}

#[test]
fn sentences_fit_two_lines_of_a_terminal() {
    for said in [
        of_run_with(|report| closed(report, Some(1.94))),
        compared([200, 100], 3, |_| ()).remove(0),
        compared([100, 100], 3, |_| ()).remove(0),
    ] {
        assert!(said.chars().count() <= 158, "{} in {said}", said.chars().count());
    }
}
