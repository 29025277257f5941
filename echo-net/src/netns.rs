//! Network namespaces: [`leave_the_network`], and [`Namespace`], which a thread can enter.
//!
//! Whoever may not make them makes a user namespace first, in which everybody may. There he keeps
//! his own user and group, and so his files.

#![expect(
    unsafe_code,
    reason = "rustix takes unshare for unsafe, since it can split descriptors"
)]

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::process::{getegid, geteuid};
use rustix::thread::{
    CapabilitySet, LinkNameSpaceType, UnshareFlags, capabilities, move_into_link_name_space,
    unshare_unsafe,
};

/// A network namespace. It lives as long as this, a process, or a socket in it.
#[derive(Debug)]
pub struct Namespace(File);

/// Why there is no network namespace.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {reason}{}", remedy(.reason))]
pub struct NamespaceError {
    what: &'static str,
    reason: io::Error,
}

impl NamespaceError {
    /// That something failed while a network of namespaces was set up.
    pub fn new(what: &'static str, reason: io::Error) -> Self {
        Self { what, reason }
    }
}

/// Moves this process, which must have one thread, to a user namespace in which it may make
/// network namespaces, unless it may already.
///
/// # Errors
/// When that is not allowed here.
pub fn leave_the_network() -> Result<(), NamespaceError> {
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
    let may = capabilities(None).is_ok_and(|own| own.effective.contains(needed));
    if may && unshare(UnshareFlags::NEWNET).is_ok() {
        return Ok(());
    }
    // Read before: afterwards they are nobody's.
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    unshare(UnshareFlags::NEWUSER)
        .map_err(|reason| NamespaceError::new("making a user namespace", reason))?;
    let map = || {
        // A group can be mapped by those only who can't leave groups that shut them out.
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
    };
    map().map_err(|reason| {
        NamespaceError::new("keeping the user in a user namespace", reason)
    })?;
    unshare(UnshareFlags::NEWNET)
        .map_err(|reason| NamespaceError::new("making a network namespace", reason))
}

fn unshare(what: UnshareFlags) -> io::Result<()> {
    // SAFETY: descriptors stay shared; namespaces are no matter of memory.
    Ok(unsafe { unshare_unsafe(what) }?)
}

impl Namespace {
    /// Makes one, and enters it with this thread.
    ///
    /// # Errors
    /// When this thread may not.
    pub fn create() -> io::Result<Self> {
        unshare(UnshareFlags::NEWNET)?;
        Self::current()
    }

    /// That of this thread.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn current() -> io::Result<Self> {
        File::open("/proc/thread-self/ns/net").map(Self)
    }

    /// Enters it with this thread; processes and threads that this thread starts are in it, too.
    ///
    /// # Errors
    /// When this thread may not.
    pub fn enter(&self) -> io::Result<()> {
        Ok(move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))?)
    }

    /// Does something in it, and comes back.
    ///
    /// # Errors
    /// When this thread may not enter it, or not come back.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        let before = Self::current()?;
        self.enter()?;
        let done = work();
        before.enter()?;
        Ok(done)
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What to do about a refusal, by what the system says of itself.
fn remedy(reason: &io::Error) -> &'static str {
    remedy_by(reason, |file| {
        let text = fs::read_to_string(format!("/proc/sys/{file}")).ok()?;
        text.trim().parse().ok()
    })
}

/// The same by what `setting` says of a file below `/proc/sys`.
fn remedy_by(reason: &io::Error, setting: impl Fn(&str) -> Option<i64>) -> &'static str {
    use rustix::io::Errno;
    let lacking = [Errno::OPNOTSUPP, Errno::AFNOSUPPORT];
    if Errno::from_io_error(reason).is_some_and(|error| lacking.contains(&error)) {
        return " (the kernel lacks veth devices, packet sockets or IPv6: modprobe veth af_packet)";
    }
    let refusals = [Errno::PERM, Errno::ACCESS, Errno::NOSPC, Errno::USERS, Errno::NOSYS];
    let refused = Errno::from_io_error(reason).is_some_and(|error| refusals.contains(&error));
    if !refused {
        return "";
    }
    if setting("user/max_user_namespaces") == Some(0) {
        " (user namespaces are off: sysctl -w user.max_user_namespaces=10000, or run as root)"
    } else if setting("kernel/unprivileged_userns_clone") == Some(0) {
        " (user namespaces are off for ordinary users: sysctl -w \
         kernel.unprivileged_userns_clone=1, or run as root)"
    } else if setting("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        " (AppArmor forbids user namespaces: sysctl -w \
         kernel.apparmor_restrict_unprivileged_userns=0, or run as root)"
    } else if setting("user/max_net_namespaces") == Some(0) {
        " (network namespaces are off: sysctl -w user.max_net_namespaces=10000)"
    } else {
        " (a container or a security module forbids it: run as root outside, or allow unshare(2) \
         and setns(2) in the container's seccomp profile)"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_setting_that_it_comes_of() {
        let refused = io::Error::from_raw_os_error(libc::EPERM);
        for (file, value, named) in [
            ("user/max_user_namespaces", 0, "-w user.max_user_namespaces=10000"),
            ("kernel/unprivileged_userns_clone", 0, "-w kernel.unprivileged_userns_clone=1"),
            (
                "kernel/apparmor_restrict_unprivileged_userns",
                1,
                "-w kernel.apparmor_restrict_unprivileged_userns=0",
            ),
            ("user/max_net_namespaces", 0, "-w user.max_net_namespaces=10000"),
            ("none", 0, "seccomp"),
        ] {
            let said = remedy_by(&refused, |asked| (asked == file).then_some(value));
            assert!(said.contains(named), "{file}: {said}");
        }
        let lacking = io::Error::from_raw_os_error(libc::EOPNOTSUPP);
        assert!(remedy_by(&lacking, |_| None).contains("modprobe veth"));
        let other = io::Error::from_raw_os_error(libc::EINVAL);
        assert_eq!(remedy_by(&other, |_| Some(0)), "");
    }
}
