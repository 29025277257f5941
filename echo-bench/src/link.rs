//! The emulated link of a run: [`EmulatedLink`]. The run itself is on the generator's host, its
//! server is started on the other one, and a child process, which is this program again, forwards
//! the packets between them. All of it is gone with the run.

mod own_cost;

use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::console::tell;
use echo_bench_engine::plan::{Plan, Target};
use echo_bench_link::{IpVersion, LinkCounts, LinkSpec, forward_until_closed};
use echo_net::Nanos;
use echo_net::cable::Cable;
use echo_net::netns::Namespace;
use echo_net::{inherited, pin, signals};

/// The hidden subcommand by which the binary forwards packets.
pub(crate) const FORWARD: &str = "forward-link";

/// The hidden subcommand by which the binary tries out whether a link can be emulated.
pub(crate) const TRY: &str = "try-link";

/// How long the forwarder may take to end.
const END_LIMIT: Duration = Duration::from_secs(2);

/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// See the [module](self).
#[derive(Debug)]
pub struct EmulatedLink {
    server: Namespace,
    server_ip: IpAddr,
    own_rtt_ns: Option<Nanos>,
    forwarder: Forwarder,
}

impl EmulatedLink {
    /// Moves this process, which must have one thread, to the generator's host of the link that a
    /// plan has; `None` if it has none.
    ///
    /// # Errors
    /// When that is not possible here, with the remedy.
    pub fn of(plan: &Plan) -> anyhow::Result<Option<Self>> {
        let cpu = plan.pin.forwarder.first().copied();
        let fast_open = plan.socket.opens_fast()
            || matches!(&plan.target, Target::Embedded { server } if server.has("fastopen"));
        plan.link.map(|spec| Self::set_up(spec, plan.seed, cpu, fast_open)).transpose()
    }

    /// The same with a link whose forwarder runs on `cpu`, or on any.
    fn set_up(
        spec: LinkSpec,
        seed: u64,
        cpu: Option<usize>,
        fast_open: bool,
    ) -> anyhow::Result<Self> {
        let cable = Cable::lay(spec.ip() == IpVersion::V6, fast_open)
            .context("emulating the link (--link)")?;
        let Cable { server, server_ip, unlike, ends } = cable;
        for setting in unlike {
            tell(&format!(
                "note: both ends of the link have {setting} (as this machine has it)"
            ));
        }
        for end in &ends {
            inherited::keep_open(end)?;
        }
        // Without delay, loss and rate: what is left is its own.
        let bare = Forwarder::start("rtt=0".parse()?, 0, &ends, cpu)?;
        let own_rtt_ns = own_cost::own_rtt(&server, server_ip).context("trying the link")?;
        bare.finish()?;
        let forwarder = Forwarder::start(spec, seed, &ends, cpu)?;
        Ok(Self { server, server_ip, own_rtt_ns: Some(own_rtt_ns), forwarder })
    }

    /// What it adds to a round trip by itself, whatever was asked for.
    pub fn own_rtt_ns(&self) -> Option<Nanos> {
        self.own_rtt_ns
    }

    /// Where the server has to listen.
    pub fn server_ip(&self) -> IpAddr {
        self.server_ip
    }

    /// Does something on the server's host: with this thread, and with what it starts.
    ///
    /// # Errors
    /// Those of the work.
    pub fn at_server<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.server.within(work).context("changing to the server's host")?
    }

    /// Ends the link; what it did.
    ///
    /// # Errors
    /// When its forwarder did not work until now.
    pub fn finish(self) -> anyhow::Result<LinkCounts> {
        self.forwarder.finish()
    }
}

/// Whether a link can be emulated here, tried out in a process of its own.
///
/// # Errors
/// Why not, with the remedy.
pub fn usable() -> Result<(), String> {
    let tried = || -> anyhow::Result<()> {
        let program = std::env::current_exe().context("finding this program")?;
        let output = Command::new(program).arg(TRY).stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim().trim_start_matches("error: ");
        bail!("{}", if said.is_empty() { "it failed without a word" } else { said })
    };
    tried().map_err(|error| format!("{error:#}"))
}

/// Sets up a link, and removes it again.
///
/// # Errors
/// When it can't be.
pub fn try_out() -> anyhow::Result<()> {
    EmulatedLink::set_up("rtt=0".parse()?, 0, None, false)?.finish().map(drop)
}

/// The process that forwards packets; killed when dropped.
#[derive(Debug)]
struct Forwarder {
    child: Child,
    /// The end of it ends the process.
    control: Option<ChildStdin>,
}

impl Forwarder {
    fn start(
        spec: LinkSpec,
        seed: u64,
        ends: &[OwnedFd; 2],
        cpu: Option<usize>,
    ) -> anyhow::Result<Self> {
        let mut child =
            start(spec, seed, ends, cpu).context("starting the link's forwarder")?;
        let control = child.stdin.take();
        Ok(Self { child, control })
    }

    fn finish(mut self) -> anyhow::Result<LinkCounts> {
        drop(self.control.take());
        let deadline = Instant::now() + END_LIMIT;
        let status = loop {
            match self.child.try_wait().context("waiting for the link's forwarder")? {
                Some(status) => break status,
                None if Instant::now() >= deadline => bail!("the link's forwarder hangs"),
                None => std::thread::sleep(LOOK_EVERY),
            }
        };
        let mut said = String::new();
        let stdout = self.child.stdout.take().context("the forwarder has no stdout")?;
        stdout.take(MOST_SAID).read_to_string(&mut said)?;
        if !status.success() {
            bail!("the link's forwarder ended before the run ({status})");
        }
        serde_json::from_str(&said).context("reading what the link's forwarder counted")
    }
}

/// Most bytes that a forwarder says: it fits into a pipe, so that it can end before it is read.
const MOST_SAID: u64 = 4096;

fn start(
    spec: LinkSpec,
    seed: u64,
    ends: &[OwnedFd; 2],
    cpu: Option<usize>,
) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("finding this program")?;
    let [generator, server] = ends.each_ref().map(AsRawFd::as_raw_fd);
    let child = Command::new(program)
        .arg(FORWARD)
        .arg(format!("--die-with-parent={}", std::process::id()))
        .arg(format!("--spec={spec}"))
        .arg(format!("--seed={seed}"))
        .arg(format!("--generator={generator}"))
        .arg(format!("--server={server}"))
        .args(cpu.map(|cpu| format!("--cpu={cpu}")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // What it complains of is for the user.
        .stderr(Stdio::inherit())
        // Ctrl-C in a terminal goes to the whole group of the foreground; packets must be forwarded
        // until the partial report is measured.
        .process_group(0)
        .spawn()?;
    Ok(child)
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        // Both fail only for a child that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The life of the forwarder: what it did in the end.
///
/// # Errors
/// When its parent is gone, or its packet sockets fail.
pub fn forward(
    parent: u32,
    spec: LinkSpec,
    seed: u64,
    ends: [i32; 2],
    cpu: Option<usize>,
) -> anyhow::Result<LinkCounts> {
    let [generator, server] = ends;
    let ends = [inherited::take(generator)?, inherited::take(server)?];
    signals::end_with_parent(Some(parent)).context("tying to the run")?;
    if let Some(cpu) = cpu {
        pin::pin_thread(&[cpu]).with_context(|| format!("running on CPU {cpu}"))?;
    }
    let control = rustix::io::dup(io::stdin())?;
    forward_until_closed(spec, seed, ends, control).context("forwarding packets")
}
