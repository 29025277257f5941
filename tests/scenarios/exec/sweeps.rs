//! Servers side by side: `sweep --exec A=... --exec B=...`.

use std::fs;

use serde_json::Value;

use echo_test_support::program::own_program;

use super::bench;

#[test]
fn commands_are_the_levels_of_an_axis_and_are_named_where_they_differ() {
    let room = tempfile::tempdir().expect("there is room");
    let (room, server) = (room.path(), own_program("echo-server"));
    let copy = room.join("new,er");
    fs::copy(&server, &copy).expect("there is room");
    let a = format!("--exec=A={} {{addr}} --quiet", server.display());
    let b = format!("--exec=B={} {{addr}} --quiet --model epoll", copy.display());
    let load = ["--requests=50", "--warmup=0s", "--repeat=2", "--dir=kept", "--pin=off"];
    let sweep = [&["sweep", &a, &b][..], &load].concat();
    let (code, told, errors) = bench(room, &sweep);
    assert_eq!(code, Some(0), "{told}{errors}");
    let document: Value =
        serde_json::from_slice(&fs::read(room.join("kept/sweep.json")).expect("stored"))
            .expect("JSON");
    let levels = &document["plan"]["axes"][0];
    assert_eq!((&levels["name"], &levels["levels"][1]["name"]), (&"exec".into(), &"B".into()));
    let target = &document["cells"][1]["runs"][0]["plan"]["target"];
    assert_eq!(target["command"], b.strip_prefix("--exec=B=").expect("as typed"));
    let pid = |run: usize| document["cells"][0]["runs"][run]["server"]["pid"].as_u64();
    assert_ne!(pid(0), pid(1), "each run starts its server");

    // The plan can be printed, and read again.
    let (code, plan, errors) = bench(room, &[&sweep[..], &["--print-plan"]].concat());
    assert_eq!(code, Some(0), "{errors}");
    assert!(plan.contains("\nexec = ["), "{plan}");
    fs::write(room.join("plan.toml"), &plan).expect("there is room");
    let (_, again, errors) = bench(room, &["sweep", "plan.toml", "--print-plan"]);
    assert_eq!(again, plan, "{errors}");

    // The runs of a program that was replaced are not reused, those of the other one would be.
    let resumed = [&sweep[..], &["--resume"]].concat();
    let (_, told, errors) = bench(room, &resumed);
    assert!(told.contains("4 runs of a finished sweep are reused"), "{told}{errors}");
    let mut bytes = fs::read(&copy).expect("it is there");
    bytes.push(0);
    fs::remove_file(&copy).expect("it is there");
    fs::copy(&server, &copy).expect("there is room");
    fs::write(&copy, bytes).expect("there is room");
    let (_, _, errors) = bench(room, &resumed);
    assert!(errors.contains("are of a server that was replaced since"), "{errors}");

    let sides = ["kept/cell001-repeat01.json", "kept/cell002-repeat01.json"];
    let (_, told, errors) = bench(room, &[&["compare"][..], &sides].concat());
    let told = told.replace('\n', " ");
    assert!(told.contains("target.command") && told.contains("new,er"), "{told}{errors}");
}

#[test]
fn a_file_that_changes_between_the_runs_of_a_sweep_is_refused() {
    let room = tempfile::tempdir().expect("there is room");
    let (room, server) = (room.path(), own_program("echo-server"));
    fs::write(room.join("m.txt"), "one\n").expect("there is room");
    let exec = format!("--exec={} {{addr}} --quiet", server.display());
    // It changes after the first run has read it.
    let prepare = "--prepare=sh -c 'echo more >> m.txt'";
    let load = ["--requests=50", "--warmup=0s", "--repeat=2", "--dir=kept", "--pin=off"];
    let cells = ["sweep", &exec, prepare, "--message-file=m.txt", "--pipeline=1,2"];
    let (code, told, errors) = bench(room, &[&cells[..], &load].concat());
    assert_eq!(code, Some(1), "{told}{errors}");
    let said = "--message-file m.txt (lines) was changed after the first run was planned";
    assert_eq!(errors.matches(said).count(), 3, "{told}{errors}");
    let kept = fs::read_dir(room.join("kept")).expect("it is there");
    let names = kept.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let runs: Vec<String> = names.filter(|name| name.starts_with("cell")).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
}

#[test]
fn a_sweep_with_a_program_that_is_not_there_does_not_begin() {
    let room = tempfile::tempdir().expect("there is room");
    let flags = ["sweep", "--exec=A=true {port}", "--exec=B=./nope {port}", "--dir=kept"];
    let (code, told, errors) = bench(room.path(), &flags);
    assert_eq!(code, Some(2), "{told}{errors}");
    assert!(errors.contains("no program `./nope`"), "{errors}");
    assert!(!room.path().join("kept").exists());
    let twice = ["sweep", "--exec=A=true {port}", "--exec=A=false {port}"];
    let (code, _, errors) = bench(room.path(), &twice);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("axis exec has the level A twice"), "{errors}");
    let target = ["sweep", "127.0.0.1:1", "--exec=A=true {port}", "--exec=B=false {port}"];
    let (code, _, errors) = bench(room.path(), &target);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("cannot be used with"), "{errors}");
}
