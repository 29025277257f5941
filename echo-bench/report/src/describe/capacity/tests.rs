use super::*;
use crate::capacity::fixture;
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
