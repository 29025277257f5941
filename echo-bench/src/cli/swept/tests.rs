//! From what is typed to cells: lists, links, switches, and what is refused.

use clap::Parser;
use proptest::prelude::*;

use crate::cli::{Cli, Command};
use echo_bench_engine::messages::Size;
use echo_bench_report::sweep::{PlannedSweep, SweepPlan};
use echo_net::settings::ByteSize;

use super::{CommandLine, SIZE, split};
use crate::cli::plan_file as file;

fn typed(line: &str) -> Result<PlannedSweep, String> {
    let words = ["echo-bench", "sweep"].into_iter().chain(line.split_whitespace());
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    let Some(Command::Sweep(args)) = cli.command else { panic!("{line}") };
    args.plan().map_err(|error| error.to_string())
}

fn lines(sweep: &PlannedSweep) -> Vec<String> {
    sweep.cells.iter().map(|cell| cell.command_line.join(" ")).collect()
}

#[test]
fn every_list_is_an_axis_in_the_order_typed_and_the_last_changes_fastest() {
    let sweep = typed("--conns 1,2 -d 1s --model epoll,tokio --repeat 3 --seed 9").unwrap();
    let names: Vec<String> = sweep.cells.iter().map(|cell| cell.cell.name.clone()).collect();
    assert_eq!(
        names,
        [
            "conns=1, model=epoll",
            "conns=1, model=tokio",
            "conns=2, model=epoll",
            "conns=2, model=tokio"
        ]
    );
    assert_eq!(lines(&sweep)[2], "--duration=1s --conns=2 --model=epoll");
    assert_eq!((sweep.plan.repeats, sweep.plan.seed), (3, 9));
}

#[test]
fn a_flag_typed_again_adds_levels_and_commas_of_a_text_are_no_list() {
    let sweep = typed("--message a,b --message c --conns 1 --conns 2").unwrap();
    assert_eq!(lines(&sweep)[1], "--message=a,b --conns=2");
    assert_eq!(sweep.cells.len(), 4);
    assert!(typed("--conns 1,2 --server-pin 0,0").unwrap_err().contains("'0,0'"));
}

#[test]
fn what_a_run_takes_several_times_goes_together_in_every_cell() {
    let sweep =
        typed("--slo p99<5s --slo p50<1s --label a=1,2 --label b=3 --conns 1,2").unwrap();
    let all = "--slo=p99<5s --slo=p50<1s --label=a=1,2 --label=b=3 --conns=1";
    assert_eq!(lines(&sweep)[0], all);
    assert_eq!(sweep.cells.len(), 2);
    let again = file::read(&file::write(&sweep.plan)).unwrap();
    assert_eq!(again.flags.resolve(&[]).unwrap(), (sweep.plan.fixed, sweep.plan.axes));
}

#[test]
fn linked_flags_are_one_axis() {
    let sweep = typed(
        "--nodelay on,off --server-nodelay on,off --in-step nodelay,server-nodelay \
         --split-writes 1,2 --server-write-mode whole,split --in-step split-writes+server-write-mode",
    )
    .unwrap();
    assert_eq!(
        lines(&sweep)[1],
        "--nodelay=on --server-nodelay=on --split-writes=2 --server-write-mode=split"
    );
    let cells = &sweep.cells;
    assert_eq!(cells.len(), 4);
    assert_eq!(
        cells[3].cell.name,
        "nodelay+server-nodelay=off, split-writes+server-write-mode=2/split"
    );
    // What is printed is the same sweep, in the same order.
    let again = file::read(&file::write(&sweep.plan)).unwrap();
    let (fixed, mut axes) = again.flags.resolve(&[]).unwrap();
    axes.extend(again.axes);
    assert_eq!((fixed, axes), (sweep.plan.fixed, sweep.plan.axes));
}

#[test]
fn a_linked_axis_before_a_list_keeps_its_place_in_the_plan_file() {
    let sweep = typed(
        "--nodelay on,off --server-nodelay on,off --in-step nodelay,server-nodelay -c 1,2",
    );
    let sweep = sweep.unwrap();
    let again = file::read(&file::write(&sweep.plan)).unwrap();
    let (_, mut axes) = again.flags.resolve(&[]).unwrap();
    axes.extend(again.axes);
    assert_eq!(axes, sweep.plan.axes);
}

#[test]
fn a_flag_without_a_value_is_on_or_off() {
    let sweep = typed("--model epoll --server-reuse-port=on,off").unwrap();
    assert_eq!(lines(&sweep), ["--model=epoll --server-reuse-port", "--model=epoll"]);
    let sweep = typed("--model epoll,tokio --server-reuse-port").unwrap();
    assert_eq!(lines(&sweep)[0], "--server-reuse-port --model=epoll");
    assert!(typed("--conns 1,2 --server-reuse-port=maybe").unwrap_err().contains("on or off"));
}

#[test]
fn sizes_are_an_axis_whose_distributions_may_hold_commas() {
    let sweep =
        typed("--size 64,lognormal:median=300,p99=20K,1-2K,zipf:exponent=1.1,max=4K,512");
    let levels: Vec<String> =
        sweep.unwrap().plan.axes[0].levels.iter().map(|level| level.name.clone()).collect();
    assert_eq!(
        levels,
        ["64", "lognormal:median=300,p99=20K", "1-2K", "zipf:exponent=1.1,max=4K", "512"]
    );
    let folder = tempfile::tempdir().unwrap();
    let sizes = folder.path().join("a,b.txt");
    std::fs::write(&sizes, "64 1\n").unwrap();
    let line = format!("--size 64 --size file:{}", sizes.display());
    assert_eq!(typed(&line).unwrap().cells.len(), 2);
}

/// Texts of sizes as reports have them.
fn size() -> impl Strategy<Value = String> {
    prop_oneof![
        (1usize..1 << 20).prop_map(|bytes| ByteSize(bytes).to_string()),
        (1usize..2000, 2000usize..1 << 20).prop_map(|(min, max)| format!(
            "{}-{}",
            ByteSize(min),
            ByteSize(max)
        )),
        (1usize..500, 501usize..9000, prop::option::of(9000usize..1 << 20)).prop_map(
            |(median, p99, max)| {
                let max = max.map_or_else(String::new, |max| format!(",max={}", ByteSize(max)));
                format!("lognormal:median={median},p99={}{max}", ByteSize(p99))
            }
        ),
        (0.1f64..9.0, 1usize..1 << 20).prop_map(|(exponent, max)| format!(
            "zipf:exponent={exponent},max={}",
            ByteSize(max)
        )),
    ]
}

proptest! {
    #[test]
    fn any_list_of_sizes_is_split_into_its_levels(
        mut sizes in prop::collection::vec(size(), 1..6), file: bool,
    ) {
        if file {
            sizes.push("file:a,b=1.txt".to_owned());
        }
        prop_assert_eq!(&split(SIZE, &sizes.join(",")), &sizes);
        for size in &sizes {
            let read = size.parse::<Size>();
            prop_assert_eq!(read.map(|size| size.to_string()), Ok(size.clone()));
        }
    }
}

#[test]
fn what_can_t_be_measured_is_refused_before_anything_runs() {
    for (line, told) in [
        ("--conns 1,0", "cell conns=0: --conns"),
        ("--conns 1,,2", "cell conns="),
        ("--conns 1,2 --model magic", "'magic' for '--model <MODEL>'"),
        ("--conns 1,2 --arrival poisson", "--rate"),
        ("--conns 1,2 --target 127.0.0.1:1 --model epoll", "cannot be used with"),
        ("--model epoll,tokio --server-read-buffer many", "'--server-read-buffer <SIZE>'"),
        ("--server-read-buffer 1K,0", "cell server-read-buffer=0: --server-read-buffer must"),
        ("--server-nodelay on --server-nodelay on --conns 1,2", "level on twice"),
        ("--conns 1,1", "level 1 twice"),
        ("--conns 5", "nothing varies"),
        ("--conns 1,2 --repeat 0", "--repeat"),
        ("--conns 1,2 --repeat 4000000000", "too many (at most 100000); lower --repeat"),
        ("--conns 1,2 --report-dir x", "--report-dir is about one run"),
        ("--conns 1,2 --strict", "--strict is about one run"),
        ("--conns 1,2 --baseline main", "--baseline is about one run"),
        ("--conns 1,2 --message-file -", "name a file"),
        ("--conns 1,2 --size file:-", "name a file"),
        ("--size 64,lognormal:median=3", "lognormal needs p99="),
        ("--conns 1,2 --in-step conns,nodelay", "--in-step conns,nodelay"),
        ("--conns 1,2 --nodelay on,off --in-step conns", "--in-step conns"),
        ("--nodelay on,off --conns 1,2,3 --in-step nodelay,conns", "equally many"),
        ("no-such.toml", "reading no-such.toml"),
    ] {
        let error = typed(line).expect_err(line);
        assert!(error.contains(told), "{line}: {error}");
    }
}

#[test]
fn axes_of_a_plan_file_must_be_told_apart_and_measure_alike() {
    for (text, told) in [
        (
            "[[axis]]\nname = \"load\"\nlevels = [{ name = \"a\" }, { name = \"b\", rate = 9 }]",
            "load=a is a closed loop and load=b an open one",
        ),
        (
            "[[axis]]\nname = \"x\"\nlevels = [{ name = \"a\", conns = 1 }]\n\
             [[axis]]\nname = \"x\"\nlevels = [{ name = \"a\", pipeline = 1 }]",
            "two axes are named x",
        ),
        (
            "conns = 1\n[[axis]]\nname = \"x\"\nlevels = [{ name = \"a\", conns = 1 }]",
            "--conns is set in two places",
        ),
    ] {
        let read = file::read(text).unwrap();
        let (fixed, mut axes) = read.flags.resolve(&[]).unwrap();
        axes.extend(read.axes);
        let plan = SweepPlan { fixed, axes, repeats: 1, seed: 1 };
        let error = plan.planned(&CommandLine).unwrap_err();
        assert!(error.to_string().contains(told), "{text}: {error}");
    }
}

#[test]
fn how_repeated_runs_are_judged_is_not_typed_for_each() {
    let line = "echo-bench run --repeat 2 --baseline b --fail-on worse --allow-single \
                --judge fairness -d 1s";
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
    let Some(Command::Run(run)) = cli.command else { panic!("{line}") };
    assert_eq!(lines(&run.repeats(2).unwrap()), ["--duration=1s"]);
}

/// The same of words that hold spaces.
fn typed_words(words: &[&str]) -> Result<PlannedSweep, String> {
    let words = ["echo-bench", "sweep"].iter().chain(words);
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    let Some(Command::Sweep(args)) = cli.command else { panic!("a sweep") };
    args.plan().map_err(|error| error.to_string())
}

#[test]
fn commands_are_levels_with_short_names_and_a_single_one_is_fixed() {
    let (old, new) = ("A=./old --ids 1,2 {port}", "./bin/new {addr}");
    let sweep = typed_words(&["--exec", old, "--exec", new, "--exec", new, "--conns", "1,2"]);
    let sweep = sweep.unwrap();
    let names: Vec<&str> = sweep.cells.iter().map(|cell| &*cell.cell.name).collect();
    assert_eq!(names[0], "exec=A, conns=1");
    assert_eq!((names[2], names[4]), ("exec=new, conns=1", "exec=new-2, conns=1"));
    assert_eq!(sweep.cells[1].command_line, [&format!("--exec={old}"), "--conns=2"]);
    let written = file::write(&sweep.plan);
    assert!(written.contains(r#"exec = ["A=./old --ids 1,2 {port}", "./bin/new {addr}","#));
    let again = file::read(&written).unwrap().flags.resolve(&[]).unwrap();
    assert_eq!(again, (sweep.plan.fixed, sweep.plan.axes));

    let one = typed_words(&["--exec", old, "--prepare", "sh -c 'a, b'", "--conns", "1,2"]);
    let one = one.unwrap();
    let fixed: Vec<String> = one.plan.fixed.iter().map(ToString::to_string).collect();
    assert_eq!(fixed, [format!("exec={old}"), "prepare=sh -c 'a, b'".into()]);

    let linked = ["--exec", old, "--exec", new, "--conns", "1,2", "--in-step", "exec,conns"];
    let linked = typed_words(&linked).unwrap();
    let names: Vec<&str> = linked.cells.iter().map(|cell| &*cell.cell.name).collect();
    assert_eq!(names, ["exec+conns=A/1", "exec+conns=new/2"]);

    for (words, part) in [
        (&["--exec", "A=x", "--exec", "B=y {port}"][..], "neither {port} nor {addr}"),
        (&["--exec", old, "--exec", new, "--model", "epoll"], "cannot be used with"),
    ] {
        let told = typed_words(words).unwrap_err();
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn links_are_levels_whole_with_their_commas() {
    let sweep = typed("--link none --link rtt=20ms,loss=1% --link wifi").unwrap();
    let links = ["none", "rtt=20ms,loss=1%", "wifi"];
    assert_eq!(lines(&sweep), links.map(|link| format!("--link={link}")));
    let again = file::read(&file::write(&sweep.plan)).unwrap();
    assert_eq!(again.flags.resolve(&[]).unwrap().1, sweep.plan.axes);
}
