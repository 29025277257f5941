//! What an agent has this program do: [`ProgramHost`] checks a plan as a run would be checked,
//! carries out a part by starting this program again, and has a [server](server) ready.

mod server;

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, ensure};
use clap::Parser;

use crate::cli::{Cli, Command, Inputs, RunArgs};
use crate::console::tell;
use crate::fleet::Event;
use crate::fleet::local::{Killer, LocalParts};
use crate::preflight;
use echo_bench_engine as engine;
use echo_bench_engine::plan::{Part, Plan, Target};
use echo_bench_fleet::message::{Facts, Progress, Serving, Start, Watch};
use echo_bench_fleet::nats::{self, Access, FromPart, Host};
use echo_bench_fleet::plan::PlanDocument;
use echo_bench_fleet::{AgentName, Allow, Nanos};
use echo_bench_report::report::store;
use echo_net::fd_limit;
use echo_net::stop::Stop;
use echo_proto::terminal;

use server::ServerKeeper;

/// How long a part may take to write its report once it was told to end at once.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// See the [module](self).
pub(super) struct ProgramHost {
    /// Where the agent waits.
    access: Access,
    allow: Allow,
    /// Where others reach a server that is started here, as typed.
    advertise: Option<IpAddr>,
    work: Mutex<Option<Work>>,
    servers: ServerKeeper,
}

/// A part that is being carried out, or a server that is looked at.
struct Work {
    stop: Stop,
    /// A server stops as it is told.
    killer: Option<Killer>,
}

impl ProgramHost {
    /// Of an agent at this NATS server, which loads these networks only.
    pub(super) fn new(access: Access, allow: Allow, advertise: Option<IpAddr>) -> Self {
        let (work, servers) = (Mutex::new(None), ServerKeeper::default());
        Self { access, allow, advertise, work, servers }
    }

    fn begin(&self, work: Work) {
        *self.work.lock().unwrap_or_else(PoisonError::into_inner) = Some(work);
    }

    /// Where others reach a server that is started here.
    fn reached_at(&self) -> anyhow::Result<IpAddr> {
        let own = self.advertise.or_else(|| nats::own_ip(&self.access.url));
        let ip = own.context(
            "the address at which others reach this machine is unknown (start the agent with \
             --advertise IP)",
        )?;
        ensure!(
            self.allow.permits(ip),
            "a server at {ip} is not permitted: this agent serves at {} only (its --allow; \
             --advertise names another address)",
            self.allow
        );
        Ok(ip)
    }

    fn have_ready(&self, document: &PlanDocument) -> anyhow::Result<(Serving, Option<Nanos>)> {
        let args = parsed(document)?;
        let inputs = Inputs::of(&args)?;
        let plan = args.plan(&inputs)?;
        match &plan.target {
            Target::Embedded { server } => {
                let mut server = server.clone();
                // No generator is beside it.
                if document.flags.iter().all(|flag| flag.flag != "server-workers") {
                    server.workers = server.workers.map(|_| inputs.cores as u32);
                }
                let plan = plan.with(|plan| plan.target = Target::Embedded { server })?;
                self.servers.start(plan, self.reached_at()?)
            }
            Target::Address { .. } => {
                self.check_target(&args)?;
                self.servers.find(plan)
            }
            Target::Command(_) => Err(anyhow!("an agent runs no command")),
        }
    }

    fn with_work(&self, what: impl FnOnce(&Work)) {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(work) = &*work {
            what(work);
        }
    }

    fn examine(&self, document: &PlanDocument, fewest_parts: u32) -> anyhow::Result<Facts> {
        let args = parsed(document)?;
        let inputs = Inputs::of(&args)?;
        let plan = args.plan(&inputs)?;
        let then = document.schedule_digest.as_deref();
        ensure!(
            plan.schedule_digest() == then,
            "this version has another schedule for the plan ({} there, {} here): install the same \
             version",
            then.unwrap_or("none"),
            plan.schedule_digest().unwrap_or("none"),
        );
        let part = Part { number: 1, of: fewest_parts };
        let plan = plan.with(|plan| plan.part = Some(part))?;
        self.check_target(&args)?;
        engine::check(plan.engine)?;
        let (descriptors, ports) = (fd_limit::current(), preflight::local_ports());
        preflight::check(&plan, descriptors, ports)?;
        Ok(Facts { descriptors, ports, cores: inputs.cores as u32 })
    }

    /// Refuses a target early that the process would refuse, too, once it has looked up its name.
    fn check_target(&self, args: &RunArgs) -> anyhow::Result<()> {
        let endpoint = args.typed_target().ok_or_else(|| anyhow!("the plan has no target"))?;
        let address = endpoint.address.clone().as_target();
        let found = address.resolve().with_context(|| format!("looking up {address}"))?;
        for found in found {
            let ip = found.as_tcp().map(|address| address.ip());
            ensure!(
                ip.is_some_and(|ip| self.allow.permits(ip)),
                "target {found} is not permitted: this agent loads {} only (its --allow)",
                self.allow
            );
        }
        Ok(())
    }

    fn start(
        &self,
        document: &PlanDocument,
        start: Start,
        said: FromPart,
    ) -> anyhow::Result<()> {
        let plan = {
            let args = parsed(document)?;
            args.plan(&Inputs::of(&args)?)?
        };
        let at = SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_nanos(start.at_ns))
            .context("the start is beyond any clock")?;
        let at = humantime::format_rfc3339_nanos(at).to_string();
        let mut flags = words(document);
        flags.extend(self.allow.networks().iter().map(|network| format!("--permit={network}")));
        let stop = Stop::new();
        let part = Part { number: start.part, of: start.parts };
        let parts = LocalParts::start_one(&flags, part, &at, &stop)?;
        self.begin(Work { stop, killer: Some(parts.killer()) });
        let waiting = thread::Builder::new().name("part".into());
        waiting.spawn(move || pass_on(&parts, &plan, &said)).context("waiting for the part")?;
        Ok(())
    }
}

impl Host for ProgramHost {
    fn check(&self, plan: &PlanDocument, fewest_parts: u32) -> Result<Facts, String> {
        self.examine(plan, fewest_parts).map_err(|error| format!("{error:#}"))
    }

    fn launch(&self, plan: &PlanDocument, start: Start, said: FromPart) -> Result<(), String> {
        self.start(plan, start, said).map_err(|error| format!("{error:#}"))
    }

    fn serve(&self, plan: &PlanDocument) -> Result<(Serving, Option<Nanos>), String> {
        self.have_ready(plan).map_err(|error| format!("{error:#}"))
    }

    fn watch(&self, _: &PlanDocument, watch: Watch, said: FromPart) -> Result<(), String> {
        let stop = self.servers.watch(watch, said).ok_or("there is no server to look at")?;
        self.begin(Work { stop, killer: None });
        Ok(())
    }

    fn abandon(&self) {
        self.servers.abandon();
    }

    fn interrupt(&self) {
        self.with_work(|work| work.stop.ask());
    }

    fn kill(&self) {
        let mut killer = None;
        self.with_work(|work| {
            // Told twice, a run cuts its drain short and still writes its report.
            work.stop.ask();
            work.stop.ask();
            killer.clone_from(&work.killer);
        });
        let killing = killer.map(|killer| {
            thread::Builder::new().name("killer".into()).spawn(move || {
                thread::sleep(STOP_LIMIT);
                killer.kill();
            })
        });
        if let Some(Err(_)) = killing {
            self.with_work(|work| work.killer.iter().for_each(Killer::kill));
        }
    }

    fn ready(&self, agent: &AgentName) {
        let Self { access, allow, .. } = self;
        let url = &access.shown;
        tell(&format!("agent {agent} waits for runs at {url}; it loads {allow} only"));
    }

    fn tell(&self, text: &str) {
        tell(&terminal::one_line(text));
    }
}

/// The flags of a plan, as words.
fn words(document: &PlanDocument) -> Vec<String> {
    let words = document.flags.iter().filter_map(|flag| RunArgs::word(&flag.flag, &flag.value));
    words.chain([format!("--seed={}", document.seed)]).collect()
}

/// The plan as if it had been typed here.
fn parsed(document: &PlanDocument) -> anyhow::Result<RunArgs> {
    let line = ["echo-bench", "run"].map(str::to_owned).into_iter().chain(words(document));
    let cli = Cli::try_parse_from(line).map_err(|error| {
        anyhow!("{}", error.to_string().lines().next().unwrap_or_default().to_owned())
    })?;
    match cli.command {
        Some(Command::Run(run)) => Ok(*run),
        _ => Err(anyhow!("the plan is no run")),
    }
}

/// Passes on how a part goes, and its end.
fn pass_on(parts: &LocalParts, plan: &Plan, said: &FromPart) {
    let mut sum = Progress::default();
    let mut ended = Err("the process was not waited for".to_owned());
    for message in parts.messages() {
        match message.event {
            Event::Beat(beat) => {
                let interval_ns = plan.interval_ns.max(1);
                sum.measured_ns = beat.interval.saturating_add(1).saturating_mul(interval_ns);
                sum.answered = sum.answered.saturating_add(beat.answered);
                sum.failed = sum.failed.saturating_add(beat.failed);
                sum.rate_per_s = beat.answered as f64 * 1e9 / interval_ns as f64;
                said.progress(sum);
            }
            Event::Done(part) => ended = Ok(store::to_json(&part.report).into_bytes()),
            Event::Lost(reason) => ended = Err(reason),
        }
    }
    said.ended(ended);
}
