//! Messages of files and of drawn sizes, from the command line to the report.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::fs;
use std::process::{Command, Output, Stdio};

use echo_proto::ProtocolKind;
use serde_json::{Value, json};
use strum::VariantArray as _;
use tempfile::TempDir;

struct Room(TempDir);

impl Room {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.path().join(name), bytes).unwrap();
    }

    fn bench(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_echo-bench"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// The report of a short run in which every request has its right reply.
    fn report(&self, arguments: &[&str]) -> Value {
        let short = ["-c2", "-t1", "-w0", "-n200", "-q", "--no-report", "-oreport.json"];
        let output = self.bench(&[&short[..], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        let report = self.read("report.json");
        assert_eq!(report["summary"]["requests"]["ok"], 200, "{arguments:?}: {report}");
        report
    }

    fn read(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.0.path().join(name)).unwrap()).unwrap()
    }

    /// A report as text, its lines joined.
    fn shown(&self, name: &str) -> String {
        let shown = String::from_utf8(self.bench(&["report", name]).stdout).unwrap();
        shown.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What is said of arguments that are refused.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.bench(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

#[test]
fn every_protocol_carries_drawn_sizes_and_verifies_each_reply() {
    let room = Room::new();
    for &protocol in ProtocolKind::VARIANTS {
        let protocol = protocol.to_string();
        let size = "--size=lognormal:median=300,p99=20K";
        let report = room.report(&[size, "--seed=5", "-p", &protocol]);
        let plan = &report["plan"];
        assert_eq!(plan["messages"]["sizes"]["spec"], "lognormal:median=300,p99=20KiB");
        let most = if ["line", "command"].contains(&&*protocol) { 64 << 10 } else { 1 << 20 };
        assert_eq!(plan["messages"]["max_bytes"], most);
        let drawn = &plan["drawn_sizes"];
        assert!((290..310).contains(&drawn["p50_bytes"].as_u64().unwrap()), "{drawn}");
    }
}

#[test]
fn the_server_takes_what_is_to_be_sent_and_no_more_is_drawn_than_it_takes() {
    let room = Room::new();
    let size = "--size=zipf:exponent=0.5,min=100K,max=200K";
    let report = room.report(&[size]);
    let server = report["plan"]["target"]["server"].to_string();
    assert!(server.contains("--max-message\",\"204800"), "{server}");
    let size = "--size=lognormal:median=300,p99=1K";
    let report = room.report(&[size, "--server-max-message=2K"]);
    assert_eq!(report["plan"]["messages"]["max_bytes"], 2048);
    let told = room.refused(&["--size=zipf:exponent=1"]);
    assert!(told.contains("zipf needs max= (exponent=N,max=SIZE[,min=SIZE])"), "{told}");
    let told = room.refused(&["--size=lognormal:median=300,p99=100K"]);
    assert!(told.contains("p99=100KiB exceeds 64KiB") && told.contains("max=SIZE"), "{told}");
}

#[test]
fn sizes_above_the_limit_that_the_server_is_given_are_refused() {
    let room = Room::new();
    let limit = "--server-max-message=1M";
    for size in ["--size=lognormal:median=300,p99=20K,max=64M", "--size=64-2M", "--size=2M"] {
        let told = room.refused(&[size, limit]);
        assert!(
            told.contains("--size goes up to") && told.contains("--server-max-message is 1MiB"),
            "{told}"
        );
    }
    let told = room.refused(&["--message=too long", "--server-max-message=4"]);
    assert!(
        told.contains("message 1 has 8 bytes") && told.contains("--server-max-message"),
        "{told}"
    );
}

#[test]
fn a_histogram_is_read_kept_and_repeated_without_its_file() {
    let room = Room::new();
    room.write("sizes.txt", b"# of a proxy\n64 70\n1K-2K 30\n");
    let first = room.report(&["--size=file:sizes.txt", "--seed=4"]);
    let sizes = &first["plan"]["messages"]["sizes"];
    assert_eq!((&sizes["kind"], &sizes["file"]), (&json!("histogram"), &json!("sizes.txt")));
    assert_eq!(first["plan"]["drawn_sizes"]["p50_bytes"], 64);
    let shown = room.shown("report.json");
    assert!(shown.contains(", histogram sizes.txt (digest "), "{shown}");
    let sample = "), each connection draws its own, sample of 65 536 sizes (the run sends 200): p50 64, p99 ";
    assert!(shown.contains(sample), "{shown}");
    fs::remove_file(room.0.path().join("sizes.txt")).unwrap();
    let output = room.bench(&["rerun", "report.json", "-q", "--no-report", "-oagain.json"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(room.read("again.json")["plan"], first["plan"]);
    let told = room.refused(&["--size=file:sizes.txt"]);
    assert!(told.contains("reading --size file:sizes.txt"), "{told}");
    room.write("sizes.txt", b"64 70\nmany 3\n");
    let told = room.refused(&["--size=file:sizes.txt"]);
    assert!(told.contains("--size file:sizes.txt: line 2: invalid size `many`"), "{told}");
}

#[test]
fn binary_messages_come_from_records_or_from_whole_files_and_are_kept() {
    let room = Room::new();
    room.write("records", b"\0\0\0\x03\xff\n\0\0\0\0\x02hi");
    fs::create_dir(room.0.path().join("files")).unwrap();
    room.write("files/1", b"\xff\n\0");
    room.write("files/2", b"hi");
    let mut digests = Vec::new();
    for (file, format) in [("records", "length-prefixed"), ("files", "whole")] {
        for protocol in ["raw", "frame", "resp"] {
            let file = format!("--message-file={file}");
            let format = format!("--message-format={format}");
            let report = room.report(&[&file, &format, "-p", protocol]);
            let messages = &report["plan"]["messages"];
            assert_eq!(messages["texts"], json!([{"base64": "/woA"}, "hi"]));
            assert_eq!(messages["file"]["count"], 2);
            digests.push(messages["file"]["digest"].clone());
        }
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
    let output = room.bench(&["rerun", "report.json", "-q", "--no-report", "-oagain.json"]);
    assert!(output.status.success(), "{output:?}");
    let shown = room.shown("again.json");
    let digest = digests[0].as_str().unwrap();
    assert!(shown.contains(&format!("2 given messages of files (digest {digest})")), "{shown}");
}

#[test]
fn files_that_can_not_be_sent_are_refused_with_message_and_byte() {
    let room = Room::new();
    room.write("records", b"\0\0\0\x02hi\0\0\0\x03a\nb");
    room.write("short", b"\0\0\0\x02hi\0\0\0\x09ab");
    room.write("empty", b"");
    let prefixed = "--message-format=length-prefixed";
    for (arguments, said) in [
        (
            &["--message-file=records", prefixed][..],
            "message 2 can't be sent with --protocol line",
        ),
        (&["--message-file=records", prefixed], "newline (at byte offset 1)"),
        (
            &["--message-file=short", prefixed],
            "--message-file message 2 at byte offset 6 is cut",
        ),
        (&["--message-file=empty", prefixed], "--message-file holds no message"),
        (&["--message-file=empty"], "--message-file holds no message"),
        (&["--message-file=."], "it is a directory (say --message-format whole"),
        (&["--message-format=whole"], "--message-file"),
        (
            &["--message-file=records", prefixed, "-praw", "--server-max-message=2"],
            "message 2 has 3 bytes, and the server takes 2",
        ),
        (&["--size=file:-", "--arrivals=-"], "--arrivals - and --size file:- can't both read"),
    ] {
        let told = room.refused(arguments);
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
}

#[test]
fn a_sweep_notices_that_a_file_was_changed() {
    let room = Room::new();
    let short = ["-c1", "-t1", "-w0", "-n20", "--repeat=1", "--pin=off", "--dir=kept"];
    // Cells that share a file, and a distribution beside a histogram.
    for axes in [
        &["--message-file=a.txt", "--pipeline=1,2"][..],
        &["--size=lognormal:median=30,p99=300,64,file:sizes.txt"],
    ] {
        room.write("a.txt", b"one\ntwo\n");
        room.write("sizes.txt", b"64 70\n1K-2K 30\n");
        let sweep = [&["sweep"][..], axes, &short].concat();
        let output = room.bench(&sweep);
        assert!(output.status.success(), "{output:?}");
        let resumed = [&sweep[..], &["--resume"]].concat();
        let told = String::from_utf8(room.bench(&resumed).stdout).unwrap();
        assert!(told.contains("of a finished sweep are reused"), "{told}");
        room.write("a.txt", b"one\nthree\n");
        room.write("sizes.txt", b"64 71\n1K-2K 30\n");
        let output = room.bench(&resumed);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("are of a file that was changed since"), "{said}");
        fs::remove_dir_all(room.0.path().join("kept")).unwrap();
        fs::remove_dir_all(room.0.path().join("kept-2")).unwrap();
    }
}
