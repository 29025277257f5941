//! Host names under test control: [`NamedHosts`], a hosts file that replaces the system's for a
//! program.

use std::io::Write;
use std::process::Command;

use echo_test_support::program::{own_program, tell_skipped};
use tempfile::NamedTempFile;

/// A hosts file, which may change while programs run.
pub(crate) struct NamedHosts {
    file: NamedTempFile,
}

impl NamedHosts {
    /// A hosts file with `lines`; `None`, with a note, if this user can't create a mount
    /// namespace (`mount_namespaces(7)`).
    pub(crate) fn new_or_skip(test: &str, lines: &str) -> Option<Self> {
        let mut hosts = Self { file: NamedTempFile::new().expect("room for a file") };
        hosts.set(lines);
        let works = hosts.command("true").status().is_ok_and(|status| status.success());
        if !works {
            tell_skipped(test, "unshare --mount is not permitted");
        }
        works.then_some(hosts)
    }

    /// Replaces the lines for running programs.
    pub(crate) fn set(&mut self, lines: &str) {
        let file = self.file.as_file_mut();
        file.set_len(0).expect("it is ours");
        std::io::Seek::rewind(file).expect("it is a file");
        file.write_all(lines.as_bytes()).expect("room for a file");
    }

    /// A command that runs one of our programs with these names.
    pub(crate) fn own_program(&self, name: &str) -> Command {
        self.command(&own_program(name).display().to_string())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("unshare");
        let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
        command.args(["--mount", "sh", "-c", script]).arg(self.file.path()).arg(program);
        command
    }
}
