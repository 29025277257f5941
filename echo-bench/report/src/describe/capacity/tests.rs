use super::*;
use crate::capacity::{Limit, RateReport, fixture};
use crate::render;

#[test]
fn objectives_and_rates_are_said_with_their_units() {
    for (slo, said) in
        [("p99<2ms", "p99 < 2 ms"), ("errors<0.1%", "errors < 0.1 %"), ("rps>10k", "rps > 10k")]
    {
        assert_eq!(spaced(slo), said);
    }
    for (rate, said) in [
        (41_298.0, "41.3k"),
        (999.9, "1.00k"),
        (630.0, "630"),
        (2.5e6, "2.50M"),
        (12.0, "12.0"),
    ] {
        assert_eq!(short_rate(rate), said);
    }
}

#[test]
fn the_answer_comes_first_and_nothing_is_wider_than_a_terminal() {
    let text = render::text::capacity(&fixture::capacity(&[("", 12_345.0)]));
    insta::assert_snapshot!("one", text);
    let knees = [("threads", 10_000.0), ("epoll", 14_000.0), ("tokio", 10_010.0)];
    let several = render::text::capacity(&fixture::capacity(&knees));
    insta::assert_snapshot!("several", several);
    let tables = text.lines().chain(several.lines());
    for line in tables.filter(|line| line.starts_with(' ') && !line.contains("->")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn an_open_end_is_said_with_its_reason() {
    let found = fixture::capacity(&[("", 12_345.0)]);
    let told = |low: Option<f64>, high: Option<f64>, ended| {
        let answer = Answer {
            rate_per_s: None,
            low_per_s: low,
            high_per_s: high,
            ended,
            ..found.levels[0].answer.clone()
        };
        carried(&answer, " with p99 < 2 ms")
    };
    for (said, low, high, ended) in [
        (
            "at least 9.00k requests/s with p99 < 2 ms: the generator is the limit",
            Some(9e3),
            None,
            Ended::Generator,
        ),
        (
            "less than 100 requests/s with p99 < 2 ms: missed already at the lowest rate",
            None,
            Some(100.0),
            Ended::AtMinRate,
        ),
        (
            "no answer with p99 < 2 ms: no rate could be judged within the budget",
            None,
            None,
            Ended::Budget,
        ),
    ] {
        assert_eq!(told(low, high, ended), said);
    }
}

#[test]
fn a_verdict_is_said_with_its_reason() {
    let found = fixture::capacity(&[("", 12_345.0)]);
    let (rate, slos) = (&found.levels[0].rates[0], &found.plan.slos);
    for (verdict, reason, backlog, said) in [
        (RateVerdict::Undecided, Some(RateReason::Backlog), None, "undecided, backlog"),
        (RateVerdict::Undecided, Some(RateReason::Objective), None, "undecided"),
        (RateVerdict::Failed, Some(RateReason::Backlog), Some(9), "FAILED, backlog"),
        (RateVerdict::Failed, Some(RateReason::Timeouts), Some(9), "FAILED, timeouts"),
        (RateVerdict::Failed, Some(RateReason::Objective), Some(9), "FAILED"),
        // Of an older report.
        (RateVerdict::Failed, None, Some(9), "FAILED, backlog"),
        (RateVerdict::Generator, Some(RateReason::Generator), None, "generator"),
        (RateVerdict::Generator, Some(RateReason::Link), None, "link"),
        (RateVerdict::Passed, None, None, "passed"),
    ] {
        let rate = RateReport { verdict, backlog, reason, ..rate.clone() };
        let told = step(&rate, slos);
        assert!(told.starts_with(&format!("{said}, p99 ")), "{said}: {told}");
    }
}

#[test]
fn rates_that_stay_undecided_say_why() {
    let mut found = fixture::capacity(&[("", 12_345.0)]);
    let level = &mut found.levels[0];
    level.answer.ended = Ended::Undecided;
    level.rates[0].verdict = RateVerdict::Undecided;
    for (reason, said) in [
        (RateReason::Objective, "contains the limit however long"),
        (RateReason::Backlog, "whether a backlog grows can't be told"),
    ] {
        found.levels[0].rates[0].reason = Some(reason);
        let notices = notices(&found);
        let of = notices.iter().find(|notice| notice.name == "undecided").unwrap();
        assert!(of.more.as_ref().is_some_and(|more| more.contains(said)), "{of:?}");
    }
}

#[test]
fn what_limits_is_named() {
    for (kind, said, short) in [
        (LimitKind::ServerCpu, "limited by the server's CPU (75 % of 2 cores)", "server CPU"),
        (LimitKind::Link, "limited by the rate of the emulated link", "link rate"),
        (LimitKind::Timeouts, "requests time out, not limited by the server's CPU", "timeouts"),
        (LimitKind::Backlog, "a backlog grows, not limited by the server's CPU", "backlog"),
        (LimitKind::NotCpu, "not limited by the server's CPU (75 % of 2 cores)", "not CPU"),
    ] {
        for server_busy in [Some(1.5), None] {
            let limit = Limit { kind, server_busy, server_cores: Some(2.0) };
            assert!(server_busy.is_none() || limited(&limit).starts_with(said), "{said}");
            assert!(short_limit(&limit).starts_with(short), "{short}");
        }
    }
}

#[test]
fn the_page_holds_the_curve_and_the_document() {
    let found = fixture::capacity(&[("", 12_345.0)]);
    let page = render::html::capacity(&found);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capacity.html");
    std::fs::write(&path, &page).unwrap();
    let again: Capacity = crate::report::store::open(&path).unwrap().parse().unwrap();
    assert_eq!(again, found);
    assert!(page.contains("data-chart=\"rates\"") && page.contains("\"bracket\":["));
    assert!(page.len() < 400_000, "{}", page.len());
}
