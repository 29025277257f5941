//! A NATS server, agents at it, and messages that no agent should obey.

use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use echo_test_support::deadline::{PATIENCE, wait_for, wait_until};
use echo_test_support::program::{own_program, third_party_or_skip, wait};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A server with its own store on a free port; killed when dropped.
pub(crate) struct NatsServer {
    child: Child,
    folder: TempDir,
    address: SocketAddr,
}

impl NatsServer {
    /// At this address, with this configuration; None if it is not installed, which is told.
    pub(crate) fn start(test: &str, ip: Ipv4Addr, configuration: &str) -> Option<Self> {
        let command = third_party_or_skip(test, "nats-server")?;
        let folder = tempfile::tempdir().expect("room for a folder");
        let file = folder.path().join(CONFIGURATION);
        std::fs::write(file, configuration).expect("room for a file");
        let child = start(command, &folder, ip, "-1");
        let ports = folder.path().join(format!("nats-server_{}.ports", child.id()));
        let port = wait_for("the ports of nats-server", || {
            let ports: serde_json::Value =
                serde_json::from_str(&std::fs::read_to_string(&ports).ok()?).ok()?;
            ports["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
        });
        Some(Self { child, folder, address: SocketAddr::new(ip.into(), port) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Ends it and starts it again, on the same port with the same store.
    pub(crate) fn restart(&mut self) {
        signal(&self.child, Signal::TERM);
        assert!(wait(&mut self.child, PATIENCE).is_some(), "nats-server does not end");
        let port = self.address.port().to_string();
        self.child = start(Command::new("nats-server"), &self.folder, self.address.ip(), &port);
        wait_until("nats-server is back", || TcpStream::connect(self.address).is_ok());
    }

    /// Publishes a message as anybody can.
    pub(crate) fn publish(&self, subject: &str, message: &[u8]) {
        let mut stranger = Stranger::connect(self.address);
        stranger.publish(subject, message);
        while !stranger.line().starts_with("PONG") {}
    }

    /// Has an agent of that name and presence stand in the table, for as long as the server runs.
    pub(crate) fn pretend(&self, name: &str, presence: &str) {
        let mut stranger = Stranger::connect(self.address);
        stranger.send(format!("SUB echobench.present.{name} 1\r\n").as_bytes());
        stranger.publish(&format!("$KV.echobench-agents.{name}"), presence.as_bytes());
        let presence = presence.to_owned();
        thread::spawn(move || {
            // MSG, subject, subscription, where to answer, length.
            while let Some(line) = stranger.try_line() {
                match line.split_whitespace().collect::<Vec<_>>()[..] {
                    ["MSG", _, _, answer, _] => stranger.publish(answer, presence.as_bytes()),
                    ["PING"] => stranger.send(b"PONG\r\n"),
                    _ => {}
                }
            }
        });
    }
}

/// Somebody at the server who is no agent.
struct Stranger(BufReader<TcpStream>);

impl Stranger {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        let mut stranger = Self(BufReader::new(stream));
        stranger.line();
        stranger.send(b"CONNECT {\"verbose\":false}\r\n");
        stranger
    }

    fn send(&mut self, bytes: &[u8]) {
        // What a server that has ended does not take is seen by the next read.
        let _ = self.0.get_mut().write_all(bytes);
    }

    /// Publishes a message, and has the server say when it has taken it.
    fn publish(&mut self, subject: &str, message: &[u8]) {
        let head = format!("PUB {subject} {}\r\n", message.len());
        self.send(&[head.as_bytes(), message, b"\r\nPING\r\n"].concat());
    }

    fn try_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.0.read_line(&mut line).ok()?;
        (length > 0).then_some(line)
    }

    fn line(&mut self) -> String {
        self.try_line().expect("the server hung up")
    }
}

const CONFIGURATION: &str = "nats.conf";

fn start(mut command: Command, folder: &TempDir, ip: impl Display, port: &str) -> Child {
    command
        .args(["-a", &ip.to_string(), "-p", port, "-js", "-sd"])
        .arg(folder.path())
        .arg("-c")
        .arg(folder.path().join(CONFIGURATION))
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
    pub(crate) fn start(url: &str, name: &str, flags: &[&str]) -> Self {
        Self::start_as(&mut Command::new(own_program("echo-bench")), url, name, flags)
    }

    /// The same with a command that executes `echo-bench`.
    pub(crate) fn start_as(
        command: &mut Command,
        url: &str,
        name: &str,
        flags: &[&str],
    ) -> Self {
        let mut child = command
            .args(["agent", "--nats", url, "--name", name])
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
        self.wait_longer_until_said(text, PATIENCE);
    }

    #[track_caller]
    pub(crate) fn wait_longer_until_said(&self, text: &str, patience: Duration) {
        let deadline = Instant::now() + patience;
        while !self.has_said(text) {
            let said = self.said.lock().expect("no panic").join("\n");
            assert!(Instant::now() < deadline, "no `{text}` after {patience:?}:\n{said}");
            thread::sleep(Duration::from_millis(5));
        }
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
