//! Server and balancer as services: signals, sockets that a service manager passes, readiness, and
//! what they give up.

use super::*;

use echo_server::{ModelKind, model};
use strum::VariantArray;

fn kill(child: &Child, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
}

#[test]
fn signals_that_do_not_mean_to_stop_it_do_not() {
    use rustix::process::Signal;
    for program in PROGRAMS {
        let (mut child, _) = started(program);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        kill(&child, Signal::PIPE);
        for (signal, said) in [
            (Signal::HUP, "SIGHUP: nothing to reload"),
            (Signal::USR2, "SIGUSR2: unused"),
            (Signal::USR1, "so far"),
        ] {
            kill(&child, signal);
            let next = || lines.recv_timeout(Duration::from_secs(20));
            while !next().unwrap_or_else(|_| panic!("{program:?}: {signal:?}")).contains(said) {
            }
        }
        terminate(&child);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{program:?}");
    }
}

/// The program, started with its stdin as each of `descriptors` from 3 on, in the way of a
/// service manager.
fn activated(program: &[&str], stdin: OwnedFd, descriptors: usize) -> Command {
    let redirections = ["3<&0", "4<&0"][..descriptors].join(" ");
    let script = format!(
        "exec {redirections} 0</dev/null; \
         export LISTEN_PID=$$ LISTEN_FDS={descriptors} LISTEN_FDNAMES=echo:spare; exec \"$@\""
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_echo-server")]).args(program);
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Serves the first client of `program` on a socket that was passed to it, and returns what it
/// wrote to stdout after the ready line.
fn taken_over(program: &[&str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Waits in the queue, as with a service that is started by its first client.
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"first\n").unwrap();
    let mut child = activated(program, listener.into(), 1).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready["addr"], address.to_string());
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut reply = [0; 12];
    client.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"ECHO: first\n");
    drop(client);
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0), "{program:?}");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    rest
}

#[test]
fn a_socket_of_a_service_manager_is_taken_over() {
    let echo = started(&["0", "-q"]);
    let ready: serde_json::Value = serde_json::from_str(&echo.1).unwrap();
    let backend = format!("--backend={}", ready["addr"].as_str().unwrap());
    assert_eq!(taken_over(&["balance", "-q", &backend]), "");
    terminate(&echo.0);
    { echo.0 }.wait().unwrap();
}

#[test]
fn a_passed_unix_socket_is_taken_over_and_its_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut child =
        activated(&["-q"], listener.try_clone().unwrap().into(), 1).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready["addr"], format!("unix:{}", path.display()));
    let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(b"a\n").unwrap();
    client.read_exact(&mut [0; 8]).unwrap();
    drop(client);
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // It is the service manager's.
    assert!(path.exists());
    let refused = activated(&["-q", "--tos", "1"], listener.into(), 1).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("--tos is an option of TCP"), "{told}");
}

#[test]
fn who_has_waited_in_a_passed_socket_has_all_options() {
    let models = ModelKind::VARIANTS.iter().filter(|&&model| model::check(model).is_ok());
    for model in models {
        let model = format!("--model={model}");
        let told = taken_over(&[
            "-q",
            "--summary-on-stdout",
            &model,
            "--send-buffer=40000",
            "--recv-buffer=50000",
            "--congestion=reno",
            "--notsent-lowat=16K",
            "--user-timeout=1500ms",
            "--tos=16",
        ]);
        let summary: serde_json::Value = serde_json::from_str(&told).unwrap();
        let socket = &summary["socket"];
        assert_eq!(socket["changed"], serde_json::json!([]), "{model}");
        assert_eq!(socket["nodelay"], true, "{model}");
    }
}

#[test]
fn passed_sockets_that_can_t_be_served_are_one_clear_error() {
    let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = {
        let listener = listener();
        TcpStream::connect(listener.local_addr().unwrap()).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let unix = UnixDatagram::bind(folder.path().join("socket")).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    for (passed, descriptors, flags, told) in [
        (OwnedFd::from(listener()), 2, &["0"][..], "2 (echo, spare) sockets"),
        (listener().into(), 1, &["0", "--reuse-port"], "--reuse-port"),
        (connected.into(), 1, &["0"], "does not listen"),
        (unix.into(), 1, &["0"], "not a listening TCP or unix-domain socket"),
        (udp.into(), 1, &["0"], "not a listening TCP or unix-domain socket"),
        (file.into(), 1, PROGRAMS[1], "no socket"),
    ] {
        let output = finished(&mut activated(flags, passed, descriptors));
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(output.stdout.is_empty());
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains("LISTEN_FDS") && errors.contains(told), "{errors}");
    }
}

#[test]
fn sockets_that_were_passed_to_another_process_are_none() {
    let mut command = command();
    command.args(["0", "-q"]).env("LISTEN_PID", "1").env("LISTEN_FDS", "1");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("\"ready\":true"), "{line}");
    terminate(&child);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_service_manager_is_told_that_it_is_ready() {
    for program in PROGRAMS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut command = command();
        command.args(program).arg("-q").env("NOTIFY_SOCKET", &path);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let mut told = [0; 64];
        let length = manager.recv(&mut told);
        terminate(&child);
        assert!(child.wait().unwrap().success());
        assert_eq!(&told[..length.unwrap()], b"READY=1\n", "{program:?}");
    }
}

/// Whether each thread of the process has given up new privileges.
fn all_restricted(child: &Child) -> Vec<bool> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
    tasks
        .map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).unwrap())
        .map(|status| status.contains("NoNewPrivs:\t1"))
        .collect()
}

#[test]
fn every_thread_gives_up_what_it_does_not_need_unless_told_otherwise() {
    for program in PROGRAMS {
        for flags in [&["-v"][..], &["-v", "--no-sandbox"]] {
            let (mut child, line) = started(&[program, flags].concat());
            let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
            // Once it has answered, its workers run.
            let mut client = TcpStream::connect(ready["addr"].as_str().unwrap()).unwrap();
            client.write_all(b"x\n").unwrap();
            let _ = client.read(&mut [0; 16]);
            let restricted = all_restricted(&child);
            drop(client);
            terminate(&child);
            assert!(child.wait().unwrap().success());
            let expected = flags.len() == 1;
            assert!(restricted.iter().all(|one| *one == expected), "{program:?} {flags:?}");
            let told = stderr_of(&mut child);
            assert_eq!(told.contains("sandbox:"), expected, "{told}");
        }
    }
}
