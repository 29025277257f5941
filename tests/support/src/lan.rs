//! Hosts in network namespaces of their own at one Ethernet switch: [`Lan`]. It needs root and
//! ip(8).

use std::net::Ipv4Addr;

use crate::program::tell_skipped;
use crate::two_hosts::Host;

/// See the [module](self). Hosts and switch are gone when it is dropped, or when the test dies.
#[derive(Debug)]
pub struct Lan {
    hosts: Vec<Host>,
    switch: Host,
}

impl Lan {
    /// So many hosts that reach each other, a millisecond apart where the kernel can delay packets
    /// (which is reported if not); `None`, reported as skipped, if that is not possible here.
    pub fn new_or_skip(test: &str, count: u8) -> Option<Self> {
        let lan = Self::new(count);
        if let Some(lan) = &lan {
            let delay = "tc qdisc add dev cable root netem delay 1ms";
            if !lan.hosts.iter().all(|host| host.run(delay)) {
                tell_skipped(test, "latency between its hosts: no netem (tc, sch_netem)");
            }
        } else {
            tell_skipped(test, "no network namespaces can be made (root, unshare, ip, bridge)");
        }
        lan
    }

    fn new(count: u8) -> Option<Self> {
        let switch = Host::new()?;
        let made = "ip link add switch type bridge && ip link set switch up";
        let hosts: Vec<Host> = (0..count).map_while(|_| Host::new()).collect();
        let are_there = hosts.len() == usize::from(count) && switch.run(made);
        let lan = are_there.then_some(Self { hosts, switch })?;
        (0..count).all(|number| lan.plug_in(number)).then_some(lan)
    }

    fn plug_in(&self, number: u8) -> bool {
        let host = self.host(number);
        let (pid, address) = (host.pid(), self.ip(number));
        self.switch.run(&format!(
            "ip link add port{number} type veth peer name cable netns {pid} && \
             ip link set port{number} master switch && ip link set port{number} up"
        )) && host.run(&format!("ip addr add {address}/24 dev cable && ip link set cable up"))
    }

    /// A host, from 0.
    pub fn host(&self, number: u8) -> &Host {
        &self.hosts[usize::from(number)]
    }

    /// Its address.
    pub fn ip(&self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 78, 0, number + 1)
    }
}
