//! Gives up what a running server does not need ([`enter`]): files, TCP ports, signals to other
//! processes, and new privileges. Whoever takes over the process has no more than its open
//! sockets. As much of it as the kernel supports (Landlock, landlock(7)).
//!
//! It restricts the calling thread and those that this one starts.

use std::env;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use tracing::debug;

/// The newest rules that are asked for. Newer kernels may add more, which would be denied
/// without a test of ours.
const NEWEST: ABI = ABI::V6;

/// What is read of the kernel while serving: limits, statistics, CPUs.
const KERNEL_FACTS: [&str; 3] = ["/proc", "/sys/fs/cgroup", "/sys/devices/system"];

/// Where resolvers keep their settings, sockets and libraries. Folders, since files are replaced.
const RESOLVER: [&str; 7] =
    ["/etc", "/run", "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/nix/store"];

/// DNS over TCP, for long answers.
const DNS: u16 = 53;

/// What a running program still needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Needs {
    /// TCP ports that it connects to.
    pub connects_to: Vec<u16>,
    /// Whether it resolves names.
    pub resolves: bool,
    /// The folder of its unix-domain socket, whose file it removes at the end.
    pub removes_in: Option<PathBuf>,
    /// Whether it ends processes that it has started before. Otherwise the kernel does not even
    /// kill those that are to end with this one.
    pub ends_processes: bool,
}

/// Gives up all but `needs`, where the kernel can enforce that. What it did is logged at the
/// level `debug`: there is no remedy, and without it the program works the same.
pub(crate) fn enter(needs: &Needs) {
    match restrict(needs) {
        Ok(RestrictionStatus { ruleset: RulesetStatus::NotEnforced, no_new_privs, .. }) => {
            debug!(
                no_new_privs,
                "sandbox: this kernel has no Landlock, files are not restricted"
            );
        }
        Ok(RestrictionStatus { ruleset: RulesetStatus::PartiallyEnforced, .. }) => {
            debug!("sandbox: partly enforced, this kernel's Landlock is an older version");
        }
        Ok(_) => debug!("sandbox: enforced"),
        Err(error) => debug!(%error, "sandbox: not enforced"),
    }
}

fn restrict(needs: &Needs) -> Result<RestrictionStatus, RulesetError> {
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut folders: Vec<PathBuf> = KERNEL_FACTS.map(PathBuf::from).to_vec();
    // For the line numbers of a panic's backtrace.
    folders.extend(env::current_exe());
    let mut ports = needs.connects_to.clone();
    if needs.resolves {
        folders.extend(RESOLVER.map(PathBuf::from));
        ports.push(DNS);
    }
    let ports = ports.into_iter().map(|port| Ok(NetPort::new(port, AccessNet::ConnectTcp)));
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?;
    let rules = if needs.ends_processes { rules } else { rules.scope(Scope::Signal)? };
    rules
        .create()?
        .add_rules(path_beneath_rules(folders, read))?
        .add_rules(path_beneath_rules(&needs.removes_in, AccessFs::RemoveFile))?
        .add_rules::<_, _, _, RulesetError>(ports)?
        .restrict_self()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    /// What a thread can still do after it has entered: read a file of the kernel's, one of the
    /// resolver's and another one, bind, and connect to a port.
    fn allowed_after(needs: &Needs, port: u16) -> Option<[bool; 5]> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let status = restrict(needs).unwrap();
                if status.ruleset != RulesetStatus::FullyEnforced {
                    println!("skipped: Landlock is not fully supported: {status:?}");
                    return None;
                }
                assert!(status.no_new_privs);
                let reads = |file: &str| allowed(fs::read(file));
                Some([
                    reads("/proc/self/stat"),
                    reads("/etc/passwd"),
                    reads(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")),
                    allowed(TcpListener::bind("127.0.0.1:0")),
                    allowed(TcpStream::connect(("127.0.0.1", port))),
                ])
            });
            thread.join().unwrap()
        })
    }

    fn allowed<T>(done: std::io::Result<T>) -> bool {
        match done {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::PermissionDenied);
                false
            }
        }
    }

    #[test]
    fn nothing_but_what_is_needed_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connects = Needs { connects_to: vec![port], ..Needs::default() };
        let resolves =
            Needs { connects_to: vec![port ^ 1], resolves: true, ..Needs::default() };
        for (needs, expected) in [
            (Needs::default(), [true, false, false, false, false]),
            (connects, [true, false, false, false, true]),
            (resolves, [true, true, false, false, false]),
        ] {
            let Some(allowed) = allowed_after(&needs, port) else { return };
            assert_eq!(allowed, expected, "{needs:?}");
        }
    }

    #[test]
    fn files_can_be_removed_in_the_folder_of_the_socket_only() {
        let [own, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let files = [&own, &other].map(|folder| folder.path().join("echo.sock"));
        for file in &files {
            fs::write(file, "").unwrap();
        }
        let needs = Needs { removes_in: Some(own.path().to_owned()), ..Needs::default() };
        let removed = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let status = restrict(&needs).unwrap();
                let is_full = status.ruleset == RulesetStatus::FullyEnforced;
                is_full.then(|| files.each_ref().map(|file| allowed(fs::remove_file(file))))
            });
            thread.join().unwrap()
        });
        match removed {
            Some(removed) => assert_eq!(removed, [true, false]),
            None => println!("skipped: Landlock is not fully supported"),
        }
    }
}
