//! Listen addresses of a server: [`Binding`].

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;

use echo_net::activation::{self, ActivationError};
use echo_net::address::{Address, HostAddress, UnixAddress};
use echo_net::listener::{Listener, SocketFile, UnixBindError, listen_at};
use echo_net::settings::ByteSize;
use echo_net::socket::{
    Changed, EffectiveOptions, SocketOptions, fastopen, is_address_missing, listen,
};
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
pub(crate) type Groups = Vec<Vec<Listener>>;

/// Listeners, and who has bound them.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The listeners.
    pub groups: Groups,
    /// Whether they were passed to this process: connections may have been established before
    /// they got their options.
    pub were_passed: bool,
    /// The file of a unix-domain socket that was bound here. It is removed with this.
    pub file: Option<SocketFile>,
}

/// Why listening failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// The host can't be resolved.
    #[error("looking up {address}: {reason}")]
    Lookup {
        /// As typed.
        address: HostAddress,
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
    /// Binding a unix-domain socket failed.
    #[error(transparent)]
    Unix(#[from] UnixBindError),
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
            None => self.listen(count, options),
            Some(_) if self.reuse_port => Err(BindError::PassedForAll),
            Some(listener) => {
                info!(
                    "listening on the socket that LISTEN_FDS passes, not on {}",
                    self.address
                );
                Ok(Opened { groups: vec![vec![listener]], were_passed: true, file: None })
            }
        }
    }

    /// Listens at a unix-domain socket, or on every address of a host.
    pub(crate) fn listen(
        &self,
        count: usize,
        options: &SocketOptions,
    ) -> Result<Opened, BindError> {
        let (groups, file) = match &self.address {
            Address::Tcp(host) => (self.listen_at_host(host, count, options)?, None),
            Address::Unix(address) => self.listen_at_path(*address)?,
        };
        Ok(Opened { groups, were_passed: false, file })
    }

    /// One listener: a name can be bound once.
    fn listen_at_path(
        &self,
        address: UnixAddress,
    ) -> Result<(Groups, Option<SocketFile>), BindError> {
        let (listener, file) = listen_at(address, self.backlog)?;
        self.warn_of_backlog();
        Ok((vec![vec![listener.into()]], file))
    }

    /// Listens on every address of the host, for `count` accepting workers; for more than one
    /// only where the port may be shared. Addresses that this machine does not have are skipped
    /// with a warning, unless none is left.
    ///
    /// "All interfaces" is one dual-stack listener, or IPv4 only if IPv6 is unavailable.
    fn listen_at_host(
        &self,
        host: &HostAddress,
        count: usize,
        options: &SocketOptions,
    ) -> Result<Groups, BindError> {
        let lookup = |reason| BindError::Lookup { address: host.clone(), reason };
        let addresses = host.resolve().map_err(lookup)?;
        let port = host.port();
        let groups = match self.listen_on(&addresses, port, count, options) {
            Err(BindError::Bind { reason, .. })
                if host.is_all_interfaces() && is_address_missing(&reason) =>
            {
                let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
                self.listen_on(&[any], port, count, options)
            }
            listening => listening,
        }?;
        self.warn_of_backlog();
        warn_if_changed(&groups[0][0], options);
        Ok(groups)
    }

    /// The same for resolved addresses, at least one.
    fn listen_on(
        &self,
        addresses: &[SocketAddr],
        port: u16,
        count: usize,
        options: &SocketOptions,
    ) -> Result<Groups, BindError> {
        let mut tried = 1;
        loop {
            match self.try_to_listen_on(addresses, port, count, options) {
                // The port was free on one address but not on another: try a different one.
                Err(BindError::Bind { reason, .. })
                    if reason.kind() == io::ErrorKind::AddrInUse
                        && port == 0
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
        mut port: u16,
        count: usize,
        options: &SocketOptions,
    ) -> Result<Groups, BindError> {
        let count = if self.reuse_port { count.max(1) } else { 1 };
        let mut groups: Groups = (0..count).map(|_| Vec::new()).collect();
        let mut left_out = Vec::new();
        for &(mut address) in addresses {
            for group in &mut groups {
                // Port 0 was replaced by an actual port, which the others must use too.
                address.set_port(port);
                let listener = listen(address, self.backlog, self.reuse_port, options);
                match listener.and_then(|listener| Ok((listener.local_addr()?, listener))) {
                    Ok((bound, listener)) => {
                        port = bound.port();
                        group.push(listener.into());
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

    /// Warns about a limit of the kernel, which it applies silently.
    fn warn_of_backlog(&self) {
        let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
        if let Some(limit) = limit.ok().and_then(|limit| limit.trim().parse::<u32>().ok())
            && limit < self.backlog
        {
            warn!(
                asked = self.backlog,
                "--backlog is lowered to {limit} by sysctl net.core.somaxconn"
            );
        }
    }
}

/// Warns about settings that the kernel has lowered, or set otherwise, silently.
fn warn_if_changed(listener: &Listener, options: &SocketOptions) {
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
    if options.tcp.fastopen == Some(true)
        && fastopen::is_accepting(listener.as_fd()).is_ok_and(|accepts| !accepts)
    {
        warn!("--fastopen has no effect here (try sysctl -w net.ipv4.tcp_fastopen=3)");
    }
    for Changed { flag, asked, actual } in effective.changed_from(options) {
        // A listener does not have these, and buffers were looked at above.
        if !matches!(flag, "nodelay" | "quickack" | "send-buffer" | "recv-buffer") {
            warn!(asked, "--{flag} is {actual}: the kernel did not take it as asked");
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
        let address = |listener: &Listener| {
            listener.local_address().unwrap().as_tcp().expect("a TCP listener")
        };
        groups.iter().map(|group| group.iter().map(address).collect()).collect()
    }

    #[test]
    fn listeners_that_share_a_port_have_the_same_one() {
        let groups = binding("127.0.0.1:0", true).listen(3, &SocketOptions::default()).unwrap();
        let addresses = addresses(&groups.groups);
        assert_eq!(addresses.len(), 3);
        assert!(addresses.iter().all(|group| group.len() == 1 && *group == addresses[0]));
    }

    #[test]
    fn every_worker_listens_on_every_address_at_one_port_and_a_missing_address_is_left_out() {
        let asked = ["127.0.0.1:0", "203.0.113.9:0", "127.0.0.2:0"].map(|a| a.parse().unwrap());
        for (shared, workers) in [(true, 2), (false, 1)] {
            let binding = binding("two:0", shared);
            let groups = binding.listen_on(&asked, 0, 2, &SocketOptions::default()).unwrap();
            let bound = addresses(&groups);
            assert_eq!(bound.len(), workers);
            let port = bound[0][0].port();
            let expected =
                [SocketAddr::from(([127, 0, 0, 1], port)), ([127, 0, 0, 2], port).into()];
            assert!(bound.iter().all(|group| *group == expected), "{bound:?}");
        }
        let missing = binding("two:0", false);
        let missing = missing.listen_on(&asked[1..2], 0, 1, &SocketOptions::default());
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
        let taken = addresses(&taken.groups)[0][0];
        let free = SocketAddr::from(([127, 0, 0, 1], taken.port()));
        let binding = binding(&format!("two:{}", taken.port()), false);
        let told = binding.listen_on(&[free, taken], taken.port(), 1, &options);
        let told = told.unwrap_err().to_string();
        assert!(told.contains(&format!("binding {taken}")), "{told}");
    }

    #[test]
    fn a_port_in_use_names_the_address_the_cause_and_the_remedy() {
        let options = SocketOptions::default();
        let taken = binding("127.0.0.1:0", false).listen(1, &options).unwrap();
        let address = addresses(&taken.groups)[0][0];
        let error = binding(&address.to_string(), false).listen(1, &options).unwrap_err();
        let told = error.to_string();
        for part in [&format!("binding {address}"), "in use", "port 0"] {
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn the_file_of_a_socket_goes_with_what_was_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("echo.sock");
        let binding = binding(&format!("unix:{}", path.display()), false);
        let opened = binding.listen(4, &SocketOptions::default()).unwrap();
        assert_eq!((opened.groups.len(), opened.groups[0].len()), (1, 1));
        assert!(path.exists());
        let told = binding.listen(1, &SocketOptions::default()).unwrap_err().to_string();
        assert!(told.contains("another server accepts connections there"), "{told}");
        drop(opened);
        assert!(!path.exists());
    }
}
