//! The server of a run, looked up: [`Peer`].

use std::io;
use std::net::{IpAddr, SocketAddr};

use echo_net::address::{Address, AddressError, SocketAddress};
use echo_net::tls::{ClientTls, Fault, Fingerprint, TrustError};
use echo_proto::{Malformed, OpeningFault, ProtocolKind, Refused};

use crate::handshakes::PeerTls;
use crate::plan::{ClientCertificate, Plan, Target};
use crate::server_process;

/// See the documentation of the module.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// Its addresses; connections take them in turn.
    pub addresses: Vec<SocketAddress>,
    /// Its process, where its cost can be read.
    pub pid: Option<u32>,
    /// The parent of all its processes, where it was started for the run with one that is none
    /// of them. Their cost is then that of the server.
    pub supervisor: Option<u32>,
    /// How to speak TLS with it, if that is spoken.
    pub tls: Option<PeerTls>,
    /// What the user should know before the run.
    pub warnings: Vec<String>,
}

/// Why the server of a plan can't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The name is not known.
    #[error("looking up {host}: {reason}")]
    Lookup {
        /// The name.
        host: String,
        /// Why.
        reason: io::Error,
    },
    /// No address of the name can be reached from the plan's sources.
    #[error("--source-ip is {0} address, and the target has none of that family")]
    Family(&'static str),
    /// The process is not there.
    #[error("--server-pid {0}: there is no such process")]
    NoProcess(u32),
    /// The plan wants a server that somebody else has to start.
    #[error("the plan names no address: its server is to be started for the run, and was not")]
    NotStarted,
    /// The files of the trust are no good.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// No certificate can have the server's name.
    #[error(transparent)]
    Name(#[from] Fault),
}

impl Peer {
    /// The server at the address of a plan. Nothing is connected to.
    ///
    /// # Errors
    /// When its name is not known, or the plan has none.
    pub fn find(plan: &Plan) -> Result<Self, PeerError> {
        let Target::Address { address, server_pid } = &plan.target else {
            return Err(PeerError::NotStarted);
        };
        let typed: Address = address.parse()?;
        let found = typed
            .resolve()
            .map_err(|reason| PeerError::Lookup { host: typed.host().to_owned(), reason })?;
        let addresses = of_families(found, &plan.socket.sources)?;
        if let Some(pid) = server_pid.filter(|pid| !server_process::exists(*pid)) {
            return Err(PeerError::NoProcess(pid));
        }
        let pid = server_pid.or_else(|| only_owner(&addresses));
        Self { addresses, pid, ..Self::default() }.with_tls(plan, typed.host(), None)
    }

    /// A server of ours, with the fingerprint of its certificate if it has one.
    ///
    /// # Errors
    /// When the plan's trust is no good.
    pub fn embedded(
        plan: &Plan,
        address: SocketAddress,
        pid: u32,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Self, PeerError> {
        let peer = Self { addresses: vec![address], pid: Some(pid), ..Self::default() };
        peer.with_tls(plan, "localhost", fingerprint)
    }

    /// A server that was started by a command, with the parent of all its processes.
    ///
    /// # Errors
    /// When the plan's trust is no good.
    pub fn started(
        plan: &Plan,
        address: SocketAddr,
        pid: Option<u32>,
        supervisor: u32,
    ) -> Result<Self, PeerError> {
        let (addresses, supervisor) = (vec![address.into()], Some(supervisor));
        let peer = Self { addresses, pid, supervisor, ..Self::default() };
        peer.with_tls(plan, &address.ip().to_string(), None)
    }

    fn with_tls(
        mut self,
        plan: &Plan,
        host: &str,
        embedded: Option<Fingerprint>,
    ) -> Result<Self, PeerError> {
        if let Some(tls) = &plan.tls {
            let trust = tls.trust.of_servers(embedded);
            let own = tls.client_certificate.as_ref().map(ClientCertificate::load).transpose();
            let own = own.map_err(TrustError::from)?;
            let mut client = ClientTls::with_identity(&trust, tls.resume, own.as_ref())?;
            if let Some(name) = plan.protocol().alpn() {
                client = client.with_alpn(name);
            }
            self.warnings.extend(client.warnings().iter().cloned());
            self.warnings.extend(trust.warning().map(str::to_owned));
            let name = tls.server_name.as_deref().unwrap_or(host);
            self.tls = Some(PeerTls::new(client, name)?);
        }
        Ok(self)
    }
}

/// What to do about a connection that could not be made.
pub(super) fn remedy(reason: &io::Error, protocol: ProtocolKind) -> &'static str {
    let fault = reason.get_ref().and_then(|reason| reason.downcast_ref());
    if let Some(remedy) = reason.get_ref().and_then(remedy_of_opening) {
        return remedy;
    }
    match (reason.kind(), fault) {
        (io::ErrorKind::ConnectionRefused, _) => {
            " (is a server running there? leave --target out to start one)"
        }
        (io::ErrorKind::NotFound, _) => {
            " (no socket has that name; is a server running? leave --target out to start one)"
        }
        (io::ErrorKind::PermissionDenied, _) => {
            " (this user may not write to the socket's file, or not enter its folder)"
        }
        (io::ErrorKind::AddrNotAvailable, _) => {
            " (is --source-ip an address of this machine, and is a local port free? see \
             net.ipv4.ip_local_port_range)"
        }
        (_, Some(Fault::NotTls | Fault::Unfinished)) if protocol == ProtocolKind::Postgres => {
            " (PostgreSQL speaks TLS from the first byte since version 17, where `ssl` is on; if \
             this one does not, leave --tls out)"
        }
        (_, Some(Fault::NotTls | Fault::Unfinished)) => {
            " (does the server speak TLS? if not, leave --tls out)"
        }
        (_, Some(Fault::WrongName { .. })) => " (expect another name with --server-name)",
        _ => "",
    }
}

/// What to do about a user that PostgreSQL does not let in.
const WRONG_PASSWORD: &str = " (set PGPASSWORD, or PGPASSFILE to a file that only you can read; \
    PGUSER names the user)";

/// The same, where there is none.
const NO_PASSWORD: &str = " (set PGPASSWORD, or PGPASSFILE to a file that only you can read; reports \
    hold no password, also for a rerun)";

/// The same, whatever the password.
const NO_ACCESS: &str = " (PGUSER names the user; pg_hba.conf of the server must let it in, perhaps \
    only with TLS: --tls)";

/// What to do about a connection on which nobody was let in.
fn remedy_of_opening(
    reason: &(dyn std::error::Error + Send + Sync + 'static),
) -> Option<&'static str> {
    let no_password = Malformed::Opening(OpeningFault::NoPassword);
    let lacking = reason.downcast_ref() == Some(&no_password);
    let refused = reason.downcast_ref::<Refused>();
    match refused.and_then(Refused::is_about_password) {
        Some(ProtocolKind::Resp) => {
            return Some(
                " (REDISCLI_AUTH is the password, a URL redis://USER@HOST names the user)",
            );
        }
        Some(_) => return Some(WRONG_PASSWORD),
        None if lacking => return Some(NO_PASSWORD),
        None => {}
    }
    match refused {
        Some(refused) if refused.is_about_access() => Some(NO_ACCESS),
        Some(refused) if refused.is_about_database() => Some(" (PGDATABASE names another)"),
        _ => None,
    }
}

/// The addresses of a name, each once, that can be connected to from `sources`.
fn of_families(
    found: Vec<SocketAddress>,
    sources: &[IpAddr],
) -> Result<Vec<SocketAddress>, PeerError> {
    let fits = |address: &SocketAddress| {
        let same = |source: &IpAddr| {
            address.as_tcp().is_some_and(|address| source.is_ipv4() == address.is_ipv4())
        };
        sources.is_empty() || sources.iter().any(same)
    };
    let mut addresses: Vec<SocketAddress> = Vec::new();
    for address in found {
        if fits(&address) && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        let ipv4 = sources.iter().any(IpAddr::is_ipv4);
        return Err(PeerError::Family(if ipv4 { "an IPv4" } else { "an IPv6" }));
    }
    Ok(addresses)
}

/// The process that listens on those of the addresses that are on this machine, if it is one.
fn only_owner(addresses: &[SocketAddress]) -> Option<u32> {
    let local = addresses.iter().filter(|address| address.is_loopback());
    let mut owners = local.filter_map(|address| server_process::listener_owner(*address));
    let first = owners.next()?;
    owners.all(|owner| owner == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_families_of_the_sources() {
        let parse = |all: &[&str]| -> Vec<SocketAddress> {
            all.iter().map(|text| text.parse().unwrap()).collect()
        };
        let found = || parse(&["[::1]:1", "127.0.0.1:1", "[::1]:1", "127.0.0.2:1"]);
        let of = |sources: &[&str]| {
            let sources: Vec<_> = sources.iter().map(|text| text.parse().unwrap()).collect();
            of_families(found(), &sources)
        };
        assert_eq!(of(&[]).unwrap(), parse(&["[::1]:1", "127.0.0.1:1", "127.0.0.2:1"]));
        assert_eq!(of(&["127.0.0.3"]).unwrap(), parse(&["127.0.0.1:1", "127.0.0.2:1"]));
        assert_eq!(of(&["::1", "127.0.0.3"]).unwrap().len(), 3);
        let refused = of_families(parse(&["[::1]:1"]), &["127.0.0.3".parse().unwrap()]);
        let told = refused.unwrap_err().to_string();
        assert!(told.contains("--source-ip is an IPv4 address"), "{told}");
    }
}
