//! Two hosts in network namespaces of their own, and an Ethernet link between them:
//! [`TwoHosts`]. It needs root and ip(8).

use std::fs::File;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::program::tell_skipped;

/// See the [module](self). Namespaces and link are gone when it is dropped, or when the test
/// dies.
#[derive(Debug)]
pub struct TwoHosts {
    /// 10.77.0.1, device `cable`.
    pub server: Host,
    /// 10.77.0.2, device `cable`.
    pub client: Host,
}

/// A host of its own.
#[derive(Debug)]
pub struct Host {
    namespace: File,
    /// The process that keeps the namespace until its stdin ends.
    holder: Child,
    stdin: Option<ChildStdin>,
}

impl TwoHosts {
    /// Two hosts that reach each other; `None`, reported as skipped, if that is not possible
    /// here.
    pub fn new_or_skip(test: &str) -> Option<Self> {
        let hosts =
            Host::new().zip(Host::new()).map(|(server, client)| Self { server, client });
        let hosts = hosts.filter(Self::connect);
        if hosts.is_none() {
            tell_skipped(test, "no network namespaces can be made (root, unshare, ip)");
        }
        hosts
    }

    /// The server's address.
    pub fn server_ip(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, 1)
    }

    fn connect(&self) -> bool {
        let peer = self.client.pid();
        self.server.run(&format!("ip link add cable type veth peer name cable netns {peer}"))
            && self.server.run("ip addr add 10.77.0.1/24 dev cable && ip link set cable up")
            && self.client.run("ip addr add 10.77.0.2/24 dev cable && ip link set cable up")
    }
}

impl Host {
    pub(crate) fn new() -> Option<Self> {
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", "ip link set lo up && echo && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let stdin = holder.stdin.take();
        let mut ready = [0];
        let is_ready = holder.stdout.as_mut()?.read_exact(&mut ready).is_ok();
        let namespace = File::open(format!("/proc/{}/ns/net", holder.id()));
        match namespace {
            Ok(namespace) if is_ready => Some(Self { namespace, holder, stdin }),
            _ => {
                let _ = holder.kill();
                let _ = holder.wait();
                None
            }
        }
    }

    /// The process that keeps its namespace.
    pub(crate) fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// Runs a shell command on this host; whether it succeeds.
    pub fn run(&self, script: &str) -> bool {
        let output = self.inside(|| Command::new("sh").args(["-c", script]).output());
        match output {
            Ok(output) if output.status.success() => true,
            other => {
                eprintln!("{script}: {other:?}");
                false
            }
        }
    }

    /// Does something on this host: sockets and processes that it makes belong to it, and
    /// remain there.
    pub fn inside<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        let namespace = self.namespace.as_fd();
        thread::scope(|scope| {
            let there = scope.spawn(move || {
                move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))
                    .expect("root may enter a namespace");
                action()
            });
            there.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.holder.wait();
    }
}
