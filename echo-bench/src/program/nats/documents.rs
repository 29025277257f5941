//! What is typed for a run on agents, as those read it: [`Documents`], the plan of the parts and that
//! of the agent on the machine of the server.

use std::net::SocketAddr;
use std::time::SystemTime;

use crate::cli::RunArgs;
use crate::cli::swept::is_of_agents;
use echo_bench_engine::plan::Plan;
use echo_bench_fleet::RunId;
use echo_bench_fleet::plan::{PlanDocument, PlanFlag, SCHEMA};

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
            version: super::VERSION.into(),
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
