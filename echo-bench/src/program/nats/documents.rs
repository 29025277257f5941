//! What is typed for a run on agents, as those read it: [`Documents`], the plan of the parts and that
//! of the agent on the machine of the server.

use std::net::SocketAddr;
use std::time::SystemTime;

use crate::cli::RunArgs;
use crate::cli::swept::is_of_agents;
use echo_bench_engine::plan::Plan;
use echo_bench_fleet::RunId;
use echo_bench_fleet::plan::{PlanDocument, PlanFlag, SCHEMA};
use echo_bench_report::report::Tool;

/// See the [module](self).
pub(super) struct Documents {
    whole: PlanDocument,
}

impl Documents {
    /// Of a run that begins now; `random` tells it from others of this second.
    pub(super) fn new(args: &RunArgs, plan: &Plan, random: u64) -> anyhow::Result<Self> {
        let typed = args.flags().iter().filter(|typed| !is_of_agents(&typed.flag));
        let flags = typed
            .map(|typed| PlanFlag { flag: typed.flag.clone(), value: typed.value.clone() });
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let date: String = now.chars().filter(char::is_ascii_alphanumeric).collect();
        let run: RunId = format!("{date}-{:04x}", random & 0xffff).parse()?;
        let whole = PlanDocument {
            schema: SCHEMA.into(),
            version: Tool::this().build(),
            run,
            flags: flags.collect(),
            seed: plan.seed,
            schedule_digest: plan.schedule_digest().map(str::to_owned),
        };
        Ok(Self { whole })
    }

    /// The name of the run.
    pub(super) fn run(&self) -> &RunId {
        &self.whole.run
    }

    /// What the agents read that put load on, given where an agent has started the server.
    pub(super) fn of_parts(&self, server: Option<SocketAddr>) -> PlanDocument {
        let mut plan = self.whole.clone();
        plan.flags.retain(|flag| !is_of_server(&flag.flag));
        plan.flags.extend(
            server.map(|server| PlanFlag { flag: "target".into(), value: server.to_string() }),
        );
        plan
    }

    /// What the agent reads that looks at the server. Which CPUs and threads generate load is
    /// nothing to it.
    pub(super) fn of_server(&self) -> PlanDocument {
        let mut plan = self.whole.clone();
        plan.flags.retain(|flag| !matches!(flag.flag.as_str(), "threads" | "pin"));
        plan.flags.push(PlanFlag { flag: "pin".into(), value: "off".into() });
        plan
    }
}

fn is_of_server(flag: &str) -> bool {
    matches!(flag, "model" | "transport")
        || (flag.starts_with("server-") && flag != "server-name")
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Parser as _};

    use super::*;
    use crate::cli::{Cli, Command, Inputs};
    use echo_bench_fleet::message::Work;
    use echo_bench_fleet::plan::{ACCEPTED, ACCEPTED_OF_SERVER, check};

    fn documents(flags: &[&str]) -> Documents {
        let common =
            ["echo-bench", "run", "--nats", "nats://n", "--agents", "2", "--threads", "2"];
        let line = common.iter().chain(flags);
        let Some(Command::Run(run)) = Cli::try_parse_from(line).unwrap().command else {
            panic!("no run")
        };
        let plan = run.plan(&Inputs::of(&run).unwrap()).unwrap();
        Documents::new(&run, &plan, 7).unwrap()
    }

    fn names(plan: &PlanDocument) -> Vec<&str> {
        plan.flags.iter().map(|flag| flag.flag.as_str()).collect()
    }

    const PART: Work = Work::Part { fewest_parts: 1 };

    #[test]
    fn each_side_reads_what_is_for_it() {
        let started = documents(&[
            "--server-agent=db-1",
            "--model=epoll",
            "--server-workers=3",
            "--rate=10",
        ]);
        let server = started.of_server();
        assert_eq!(check(&server.flags, Work::Server {}), Ok(()));
        assert_eq!(names(&server), ["rate", "model", "server-workers", "pin"]);
        let parts = started.of_parts(Some("10.0.0.7:70".parse().unwrap()));
        assert_eq!(check(&parts.flags, PART), Ok(()));
        assert_eq!(names(&parts), ["threads", "rate", "target"]);
        let found = documents(&["--server-agent=db-1", "10.0.0.7:70", "--server-pid=7"]);
        assert_eq!(check(&found.of_parts(None).flags, PART), Ok(()));
        assert_eq!(names(&found.of_parts(None)), ["target", "threads"]);
        assert!(names(&found.of_server()).contains(&"server-pid"));
        assert_eq!(found.run(), &found.of_server().run);
    }

    #[test]
    fn a_run_has_every_flag_that_agents_accept() {
        let run = RunArgs::augment_args(clap::Command::new("run"));
        let has = |flag: &str| run.get_arguments().any(|arg| arg.get_long() == Some(flag));
        let unknown: Vec<&&str> =
            ACCEPTED.iter().chain(&ACCEPTED_OF_SERVER).filter(|flag| !has(flag)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
