//! A NATS server, agents at it, and messages that no agent should obey.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use echo_test_support::deadline::{PATIENCE, wait_for, wait_until};
use echo_test_support::program::{own_program, third_party_or_skip, wait};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A server with its own store on a free port of the loopback; killed when dropped.
pub(crate) struct NatsServer {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl NatsServer {
    /// None if it is not installed, which is told.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let command = third_party_or_skip(test, "nats-server")?;
        let folder = tempfile::tempdir().expect("room for a folder");
        let child = start(command, &folder, "-1");
        let ports = folder.path().join(format!("nats-server_{}.ports", child.id()));
        let port = wait_for("the ports of nats-server", || {
            let ports: serde_json::Value =
                serde_json::from_str(&std::fs::read_to_string(&ports).ok()?).ok()?;
            ports["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
        });
        Some(Self { child, folder, port })
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Ends it and starts it again, on the same port with the same store.
    pub(crate) fn restart(&mut self) {
        signal(&self.child, Signal::TERM);
        assert!(wait(&mut self.child, PATIENCE).is_some(), "nats-server does not end");
        self.child = start(Command::new("nats-server"), &self.folder, &self.port.to_string());
        wait_until("nats-server is back", || {
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    /// Publishes a message as anybody can.
    pub(crate) fn publish(&self, subject: &str, message: &[u8]) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let mut lines = BufReader::new(stream.try_clone().expect("a socket"));
        let mut line = String::new();
        lines.read_line(&mut line).expect("it speaks first");
        let head =
            format!("CONNECT {{\"verbose\":false}}\r\nPUB {subject} {}\r\n", message.len());
        let sent = [head.as_bytes(), message, b"\r\nPING\r\n"].concat();
        stream.write_all(&sent).expect("it listens");
        while !line.starts_with("PONG") {
            line.clear();
            assert!(lines.read_line(&mut line).expect("it answers") > 0, "it hung up");
        }
    }
}

fn start(mut command: Command, folder: &TempDir, port: &str) -> Child {
    command
        .args(["-a", "127.0.0.1", "-p", port, "-js", "-sd"])
        .arg(folder.path())
        .arg("--ports_file_dir")
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it can be started")
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An agent; killed when dropped.
pub(crate) struct RunningAgent {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl RunningAgent {
    /// Starts one, and waits until it can be asked.
    pub(crate) fn start(server: &NatsServer, name: &str, flags: &[&str]) -> Self {
        Self::start_as(&mut Command::new(own_program("echo-bench")), server, name, flags)
    }

    /// The same with a command that executes `echo-bench`.
    pub(crate) fn start_as(
        command: &mut Command,
        server: &NatsServer,
        name: &str,
        flags: &[&str],
    ) -> Self {
        let mut child = command
            .args(["agent", "--nats", &server.url(), "--name", name])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let lines = BufReader::new(child.stderr.take().expect("piped"));
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                heard.lock().expect("no panic").push(line);
            }
        });
        let agent = Self { child, said };
        agent.wait_until_said("waits for runs");
        agent
    }

    #[track_caller]
    pub(crate) fn wait_until_said(&self, text: &str) {
        wait_until(&format!("the agent says `{text}`"), || self.has_said(text));
    }

    pub(crate) fn has_said(&self, text: &str) -> bool {
        self.said.lock().expect("no panic").iter().any(|line| line.contains(text))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&self) {
        signal(&self.child, Signal::KILL);
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it was started").is_none()
    }

    /// Its exit code once it was asked to end.
    pub(crate) fn stop(mut self) -> Option<i32> {
        signal(&self.child, Signal::TERM);
        wait(&mut self.child, PATIENCE).expect("it ends").code()
    }
}

impl Drop for RunningAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().cast_signed()).expect("a child has an id");
    kill_process(pid, signal).expect("the child has not been waited for");
}
