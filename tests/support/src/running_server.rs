//! A server process for one scenario: [`RunningServer`], started on a free port, and
//! [`on_every_model`], which every scenario goes through.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use echo_server::model::{self, ModelKind};
use rustix::process::{Pid, Signal, kill_process};
use strum::VariantArray;

use crate::client::Client;
use crate::deadline::PATIENCE;
use crate::program::{own_program, tell_skipped, wait};

mod facts;

/// Runs `scenario` for each model available on this machine, continuing after failures, and
/// names those that fail.
pub fn each_model(scenario: impl Fn(ModelKind)) {
    let fails = |&model: &ModelKind| {
        catch_unwind(AssertUnwindSafe(|| scenario(model))).is_err().then_some(model)
    };
    assert_none(&usable_models().iter().filter_map(fails).collect::<Vec<_>>());
}

/// The same with all models at once, for scenarios that mostly wait.
pub fn each_model_at_once(scenario: impl Fn(ModelKind) + Sync) {
    let scenario = &scenario;
    let failed: Vec<ModelKind> = thread::scope(|scope| {
        let start = |model| (model, scope.spawn(move || scenario(model)));
        let running: Vec<_> = usable_models().into_iter().map(start).collect();
        let fails = |(model, thread): (_, thread::ScopedJoinHandle<'_, ()>)| {
            thread.join().is_err().then_some(model)
        };
        running.into_iter().filter_map(fails).collect()
    });
    assert_none(&failed);
}

#[track_caller]
fn assert_none(failed: &[ModelKind]) {
    let failed: Vec<String> = failed.iter().map(ToString::to_string).collect();
    assert!(failed.is_empty(), "fails with --model {}", failed.join(", --model "));
}

/// All of `ECHO_TEST_MODELS`, like `epoll,uring`, else all that are available on this machine.
fn usable_models() -> Vec<ModelKind> {
    let typed = std::env::var("ECHO_TEST_MODELS").unwrap_or_default();
    let is_wanted = |model: &ModelKind| {
        typed.is_empty() || typed.split(',').any(|name| name == model.to_string())
    };
    let wanted: Vec<_> = ModelKind::VARIANTS.iter().copied().filter(is_wanted).collect();
    assert!(!wanted.is_empty(), "ECHO_TEST_MODELS names no model of this build");
    wanted.into_iter().filter(|&model| is_usable(model)).collect()
}

/// Whether the model is available on this machine; reports it if not.
fn is_usable(model: ModelKind) -> bool {
    let usable = model::check(model);
    if let Err(reason) = &usable {
        let thread = thread::current();
        let test = thread.name().unwrap_or_default();
        tell_skipped(test, format_args!("--model {model}: {reason}"));
    }
    usable.is_ok()
}

/// Runs `scenario` against a new server of each model, then stops that server, which must end
/// gracefully whatever the scenario did to it.
pub fn on_every_model(flags: &[&str], scenario: impl Fn(&mut RunningServer)) {
    each_model(|model| {
        let mut server = RunningServer::start(model, flags);
        scenario(&mut server);
        server.stop_in_order();
    });
}

/// The same with all models at once, for scenarios that mostly wait.
pub fn on_every_model_at_once(flags: &[&str], scenario: impl Fn(&mut RunningServer) + Sync) {
    each_model_at_once(|model| {
        let mut server = RunningServer::start(model, flags);
        scenario(&mut server);
        server.stop_in_order();
    });
}

/// Result of a server.
#[derive(Debug)]
pub struct Exit {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard error.
    pub stderr: String,
}

impl Exit {
    /// The last line of a server started with `--log-format json`.
    #[track_caller]
    pub fn summary(&self) -> serde_json::Value {
        let summary = self.stderr.lines().last().map(serde_json::from_str);
        let Some(Ok(summary)) = summary else { panic!("no summary in JSON: {self:?}") };
        summary
    }
}

/// A server process; killed when dropped.
#[derive(Debug)]
pub struct RunningServer {
    child: Child,
    /// None of a unix-domain socket.
    address: Option<SocketAddr>,
    ready: serde_json::Value,
    /// Shared by the threads of a scenario that share its server.
    stdout: Mutex<Receiver<String>>,
    said: Arc<Mutex<Vec<u8>>>,
    stderr: Option<JoinHandle<()>>,
    ended: bool,
    /// Held open: a server must neither read it nor notice its end.
    _stdin: ChildStdin,
}

impl RunningServer {
    /// Starts `echo-server` on a free port of the loopback and waits until it is ready.
    pub fn start(model: ModelKind, flags: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", model, flags)
    }

    /// The same at a given address, for example that of an earlier server.
    pub fn start_at(address: &str, model: ModelKind, flags: &[&str]) -> Self {
        let mut program = Command::new(own_program("echo-server"));
        Self::start_as(program.arg(address), model, flags)
    }

    /// The same with a command that executes `echo-server`, and contains its address.
    pub fn start_as(program: &mut Command, model: ModelKind, flags: &[&str]) -> Self {
        let mut child = program
            .args(["--model", &model.to_string()])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let (lines, stdout) = channel();
        let pipe = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || {
            for line in pipe.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let mut pipe = child.stderr.take().expect("piped");
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let stderr = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut bytes) {
                heard.lock().expect("no panic").extend_from_slice(&bytes[..length]);
            }
        });
        let stdin = child.stdin.take().expect("piped");
        let mut server = Self {
            child,
            address: None,
            ready: serde_json::Value::Null,
            stdout: Mutex::new(stdout),
            said,
            stderr: Some(stderr),
            ended: false,
            _stdin: stdin,
        };
        let Ok(line) = server.stdout.get_mut().expect("no panic").recv_timeout(PATIENCE) else {
            panic!("no ready line from --model {model} {flags:?}");
        };
        server.ready = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the ready line {line:?} is no JSON: {error}"));
        let address = server.ready["addr"].as_str();
        let address = address.unwrap_or_else(|| panic!("no address in {line}"));
        server.address = address.parse().ok();
        server
    }

    /// Its standard error so far.
    pub fn said_so_far(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().expect("no panic")).into_owned()
    }

    /// Its ready line.
    pub fn ready(&self) -> &serde_json::Value {
        &self.ready
    }

    /// Its address, which must be one of TCP.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        self.address.unwrap_or_else(|| panic!("not TCP: {}", self.ready))
    }

    /// A new connection to it.
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process; one that stops and continues processes to all of them.
    pub fn signal(&self, signal: Signal) {
        let all = if [Signal::STOP, Signal::CONT].contains(&signal) {
            self.processes()
        } else {
            vec![self.child.id()]
        };
        for pid in all {
            let pid = Pid::from_raw(pid.cast_signed()).expect("a process has an id");
            kill_process(pid, signal).expect("the process has not been waited for");
        }
    }

    /// Whether the process is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it was started").is_none()
    }

    /// Waits for the process to end on its own.
    #[track_caller]
    pub fn wait_exit(&mut self, at_most: Duration) -> Exit {
        let Some(status) = wait(&mut self.child, at_most) else {
            panic!("the server still runs after {at_most:?}");
        };
        self.ended = true;
        let stderr = self.stderr.take().expect("the server ends once");
        stderr.join().expect("reading does not panic");
        let exit = Exit { code: status.code(), stderr: self.said_so_far() };
        let stdout = self.stdout.get_mut().expect("no panic");
        assert_eq!(stdout.iter().collect::<Vec<_>>(), [""; 0], "more than the ready line");
        assert!(!exit.stderr.contains("panicked at"), "the server panicked: {}", exit.stderr);
        exit
    }

    fn stop_in_order(&mut self) {
        if !self.ended {
            self.stop();
        }
    }

    /// Stops it, which must be graceful; returns its output.
    #[track_caller]
    pub fn stop(&mut self) -> String {
        self.signal(Signal::TERM);
        let exit = self.wait_exit(PATIENCE);
        assert_eq!(exit.code, Some(0), "{exit:?}");
        exit.stderr
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking()
            && let Some(Ok(())) = self.stderr.take().map(JoinHandle::join)
        {
            let said = self.said_so_far();
            eprintln!("the server that was ready as {} said:\n{said}", self.ready);
        }
    }
}
