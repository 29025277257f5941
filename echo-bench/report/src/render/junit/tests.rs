use proptest::prelude::*;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::*;

fn suite(gates: Vec<Gate>) -> Suite {
    let started_at = Some("2026-01-02T03:04:05.678Z".into());
    Suite { name: "a <b>".into(), started_at, measured_s: Some(1.25), gates }
}

fn gate(outcome: GateOutcome) -> Gate {
    let (place, name) = ("model=epoll".into(), "p99<5ms".into());
    Gate { place, name, outcome, text: "p99<5ms: MISSED".into() }
}

#[test]
fn each_outcome_has_its_element_and_is_counted() {
    let gates =
        [GateOutcome::Passed, GateOutcome::Failed, GateOutcome::Broken, GateOutcome::Undecided];
    let xml = laid_out(&[suite(gates.map(gate).to_vec())]);
    for part in [
        r#"<testsuites name="echo-bench" tests="4" failures="1" errors="1">"#,
        r#"<testsuite name="a &lt;b&gt;" package="echo-bench" id="0" tests="4" failures="1" errors="1" skipped="1" timestamp="2026-01-02T03:04:05" time="1.250">"#,
        r#"<testcase name="p99&lt;5ms" classname="model=epoll" time="0.000"/>"#,
        r#"<failure type="p99&lt;5ms" message="p99&lt;5ms: MISSED">p99&lt;5ms: MISSED</failure>"#,
        r#"<error type="p99&lt;5ms""#,
        r#"<skipped message="p99&lt;5ms: MISSED"/>"#,
    ] {
        assert!(xml.contains(part), "{part}\nin\n{xml}");
    }
}

#[test]
fn what_is_no_time_of_day_is_left_out() {
    assert_eq!(without_zone("2026-01-02T03:04:05Z"), Some("2026-01-02T03:04:05"));
    let odd =
        ["", "yesterday", "2026-01-02 03:04:05Z", "2026-01-02T03:04:0", "ü026-01-02T03:04:05"];
    for odd in odd {
        assert_eq!(without_zone(odd), None, "{odd}");
    }
}

/// What the values of all attributes come to, by somebody else's parser.
fn attributes(xml: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let mut seen = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => return seen,
            Event::Start(element) | Event::Empty(element) => {
                for attribute in element.attributes() {
                    let attribute = attribute.unwrap();
                    let name = attribute.key.0.to_owned();
                    let value = quick_xml::escape::unescape(&attribute.value).unwrap();
                    seen.push((name, value.into_owned()));
                }
            }
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read_back_as_a_terminal_shows_it(
        texts in prop::array::uniform3(
            prop::collection::vec(
                prop_oneof![
                    any::<char>(),
                    prop::sample::select("<>&'\"\0\x01\x1b\u{fffe}\u{ffff}]\n\t".chars().collect::<Vec<_>>()),
                ],
                0..12
            ).prop_map(|signs| signs.into_iter().collect::<String>())
        )
    ) {
        let [name, place, text] = texts;
        let outcome = GateOutcome::Failed;
        let gate = Gate { place: place.clone(), name: name.clone(), outcome, text: text.clone() };
        let xml = laid_out(&[Suite { name, ..suite(vec![gate]) }]);
        let seen = attributes(&xml);
        prop_assert!(seen.contains(&("classname".into(), fit(&place))));
        prop_assert!(seen.contains(&("message".into(), fit(&text))));
        let allowed = |sign: char| {
            matches!(sign, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        };
        prop_assert!(xml.chars().all(allowed), "{:?}", xml);
    }
}
