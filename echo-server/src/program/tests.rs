//! What the program says and how it exits when a worker panics. The program under test is a
//! child process: this test again, which a variable tells to be the server.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command as Process, Stdio};

use super::{PANICKED, code_from};
use crate::speaker::PANIC;

const MODEL: &str = "ECHO_SERVER_TEST_MODEL";

/// As the test harness names it.
const NAME: &str = "program::tests::a_panic_is_told_with_its_cause_and_the_exit_code_101";

#[test]
#[expect(clippy::exit, reason = "the child's exit code is what is tested")]
fn a_panic_is_told_with_its_cause_and_the_exit_code_101() {
    if let Ok(model) = std::env::var(MODEL) {
        let typed = ["echo-server", "0", "--workers", "2", "--model", &model];
        std::process::exit(code_from(typed.map(Into::into)).into());
    }
    // One that joins its workers and one whose runtime catches panics; all others are tested as a
    // library.
    for model in ["epoll", "tokio", "prefork"] {
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args([NAME, "--exact", "--nocapture"])
            .env(MODEL, model)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        // The harness prints lines of its own.
        let ready = said
            .map_while(Result::ok)
            .find_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok())
            .expect("a ready line");
        let address: SocketAddr = ready["addr"].as_str().unwrap().parse().unwrap();
        TcpStream::connect(address).unwrap().write_all(PANIC).unwrap();
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        let code = child.wait().unwrap().code();
        assert_eq!(code, Some(PANICKED.into()), "{model}: {told}");
        assert!(told.contains("a worker panicked"), "{told}");
        assert!(told.contains("on purpose, in a test"), "{told}");
        assert!(told.contains("1 connection,"), "the summary is printed: {told}");
    }
}
