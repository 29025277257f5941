//! Results in formats of others, judged by the readers that these have.

use std::fs;

use echo_test_support::program::{run, third_party_or_skip};

use super::*;

/// Our own reading of what `JUnit` XML may hold: the part that the schemas of Jenkins
/// (xunit-plugin, junit-10.xsd) and of Ant have in common.
const JUNIT: &str = r#"<?xml version="1.0"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:element name="testsuites"><xs:complexType>
    <xs:sequence><xs:element ref="testsuite" minOccurs="0" maxOccurs="unbounded"/></xs:sequence>
    <xs:attribute name="name" type="xs:string"/>
    <xs:attribute name="time" type="xs:decimal"/>
    <xs:attributeGroup ref="counts"/>
  </xs:complexType></xs:element>
  <xs:attributeGroup name="counts">
    <xs:attribute name="tests" type="xs:nonNegativeInteger" use="required"/>
    <xs:attribute name="failures" type="xs:nonNegativeInteger"/>
    <xs:attribute name="errors" type="xs:nonNegativeInteger"/>
  </xs:attributeGroup>
  <xs:element name="testsuite"><xs:complexType>
    <xs:sequence>
      <xs:element ref="testcase" minOccurs="0" maxOccurs="unbounded"/>
      <xs:element name="system-out" type="xs:string" minOccurs="0"/>
      <xs:element name="system-err" type="xs:string" minOccurs="0"/>
    </xs:sequence>
    <xs:attribute name="name" type="xs:string" use="required"/>
    <xs:attribute name="package" type="xs:string"/>
    <xs:attribute name="id" type="xs:nonNegativeInteger"/>
    <xs:attribute name="skipped" type="xs:nonNegativeInteger"/>
    <xs:attribute name="timestamp" type="xs:dateTime"/>
    <xs:attribute name="time" type="xs:decimal"/>
    <xs:attributeGroup ref="counts"/>
  </xs:complexType></xs:element>
  <xs:element name="testcase"><xs:complexType>
    <xs:choice minOccurs="0">
      <xs:element name="skipped"><xs:complexType>
        <xs:attribute name="message" type="xs:string"/>
      </xs:complexType></xs:element>
      <xs:element name="error" type="outcome"/>
      <xs:element name="failure" type="outcome"/>
    </xs:choice>
    <xs:attribute name="name" type="xs:string" use="required"/>
    <xs:attribute name="classname" type="xs:string" use="required"/>
    <xs:attribute name="time" type="xs:decimal"/>
  </xs:complexType></xs:element>
  <xs:complexType name="outcome"><xs:simpleContent><xs:extension base="xs:string">
    <xs:attribute name="type" type="xs:string" use="required"/>
    <xs:attribute name="message" type="xs:string"/>
  </xs:extension></xs:simpleContent></xs:complexType>
</xs:schema>
"#;

/// Words that would be markup, a formula, a command or a second line somewhere.
const HOSTILE: &str = "=1+1 <b a=\"x\">&amp;]]>\n::error::no,\u{1b}[31m";

/// A base, and a candidate that is a quarter slower, with a hostile name of its folder.
fn sides(room: &Path) -> [&'static str; 2] {
    let sides = ["base", "=x <b> ::error title=a::b,\"new\""];
    write(&room.join(sides[0]), 1, &[100, 101, 99, 100], |_| {});
    write(&room.join(sides[1]), 1, &[125, 126, 124, 125], |_| {});
    sides
}

fn check_junit(test: &str, room: &Path, xml: &str) {
    let Some(mut xmllint) = third_party_or_skip(test, "xmllint") else { return };
    let schema = room.join("junit.xsd");
    fs::write(&schema, JUNIT).unwrap();
    let checked = run(
        xmllint.args(["--noout", "--schema"]).arg(schema).arg("-"),
        xml.as_bytes(),
        PATIENCE,
    );
    assert!(checked.status.success(), "{}\n{xml}", text(&checked.stderr));
}

fn rendered(room: &Path, arguments: &[&str]) -> String {
    let output = echo_bench(room, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

#[test]
fn objectives_of_a_run_are_test_cases() {
    let test = "objectives_of_a_run_are_test_cases";
    let room = tempfile::tempdir().unwrap();
    let outcome = |slo: &str, met: bool, outcome: &str| {
        serde_json::json!({
            "slo": slo, "measured_ns": 105_000, "lower_bound": false, "ci95": [104_000, 106_000],
            "met": met, "outcome": outcome,
        })
    };
    write(room.path(), 1, &[100], |report| {
        report["slos"] = serde_json::json!([
            outcome("p99<1ms", true, "met"),
            outcome("p99<50us", false, "missed"),
            outcome("p50<105us", false, "undecided"),
        ]);
        report["labels"]["who"] = HOSTILE.into();
    });
    let xml = rendered(room.path(), &["report", "001.json", "--format", "junit"]);
    assert!(xml.contains(r#"tests="4" failures="1" errors="0" skipped="1""#), "{xml}");
    assert!(xml.contains(r#"<failure type="p99&lt;50us""#), "{xml}");
    check_junit(test, room.path(), &xml);
}

#[test]
fn metrics_of_a_comparison_are_test_cases_and_annotations() {
    let test = "metrics_of_a_comparison_are_test_cases_and_annotations";
    let room = tempfile::tempdir().unwrap();
    let [base, new] = sides(room.path());
    let compared =
        |format: &str| rendered(room.path(), &["compare", base, new, "--format", format]);
    let xml = compared("junit");
    assert!(xml.contains(r#"<testcase name="p99" classname="comparison""#), "{xml}");
    assert!(xml.contains("<failure type=\"p99\" message=\"p99 worse: "), "{xml}");
    check_junit(test, room.path(), &xml);
    let lines = compared("github");
    for line in lines.lines() {
        let known = ["::error title=", "::warning title=", "::notice title="];
        assert!(known.iter().any(|start| line.starts_with(start)), "{line}");
        let (_, message) =
            line.split_once("::").and_then(|(_, rest)| rest.split_once("::")).unwrap();
        assert!(!message.is_empty(), "{line}");
    }
    assert!(lines.contains("p99 (comparison)"), "{lines}");
    let csv = compared("csv");
    assert!(csv.starts_with("candidate,case,metric,base,"), "{csv}");
    assert!(csv.contains("\"'=x <b> ::error title=a::b,\"\"new\"\"\",,p99,"), "{csv}");
}

#[test]
fn bmf_has_measures_with_bounds() {
    let room = tempfile::tempdir().unwrap();
    write(room.path(), 1, &[100], |report| report["labels"]["benchmark"] = HOSTILE.into());
    let json = rendered(room.path(), &["report", "001.json", "--format", "bmf"]);
    let bmf: Value = serde_json::from_str(&json).unwrap();
    let benchmarks = bmf.as_object().unwrap();
    assert_eq!(benchmarks.keys().collect::<Vec<_>>(), [HOSTILE]);
    let measures = benchmarks[HOSTILE].as_object().unwrap();
    for (name, measure) in measures {
        let measure = measure.as_object().unwrap();
        let value = measure["value"].as_f64().unwrap();
        let bound = |name: &str| measure.get(name).map(|bound| bound.as_f64().unwrap());
        let known = ["value", "lower_value", "upper_value"];
        assert!(measure.keys().all(|key| known.contains(&key.as_str())), "{name}");
        assert!(bound("lower_value").is_none_or(|low| low <= value), "{name}");
        assert!(bound("upper_value").is_none_or(|high| high >= value), "{name}");
    }
    assert!(measures["latency"].get("upper_value").is_some(), "{json}");
    assert!(measures["throughput"]["value"].as_f64() > Some(0.0), "{json}");
}

#[test]
fn a_run_as_metrics_passes_promtool() {
    let test = "a_run_as_metrics_passes_promtool";
    let room = tempfile::tempdir().unwrap();
    write(room.path(), 1, &[100], |report| {
        report["labels"]["who is \"it\""] = HOSTILE.into();
        report["slos"] = serde_json::json!([
            {"slo": "p99<1ms", "measured_ns": 105_000, "met": true, "outcome": "met"},
        ]);
    });
    let output = echo_bench(room.path(), &["report", "001.json", "-o", "run.prom"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let metrics = fs::read_to_string(room.path().join("run.prom")).unwrap();
    for part in [
        "echo_bench_run_requests{outcome=\"ok\"} 5000\n",
        "echo_bench_run_response_percentile_seconds{percentile=\"99\"} ",
        "echo_bench_run_response_seconds_count 5000\n",
        "echo_bench_run_objective_met{objective=\"p99<1ms\"} 1\n",
        "label_who_is__it_=",
    ] {
        assert!(metrics.contains(part), "{part}\n{metrics}");
    }
    let Some(mut promtool) = third_party_or_skip(test, "promtool") else { return };
    let checked = run(promtool.args(["check", "metrics"]), metrics.as_bytes(), PATIENCE);
    let said = text(&checked.stderr);
    assert!(checked.status.success() && said.is_empty(), "{said}\n{metrics}");
}

#[test]
fn a_format_that_a_document_has_not_is_refused_in_words() {
    let room = tempfile::tempdir().unwrap();
    let [base, new] = sides(room.path());
    let stored = echo_bench(room.path(), &["compare", base, new, "-o", "c.json"]);
    assert!(stored.status.success(), "{}", text(&stored.stderr));
    let output = echo_bench(room.path(), &["report", "c.json", "--format", "bmf"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("a comparison has no bmf: use --format text, json"));
}
