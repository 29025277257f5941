//! A PostgreSQL for one scenario: [`PostgresServer`], in a folder of its own, with a user for each
//! way to log in.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{run, tell_skipped};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::third_party_server::{ThirdPartyServer, free_address};

/// The password of all users.
pub(crate) const PASSWORD: &str = "hidden-password";

/// Who may log in, and how.
const RULES: &str = "\
local all postgres trust
host all by_trust 127.0.0.1/32 trust
host all by_scram 127.0.0.1/32 scram-sha-256
host all by_md5 127.0.0.1/32 md5
host all by_password 127.0.0.1/32 password
";

/// Its users, each made with the kind of password that it is to have.
const USERS: &str = "\
SET password_encryption = 'scram-sha-256';
CREATE ROLE by_trust LOGIN;
CREATE ROLE by_scram LOGIN PASSWORD 'hidden-password';
CREATE ROLE by_password LOGIN PASSWORD 'hidden-password';
SET password_encryption = 'md5';
CREATE ROLE by_md5 LOGIN PASSWORD 'hidden-password';
";

/// Whom nothing belongs to: PostgreSQL refuses to be root.
const NOBODY: u32 = 65_534;

/// A server process and its data; both are gone when it is dropped.
#[derive(Debug)]
pub(crate) struct PostgresServer {
    server: ThirdPartyServer,
    folder: TempDir,
}

/// Where Debian keeps the programs of the server, of the newest version.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    folders.filter(|folder| folder.join("initdb").is_file()).max()
}

/// The first version that speaks TLS from the first byte.
const FIRST_SECURE: u32 = 17;

/// The version whose programs these are.
fn version(programs: &Path) -> Option<u32> {
    programs.parent()?.file_name()?.to_str()?.parse().ok()
}

/// A command that is not run by root.
fn unprivileged(program: &Path, folder: &TempDir) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder.path());
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.env_clear().env("LC_ALL", "C.UTF-8");
    command
}

/// What the server itself does at its end: else shared memory of the kernel would be left.
impl Drop for PostgresServer {
    fn drop(&mut self) {
        let file = self.folder.path().join("data/postmaster.pid");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let pid = text.lines().next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        if pid.is_some_and(|pid| kill_process(pid, Signal::QUIT).is_ok()) {
            let begin = Instant::now();
            while file.exists() && begin.elapsed() < PATIENCE {
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

impl PostgresServer {
    /// A new one; none, which is told, where PostgreSQL is not installed.
    pub(crate) fn start(test: &str) -> Option<Self> {
        Self::start_with(test, None)
    }

    /// The same with the files of a certificate and its key; none, which is told, where the
    /// PostgreSQL is too old to speak TLS from the first byte.
    pub(crate) fn start_secure(test: &str, files: [&str; 2]) -> Option<Self> {
        Self::start_with(test, Some(files))
    }

    fn start_with(test: &str, files: Option<[&str; 2]>) -> Option<Self> {
        let Some(programs) = programs() else {
            tell_skipped(test, "initdb of PostgreSQL not found");
            return None;
        };
        if files.is_some() && version(&programs) < Some(FIRST_SECURE) {
            tell_skipped(test, format_args!("no PostgreSQL {FIRST_SECURE} or newer"));
            return None;
        }
        let folder = tempfile::tempdir().expect("there is room");
        let data = folder.path().join("data");
        if rustix::process::geteuid().is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("we are root");
        }
        let succeeds = |command: &mut Command, input: &str| {
            let output = run(command, input.as_bytes(), PATIENCE);
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command:?}: {told}");
        };
        let mut initdb = unprivileged(&programs.join("initdb"), &folder);
        initdb.args(["-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "-D"]);
        succeeds(initdb.arg(&data), "");
        // Without a server: nobody else can log in meanwhile.
        let mut single = unprivileged(&programs.join("postgres"), &folder);
        single.args(["--single", "-j", "-D"]).arg(&data).arg("postgres");
        let users = USERS.replace('\n', "\n\n");
        succeeds(&mut single, &users);
        fs::write(data.join("pg_hba.conf"), RULES).expect("we are its owner or root");

        let address = free_address();
        let mut command = unprivileged(&programs.join("postgres"), &folder);
        command.arg("-D").arg(&data).arg("-k").arg(folder.path());
        command.args(["-h", "127.0.0.1", "-F", "-p", &address.port().to_string()]);
        command.args(["-c", "max_connections=60"]);
        for (file, setting) in files.iter().flatten().zip(["ssl_cert_file", "ssl_key_file"]) {
            let copy = folder.path().join(setting);
            fs::copy(file, &copy).expect("there is room");
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).expect("it is ours");
            if rustix::process::geteuid().is_root() {
                chown(&copy, Some(NOBODY), Some(NOBODY)).expect("we are root");
            }
            command
                .arg("-c")
                .arg(format!("{setting}={}", copy.display()))
                .args(["-c", "ssl=on"]);
        }
        let server = ThirdPartyServer::start(&mut command, address);
        Some(Self { server, folder })
    }

    /// A folder to write to, which is its own.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its URL for a user.
    pub(crate) fn url(&self, user: &str) -> String {
        format!("postgres://{user}@{}/postgres", self.server.address())
    }

    /// A new file that holds the password of all users.
    pub(crate) fn pass_file(&self) -> String {
        let file = self.folder().join("pgpass");
        fs::write(&file, format!("127.0.0.1:*:postgres:*:{PASSWORD}\n"))
            .expect("there is room");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
        file.display().to_string()
    }
}
