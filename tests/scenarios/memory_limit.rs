//! A server in a control group with little memory, and many clients that do not read.

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use echo_server::model::ModelKind;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, tell_skipped};
use echo_test_support::running_server::{RunningServer, each_model};
use socket2::SockRef;

const LIMIT: u64 = 96 << 20;
const CLIENTS: usize = 1000;

/// A control group of its own; removed when it is dropped.
struct MemoryGroup {
    folder: PathBuf,
    /// Whether the kernel has killed a process of it, by the name of the file that says so.
    kills: &'static str,
}

impl MemoryGroup {
    /// `None` where this process may not make one.
    fn new(name: &str) -> Option<Self> {
        let name = format!("echo-test-{}-{name}", std::process::id());
        [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.oom_control"),
            ("/sys/fs/cgroup", "memory.max", "memory.events"),
        ]
        .into_iter()
        .find_map(|(root, limit, kills)| {
            let folder = Path::new(root).join(&name);
            fs::create_dir(&folder).ok()?;
            let group = Self { folder, kills };
            fs::write(group.folder.join(limit), LIMIT.to_string()).ok()?;
            Some(group)
        })
    }

    fn has_killed(&self) -> bool {
        let text = fs::read_to_string(self.folder.join(self.kills)).expect("it is there");
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.is_some_and(|count| count.trim() != "0")
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // The processes of it have ended, which the kernel may see a moment later.
        let begin = Instant::now();
        while fs::remove_dir(&self.folder).is_err() && begin.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Sends until the server takes no more, or has cut it: how much, and whether it is still
/// connected.
fn stuff(mut client: &TcpStream, line: &[u8]) -> (usize, bool) {
    let mut sent = 0;
    loop {
        match client.write(line) {
            Ok(length) => sent += length,
            Err(error) => return (sent, error.kind() == ErrorKind::WouldBlock),
        }
    }
}

/// Sends until the server takes no more from any of them; how many are still connected.
fn stuff_all(clients: &[TcpStream], line: &[u8]) -> usize {
    let begin = Instant::now();
    let mut quiet = 0;
    loop {
        let (mut sent, mut connected) = (0, 0);
        for client in clients {
            let (more, open) = stuff(client, line);
            sent += more;
            connected += usize::from(open);
        }
        quiet = if sent == 0 { quiet + 1 } else { 0 };
        if quiet > 10 || begin.elapsed() > PATIENCE {
            return connected;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_thousand_deaf_clients_do_not_get_a_server_with_little_memory_killed() {
    let test = "a_thousand_deaf_clients_do_not_get_a_server_with_little_memory_killed";
    each_model(|model| {
        let Some(group) = MemoryGroup::new(&model.to_string()) else {
            return tell_skipped(
                test,
                "no control group with a memory limit can be made (root)",
            );
        };
        let mut command = Command::new("sh");
        let enter = "echo $$ > \"$1/cgroup.procs\" && shift && exec \"$@\"";
        command.args(["-c", enter, "sh"]).arg(&group.folder);
        command.arg(own_program("echo-server")).arg("127.0.0.1:0");
        // Small, so that the clients fill the server's memory and not the kernel's.
        let flags = ["--log-format=json", "--send-buffer=8K", "--recv-buffer=8K"];
        let mut server = RunningServer::start_as(&mut command, model, &flags);
        let clients: Vec<TcpStream> = (0..CLIENTS)
            .map(|_| {
                let client = TcpStream::connect(server.address()).expect("it is not full");
                SockRef::from(&client).set_recv_buffer_size(4096).expect("it is a socket");
                SockRef::from(&client).set_send_buffer_size(16 << 10).expect("it is a socket");
                client.set_nonblocking(true).expect("it is a socket");
                client
            })
            .collect();
        let line = [&[b'x'; 4000][..], b"\n"].concat();
        let kept = stuff_all(&clients, &line);
        assert!(server.is_running() && !group.has_killed());
        server.connect().exchange(b"still there\n", b"ECHO: still there\n");
        assert!(kept > 0, "all were cut");
        drop(clients);
        server.signal(rustix::process::Signal::TERM);
        let exit = server.wait_exit(PATIENCE);
        assert_eq!(exit.code, Some(0), "{exit:?}");
        let cut = exit.summary()["limits"]["buffered"].as_u64().expect("it is counted");
        println!("{model}: {kept} kept, {cut} cut");
        // A thread writes what it has before it reads on: all of them hold less than the limit.
        let reaches_limit = model != ModelKind::Threads;
        assert_eq!(cut > 0, reaches_limit, "{cut} cut, {kept} kept");
        assert!(cut as usize >= CLIENTS - kept, "{cut} cut, {kept} kept");
    });
}
