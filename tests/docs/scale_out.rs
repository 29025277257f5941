//! The recipes of docs/scale-out.md: each is carried out as it stands there, with programs of that
//! name in place of the scheduler, and gives the report of all parts.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, SystemTime};

use echo_server::model::ModelKind;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run, wait};
use echo_test_support::running_server::RunningServer;
use tempfile::TempDir;

use crate::page::{Block, Page, blocks};

/// Right answers of the plan as it is made small here.
const REQUESTS: u64 = 400;

/// Programs in place of those that start parts elsewhere. Tasks of srun run at once; a machine of
/// pdsh is a folder.
const STAND_INS: [(&str, &str); 4] = [
    (
        "srun",
        "for n in $(seq 0 $((SLURM_NTASKS - 1))); do SLURM_PROCID=$n \"$@\" & all+=($!); done\n\
         for one in ${all[@]}; do wait $one || code=1; done; exit ${code:-0}\n",
    ),
    ("ip", "[[ $1 == netns && $2 == exec && $3 == ns? ]] || exit 2; shift 3; exec \"$@\"\n"),
    (
        "pdsh",
        "[[ $1 == -w && $2 == 'load[1-4]' ]] || exit 2\n\
         for n in 0 1 2 3; do\n\
         mkdir -p home/load$((n + 1)); (cd home/load$((n + 1)); sh -c \"${3//%n/$n}\") & all+=($!)\n\
         done\n\
         for one in ${all[@]}; do wait $one || code=1; done; exit ${code:-0}\n",
    ),
    (
        "rpdcp",
        "[[ $1 == -w && $2 == 'load[1-4]' ]] || exit 2\n\
         for n in 1 2 3 4; do cp home/load$n/$3 $4/$3.load$n || exit 1; done\n",
    ),
];

/// The heading of the recipes.
const RECIPES: &str = "\n## Recipes\n";

/// The part of the page with the recipes, which ends at the next heading.
pub(crate) fn recipes(page: &str) -> &str {
    let (_, section) = page.split_once(RECIPES).expect("a heading");
    section.split_once("\n## ").expect("a heading after it").0
}

/// Where a recipe is tried.
struct Bench {
    programs: TempDir,
    plan: String,
}

impl Bench {
    /// With the plan of the page, made small, for the server at `address`.
    fn new(plan: &str, address: &str) -> Self {
        let programs = tempfile::tempdir().expect("room for a folder");
        for (name, script) in STAND_INS {
            let path = programs.path().join(name);
            fs::write(&path, format!("#!/bin/bash\n{script}")).expect("room for a file");
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(&path, mode).expect("it is this user's");
        }
        Self { programs, plan: small(plan, address) }
    }

    /// A shell in `folder` that begins with this script.
    fn shell(&self, script: &str, folder: &Path) -> Command {
        let bench = own_program("echo-bench");
        let own = bench.parent().expect("it is in a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{}:{path}", self.programs.path().display(), own.display());
        // Whatever is slow to start is not late.
        let at = SystemTime::now() + Duration::from_secs(3);
        let mut command = Command::new("bash");
        command
            .args(["-euc", &script.replace("+30 seconds", "+3 seconds")])
            .current_dir(folder)
            .env("PATH", path)
            .env("PLAN", &self.plan)
            .env("AT", humantime::format_rfc3339_seconds(at).to_string())
            .env("XDG_DATA_HOME", folder)
            .env("SLURM_NTASKS", "3");
        command
    }

    /// Carries out a recipe, whose last step merges.
    fn carry_out(&self, script: &str) {
        let folder = tempfile::tempdir().expect("room for a folder");
        let done = run(&mut self.shell(script, folder.path()), b"", 2 * PATIENCE);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{script}: {said}");
        assert_whole(folder.path(), script);
    }

    /// Carries out a recipe of one part so many times at once, with its number, from `first`, in
    /// this variable, and merges.
    fn carry_out_each(&self, script: &str, variable: &str, first: u32, count: u32) {
        let folder = tempfile::tempdir().expect("room for a folder");
        let script = script.replace("/results/", "");
        let start = |number: u32| {
            let mut command = self.shell(&script, folder.path());
            command
                .env(variable, number.to_string())
                .env("SLURM_ARRAY_TASK_COUNT", count.to_string());
            command.spawn().expect("there is a shell")
        };
        let mut parts: Vec<Child> = (first..first + count).map(start).collect();
        let ended = parts.iter_mut().map(|part| wait(part, 2 * PATIENCE));
        let failed = ended.filter(|status| !status.is_some_and(|status| status.success()));
        let failed = failed.count();
        for part in &mut parts {
            // One that has ended is no more.
            let _ = part.kill();
        }
        assert_eq!(failed, 0, "{script}");
        let merge = "echo-bench merge part-*.json -o run.json";
        let merged = run(&mut self.shell(merge, folder.path()), b"", PATIENCE);
        assert!(merged.status.success(), "{}", String::from_utf8_lossy(&merged.stderr));
        assert_whole(folder.path(), &script);
    }
}

/// The plan of the page for a server of this test and a second of its time.
fn small(plan: &str, address: &str) -> String {
    let mut small = plan.to_owned();
    for (typed, instead) in [
        ("10.0.0.7:7000", address),
        ("--conns 400", "--conns 16 --warmup 0"),
        ("--rate 20k", &format!("--rate {REQUESTS}")),
        ("--duration 60s", "--duration 1s"),
    ] {
        assert!(small.contains(typed), "no {typed} in {plan}");
        small = small.replace(typed, instead);
    }
    small
}

/// The report of all parts is there.
fn assert_whole(folder: &Path, script: &str) {
    let report = fs::read(folder.join("run.json")).expect("it was merged");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("it is JSON");
    assert_eq!(report["summary"]["requests"]["ok"], REQUESTS, "{script}");
    assert!(report["parts"]["missing"].as_array().is_none_or(Vec::is_empty), "{script}");
}

/// What a container is given, in one line.
fn arguments(job: &str) -> String {
    let (_, args) = job.split_once("args:\n").expect("arguments of the container");
    let lines = args.lines().take_while(|line| line.starts_with("            "));
    let line = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    line.strip_prefix("- ").expect("an item of a list").to_owned()
}

#[test]
fn each_recipe_for_several_machines_does_what_it_says() {
    let server = RunningServer::start(ModelKind::Epoll, &[]);
    let page = Page::read("docs/scale-out.md");
    let blocks = blocks(recipes(&page.text));
    let (plan, recipes) = blocks.split_first().expect("there are recipes");
    let plan =
        plan.text.trim().strip_prefix("export PLAN='").and_then(|it| it.strip_suffix('\''));
    let plan = plan.expect("the plan comes first");
    let bench = Bench::new(plan, &server.address().to_string());
    let mut tried = Vec::new();
    for &Block { language, text: recipe } in recipes {
        if language == "yaml" {
            let named = format!("value: \"{}\"", plan.replace("10.0.0.7", "server"));
            assert!(recipe.contains(&named), "another plan than {named}: {recipe}");
            bench.carry_out_each(&arguments(recipe), "JOB_COMPLETION_INDEX", 0, 8);
            tried.push("Kubernetes");
        } else if recipe.contains("SLURM_ARRAY_TASK_ID") {
            bench.carry_out_each(recipe, "SLURM_ARRAY_TASK_ID", 1, 3);
            tried.push("array");
        } else {
            bench.carry_out(recipe);
            let starters = ["ip netns", "srun", "pdsh"];
            let starter = starters.into_iter().find(|starter| recipe.contains(starter));
            tried.push(starter.unwrap_or("shell"));
        }
    }
    assert_eq!(tried, ["shell", "ip netns", "srun", "array", "Kubernetes", "pdsh"]);
}
