//! Two interactive clients and a pipe in one chat room.

use std::process::Command;

use echo_server::ModelKind;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run, third_party_or_skip};
use echo_test_support::running_server::{RunningServer, on_every_model};

/// Waits for expected output with a deadline; the exit code identifies the first failure.
const TWO_TERMINALS: &str = r#"
set timeout 20
log_user 0
proc must {id text code} {
  expect -i $id -ex $text {} timeout { puts "no `$text`"; exit $code } \
    eof { puts "the end instead of `$text`"; exit $code }
}
set client [lindex $argv 0]
set address [lindex $argv 1]
set env(TERM) xterm
spawn $client --protocol chat $address
set anna $spawn_id
must $anna "protocol chat" 10
must $anna "* Welcome." 11
must $anna "> " 12
send -i $anna "/nick anna\r"
must $anna "* 1 online: anna" 13
spawn $client --protocol chat $address
set bob $spawn_id
must $bob "* Welcome." 14
must $bob "> " 15
send -i $bob "/nick bob\r"
must $bob "* 2 online: anna, bob" 16
must $anna "* bob joined" 17
send -i $anna "half a li"
must $anna "half a li" 18
send -i $bob "hello anna\r"
must $anna "bob: hello anna" 19
must $anna "> half a li" 20
send -i $anna "ne\r"
must $bob "anna: half a line" 21
send -i $bob "/quit\r"
must $anna "* bob left" 22
expect -i $bob eof {} timeout { exit 23 }
send -i $anna "\004"
expect -i $anna eof {} timeout { exit 24 }
set ended [list [lindex [wait -i $bob] 3] [lindex [wait -i $anna] 3]]
puts "ended $ended"
"#;

#[test]
fn two_people_at_terminals_talk_to_each_other() {
    let Some(mut expect) = third_party_or_skip("two terminals of chat", "expect") else {
        return;
    };
    let server = RunningServer::start(ModelKind::default(), &["--protocol", "chat"]);
    let home = tempfile::tempdir().expect("a directory can be made");
    let client = own_program("echo-client");
    expect.env("HOME", home.path()).args(["-f", "/dev/stdin"]).arg(client);
    expect.arg(server.address().to_string());
    let output = run(&mut expect, TWO_TERMINALS.as_bytes(), 3 * PATIENCE);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("ended 0 0"), "{output:?}");
}

#[test]
fn a_pipe_joins_speaks_and_leaves() {
    on_every_model(&["--protocol", "chat"], |server| {
        let mut anna = server.connect();
        anna.expect(b"* Welcome. Choose a name with /nick <name>\n");
        anna.exchange(b"/nick anna\n", b"* 1 online: anna\n");
        let address = server.address().to_string();
        let mut client = Command::new(own_program("echo-client"));
        client.args(["--protocol", "chat", &address]);
        let output = run(&mut client, b"/nick pipe\nhello\n/who", PATIENCE);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "* Welcome. Choose a name with /nick <name>\n* 2 online: anna, pipe\n\
             * 2 online: anna, pipe\n"
        );
        anna.expect(b"* pipe joined\npipe: hello\n* pipe left\n");
    });
}
