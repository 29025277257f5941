//! Listen addresses of a server: [`Binding`].

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;

use echo_net::activation::{self, ActivationError};
use echo_net::address::Address;
use echo_net::settings::ByteSize;
use echo_net::socket::{Changed, EffectiveOptions, SocketOptions, is_address_missing, listen};
use tracing::{info, warn};

/// Attempts to find a port that is free on every address.
const PORTS_TRIED: usize = 16;

/// An address and its listen options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding {
    /// The address; port 0 selects a free one.
    pub address: Address,
    /// Length of the accept queue.
    pub backlog: u32,
    /// Whether several listeners may share the port.
    pub reuse_port: bool,
}

/// Listeners: a group per accepting worker, each with one listener per address.
pub(crate) type Groups = Vec<Vec<TcpListener>>;

/// Listeners, and who has bound them.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The listeners.
    pub groups: Groups,
    /// Whether they were passed to this process: connections may have been established before
    /// they got their options.
    pub were_passed: bool,
}

/// Why listening failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// The host can't be resolved.
    #[error("looking up {address}: {reason}")]
    Lookup {
        /// As typed.
        address: Address,
        /// The resolver's error.
        reason: io::Error,
    },
    /// Binding one of the host's addresses failed.
    #[error("binding {address}: {reason}{}", remedy(reason))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The kernel's error.
        reason: io::Error,
    },
    /// The socket that a service manager has passed is unusable.
    #[error(transparent)]
    Passed(#[from] ActivationError),
    /// A socket of its own for each worker, but one that was passed.
    #[error(
        "--reuse-port needs a socket per worker, and LISTEN_FDS passes one (leave out --reuse-port \
         and --accept reuseport)"
    )]
    PassedForAll,
}

fn remedy(reason: &io::Error) -> &'static str {
    match reason.kind() {
        io::ErrorKind::AddrInUse => {
            " (is another server running? stop it, or use port 0 for a free port)"
        }
        io::ErrorKind::AddrNotAvailable => " (no interface of this machine has that address)",
        io::ErrorKind::PermissionDenied => " (ports below 1024 need privileges)",
        _ => "",
    }
}

impl Binding {
    /// The listener that a service manager has passed (socket activation), else those of
    /// [`listen`](Self::listen).
    pub(crate) fn open(
        &self,
        count: usize,
        options: &SocketOptions,
    ) -> Result<Opened, BindError> {
        match activation::listener(options)? {
            None => {
                let groups = self.listen(count, options)?;
                Ok(Opened { groups, were_passed: false })
            }
            Some(_) if self.reuse_port => Err(BindError::PassedForAll),
            Some(listener) => {
                info!(
                    "listening on the socket that LISTEN_FDS passes, not on {}",
                    self.address
                );
                Ok(Opened { groups: vec![vec![listener]], were_passed: true })
            }
        }
    }

    /// Listens on every address of the host, for `count` accepting workers; for more than one
    /// only where the port may be shared. Addresses that this machine does not have are skipped
    /// with a warning, unless none is left.
    ///
    /// "All interfaces" is one dual-stack listener, or IPv4 only if IPv6 is unavailable.
    pub(crate) fn listen(
        &self,
        count: usize,
        options: &SocketOptions,
    ) -> Result<Groups, BindError> {
        let lookup = |reason| BindError::Lookup { address: self.address.clone(), reason };
        let addresses = self.address.resolve().map_err(lookup)?;
        let groups = match self.listen_on(&addresses, count, options) {
            Err(BindError::Bind { reason, .. })
                if self.address.is_all_interfaces() && is_address_missing(&reason) =>
            {
                let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.address.port()));
                self.listen_on(&[any], count, options)
            }
            listening => listening,
        }?;
        self.warn_if_changed(&groups[0][0], options);
        Ok(groups)
    }

    /// The same for resolved addresses, at least one.
    fn listen_on(
        &self,
        addresses: &[SocketAddr],
        count: usize,
        options: &SocketOptions,
    ) -> Result<Groups, BindError> {
        let mut tried = 1;
        loop {
            match self.try_to_listen_on(addresses, count, options) {
                // The port was free on one address but not on another: try a different one.
                Err(BindError::Bind { reason, .. })
                    if reason.kind() == io::ErrorKind::AddrInUse
                        && self.address.port() == 0
                        && tried < PORTS_TRIED =>
                {
                    tried += 1;
                }
                listening => return listening,
            }
        }
    }

    fn try_to_listen_on(
        &self,
        addresses: &[SocketAddr],
        count: usize,
        options: &SocketOptions,
    ) -> Result<Groups, BindError> {
        let count = if self.reuse_port { count.max(1) } else { 1 };
        let mut groups: Groups = (0..count).map(|_| Vec::new()).collect();
        let (mut port, mut left_out) = (self.address.port(), Vec::new());
        for &(mut address) in addresses {
            for group in &mut groups {
                // Port 0 was replaced by an actual port, which the others must use too.
                address.set_port(port);
                let listener = listen(address, self.backlog, self.reuse_port, options);
                match listener.and_then(|listener| Ok((listener.local_addr()?, listener))) {
                    Ok((bound, listener)) => {
                        port = bound.port();
                        group.push(listener);
                    }
                    Err(reason) if is_address_missing(&reason) => {
                        left_out.push((address, reason));
                        break;
                    }
                    Err(reason) => return Err(BindError::Bind { address, reason }),
                }
            }
        }
        if groups[0].is_empty()
            && let Some((address, reason)) = left_out.pop()
        {
            return Err(BindError::Bind { address, reason });
        }
        for (address, reason) in left_out {
            warn!(%address, %reason, "skipping an address of {}", self.address);
        }
        Ok(groups)
    }

    /// Warns about settings that the kernel has lowered, or set otherwise, silently.
    fn warn_if_changed(&self, listener: &TcpListener, options: &SocketOptions) {
        let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
        if let Some(limit) = limit.ok().and_then(|limit| limit.trim().parse::<u32>().ok())
            && limit < self.backlog
        {
            warn!(
                asked = self.backlog,
                "--backlog is lowered to {limit} by sysctl net.core.somaxconn"
            );
        }
        // Linux doubles the requested size (socket(7)) and reports the doubled one.
        let Ok(effective) = EffectiveOptions::read(listener.as_fd()) else { return };
        let (send, receive) = (effective.send_buffer, effective.recv_buffer);
        for (flag, sysctl, asked, actual) in [
            ("send-buffer", "wmem_max", options.send_buffer, send / 2),
            ("recv-buffer", "rmem_max", options.recv_buffer, receive / 2),
        ] {
            if let Some(asked) = asked.filter(|asked| *asked > actual) {
                let (asked, actual) = (ByteSize(asked), ByteSize(actual));
                warn!(
                    %asked,
                    "--{flag} is lowered to {actual} by sysctl net.core.{sysctl}"
                );
            }
        }
        for Changed { flag, asked, actual } in effective.changed_from(options) {
            // A listener does not have these, and buffers were looked at above.
            if !matches!(flag, "nodelay" | "quickack" | "send-buffer" | "recv-buffer") {
                warn!(asked, "--{flag} is {actual}: the kernel did not take it as asked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(address: &str, reuse_port: bool) -> Binding {
        Binding { address: address.parse().unwrap(), backlog: 16, reuse_port }
    }

    fn addresses(groups: &Groups) -> Vec<Vec<SocketAddr>> {
        let address = |listener: &TcpListener| listener.local_addr().unwrap();
        groups.iter().map(|group| group.iter().map(address).collect()).collect()
    }

    #[test]
    fn listeners_that_share_a_port_have_the_same_one() {
        let groups = binding("127.0.0.1:0", true).listen(3, &SocketOptions::default()).unwrap();
        let addresses = addresses(&groups);
        assert_eq!(addresses.len(), 3);
        assert!(addresses.iter().all(|group| group.len() == 1 && *group == addresses[0]));
    }

    #[test]
    fn every_worker_listens_on_every_address_at_one_port_and_a_missing_address_is_left_out() {
        let asked = ["127.0.0.1:0", "203.0.113.9:0", "127.0.0.2:0"].map(|a| a.parse().unwrap());
        for (shared, workers) in [(true, 2), (false, 1)] {
            let binding = binding("two:0", shared);
            let groups = binding.listen_on(&asked, 2, &SocketOptions::default()).unwrap();
            let bound = addresses(&groups);
            assert_eq!(bound.len(), workers);
            let port = bound[0][0].port();
            let expected =
                [SocketAddr::from(([127, 0, 0, 1], port)), ([127, 0, 0, 2], port).into()];
            assert!(bound.iter().all(|group| *group == expected), "{bound:?}");
        }
        let missing = binding("two:0", false);
        let missing = missing.listen_on(&asked[1..2], 1, &SocketOptions::default());
        let told = missing.unwrap_err().to_string();
        assert!(
            told.contains("binding 203.0.113.9:0") && told.contains("no interface"),
            "{told}"
        );
    }

    #[test]
    fn an_address_in_use_fails_although_another_is_free() {
        let options = SocketOptions::default();
        let taken = binding("127.0.0.2:0", false).listen(1, &options).unwrap();
        let taken = taken[0][0].local_addr().unwrap();
        let free = SocketAddr::from(([127, 0, 0, 1], taken.port()));
        let binding = binding(&format!("two:{}", taken.port()), false);
        let told = binding.listen_on(&[free, taken], 1, &options).unwrap_err().to_string();
        assert!(told.contains(&format!("binding {taken}")), "{told}");
    }

    #[test]
    fn a_port_in_use_names_the_address_the_cause_and_the_remedy() {
        let options = SocketOptions::default();
        let taken = binding("127.0.0.1:0", false).listen(1, &options).unwrap();
        let address = taken[0][0].local_addr().unwrap();
        let error = binding(&address.to_string(), false).listen(1, &options).unwrap_err();
        let told = error.to_string();
        for part in [&format!("binding {address}"), "in use", "port 0"] {
            assert!(told.contains(part), "{told}");
        }
    }
}
