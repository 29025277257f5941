//! Certificate and key files as produced by `openssl` and people: usable ones are used, and
//! errors name the file, the line and the remedy.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use echo_server::ModelKind;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run, third_party_or_skip};
use echo_test_support::running_server::RunningServer;
use rustix::process::Signal;
use tempfile::TempDir;

/// A folder in which `openssl` runs.
struct Folder {
    folder: TempDir,
}

impl Folder {
    /// Contains a CA (`ca.pem`, `ca.key`) and a server's certificate (`server.pem`,
    /// `server.key`).
    fn new(test: &str) -> Option<Self> {
        third_party_or_skip(test, "openssl")?;
        let folder = Self { folder: TempDir::new().expect("room for a directory") };
        folder.key("ca.key", "P-256");
        folder.key("server.key", "P-256");
        folder.openssl("req -x509 -new -key ca.key -subj /CN=issuer -days 9 -out ca.pem");
        folder.openssl(
            "req -x509 -new -key server.key -CA ca.pem -CAkey ca.key -subj /CN=localhost \
             -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
             -days 9 -out server.pem",
        );
        Some(folder)
    }

    fn key(&self, name: &str, curve: &str) {
        self.openssl(&format!(
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{curve} -out {name}"
        ));
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split_whitespace()).current_dir(&self.folder);
        let output = run(&mut command, b"", PATIENCE);
        assert!(output.status.success(), "openssl {arguments}: {output:?}");
    }

    fn path(&self, name: &str) -> String {
        let path: &Path = self.folder.path();
        path.join(name).to_str().expect("a temporary directory in ASCII").to_owned()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("it was written")
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).expect("room for a file");
    }

    /// The standard error of a server that must refuse these files.
    #[track_caller]
    fn refused(&self, certificate: &str, key: &str) -> String {
        let mut command = Command::new(own_program("echo-server"));
        let (certificate, key) = (self.path(certificate), self.path(key));
        command.args(["127.0.0.1:0", "--tls-cert", &certificate, "--tls-key", &key]);
        let output = run(&mut command, b"", PATIENCE);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn server(&self, certificate: &str, key: &str) -> RunningServer {
        let (certificate, key) = (self.path(certificate), self.path(key));
        let flags = ["--tls-cert", &certificate, "--tls-key", &key];
        RunningServer::start(ModelKind::default(), &flags)
    }

    /// A client that trusts `issuers`, connected to a server.
    fn asked(&self, server: &RunningServer, issuers: &str) -> Output {
        let address = format!("localhost:{}", server.address().port());
        let mut command = Command::new(own_program("echo-client"));
        command.args(["--tls", "--cacert", &self.path(issuers), &address]);
        run(&mut command, b"hello\n", PATIENCE)
    }
}

#[track_caller]
fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
}

#[test]
fn a_key_of_no_use_is_named_with_its_line_and_the_remedy() {
    let test = "a_key_of_no_use_is_named_with_its_line_and_the_remedy";
    let Some(folder) = Folder::new(test) else { return };
    folder.openssl(
        "pkcs8 -topk8 -in server.key -v2 aes-256-cbc -passout pass:secret -out encrypted.key",
    );
    folder.openssl("ec -in server.key -aes128 -passout pass:secret -out traditional.key");
    folder.key("p521.key", "P-521");
    folder.openssl("ec -in p521.key -out sec1.key");
    folder.openssl("pkey -in server.key -outform der -out der.key");
    for (key, said) in [
        ("encrypted.key", ["line 1", "ENCRYPTED PRIVATE KEY", "openssl pkey -in"]),
        ("traditional.key", ["line 1", "EC PRIVATE KEY", "openssl pkey -in"]),
        ("p521.key", ["line 1", "P-521 is not supported", "P-256"]),
        ("sec1.key", ["line 1", "P-521 is not supported", "P-256"]),
        ("der.key", ["binary data", "not PEM", "openssl pkey -inform der"]),
        ("server.pem", ["no private key", "CERTIFICATE (line 1)", "BEGIN PRIVATE KEY"]),
    ] {
        let errors = folder.refused("server.pem", key);
        holds(&errors, &said);
        holds(&errors, &["--tls-key", &folder.path(key)]);
    }
}

#[test]
fn a_certificate_of_no_use_is_named_with_its_line_and_the_remedy() {
    let test = "a_certificate_of_no_use_is_named_with_its_line_and_the_remedy";
    let Some(folder) = Folder::new(test) else { return };
    folder.openssl("x509 -in server.pem -trustout -out trusted.pem");
    folder.openssl("x509 -in server.pem -outform der -out der.pem");
    folder.openssl("req -new -key server.key -subj /CN=localhost -out request.pem");
    let (server, issuer) = (folder.read("server.pem"), folder.read("ca.pem"));
    folder.write("reversed.pem", format!("{issuer}{server}"));
    folder.write("cut.pem", &server[..server.len() / 2]);
    let utf_16: Vec<u8> =
        format!("\u{feff}{server}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    folder.write("utf16.pem", utf_16);
    let second = format!("line {}", issuer.lines().count() + 1);
    for (certificate, said) in [
        ("trusted.pem", ["line 1", "TRUSTED CERTIFICATE", "openssl x509 -in"]),
        ("reversed.pem", [second.as_str(), "after others", "move it to the beginning"]),
        ("der.pem", ["binary data", "not PEM", "openssl x509 -inform der"]),
        (
            "request.pem",
            ["no certificate found", "CERTIFICATE REQUEST (line 1)", "expected PEM"],
        ),
        ("cut.pem", ["line 1", "without its END line", "truncated"]),
        ("utf16.pem", ["UTF-16", "save the file as", "UTF-8"]),
    ] {
        let errors = folder.refused(certificate, "server.key");
        holds(&errors, &said);
        holds(&errors, &["--tls-cert", &folder.path(certificate)]);
    }
    folder.key("p521.key", "P-521");
    folder.openssl("req -x509 -new -key p521.key -subj /CN=issuer -days 9 -out p521.pem");
    let server = folder.server("server.pem", "server.key");
    let output = folder.asked(&server, "p521.pem");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    holds(&errors, &["--cacert", "p521.pem line 1", "P-521 is not supported"]);
}

#[test]
fn files_that_are_only_untidy_serve() {
    let Some(folder) = Folder::new("files_that_are_only_untidy_serve") else { return };
    let (server, key) = (folder.read("server.pem"), folder.read("server.key"));
    let indented = |text: &str| format!("    {}", text.trim_end().replace('\n', "\r\n    "));
    folder.write("marked.pem", format!("\u{feff}{server}"));
    folder.write("marked.key", format!("\u{feff}{key}"));
    folder.write("indented.pem", indented(&server));
    folder.write("indented.key", indented(&key));
    folder.write("old.pem", server.replace("CERTIFICATE", "X509 CERTIFICATE"));
    folder.write("marked_ca.pem", format!("\u{feff}{}", indented(&folder.read("ca.pem"))));
    for (certificate, key) in [
        ("marked.pem", "marked.key"),
        ("indented.pem", "indented.key"),
        ("old.pem", "server.key"),
    ] {
        let output = folder.asked(&folder.server(certificate, key), "marked_ca.pem");
        assert_eq!(output.stdout, b"ECHO: hello\n", "{certificate}: {output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn a_bundle_with_a_bad_certificate_serves_with_a_warning() {
    let test = "a_bundle_with_a_bad_certificate_serves_with_a_warning";
    let Some(folder) = Folder::new(test) else { return };
    let (server, issuer) = (folder.read("server.pem"), folder.read("ca.pem"));
    let bad = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    folder.write("issuers.pem", format!("{bad}{no_certificate}{issuer}"));
    folder.write("chain.pem", format!("{server}{bad}"));
    let mut running = folder.server("chain.pem", "server.key");
    let output = folder.asked(&running, "issuers.pem");
    assert_eq!(output.stdout, b"ECHO: hello\n", "{output:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    holds(&errors, &["warning: ", "issuers.pem line 1", "issuers.pem line 4"]);
    running.signal(Signal::TERM);
    let exit = running.wait_exit(PATIENCE);
    let line = format!("chain.pem line {}", server.lines().count() + 1);
    holds(&exit.stderr, &["WARN", &line]);
    // The first one is the server's own: without it there is nothing to serve.
    folder.write("own.pem", format!("{bad}{issuer}"));
    holds(&folder.refused("own.pem", "server.key"), &["own.pem line 1", "broken PEM"]);
}

#[test]
fn a_chain_out_of_order_serves_with_a_warning() {
    let Some(folder) = Folder::new("a_chain_out_of_order_serves_with_a_warning") else {
        return;
    };
    folder.key("other.key", "P-256");
    folder.openssl("req -x509 -new -key other.key -subj /CN=other -days 9 -out other.pem");
    let parts = ["server.pem", "other.pem", "ca.pem"].map(|name| folder.read(name));
    folder.write("chain.pem", parts.concat());
    folder.write("orderly.pem", [&parts[0][..], &parts[2]].concat());
    for (chain, warned) in [("chain.pem", true), ("orderly.pem", false)] {
        let mut running = folder.server(chain, "server.key");
        assert_eq!(folder.asked(&running, "ca.pem").stdout, b"ECHO: hello\n");
        running.signal(Signal::TERM);
        let exit = running.wait_exit(PATIENCE);
        let line = format!(
            "line {}: this certificate is not the issuer",
            parts[0].lines().count() + 1
        );
        assert_eq!(exit.stderr.contains(&line), warned, "{}", exit.stderr);
    }
}

#[test]
fn a_chain_through_an_unsupported_curve_is_refused_in_words() {
    let test = "a_chain_through_an_unsupported_curve_is_refused_in_words";
    let Some(folder) = Folder::new(test) else { return };
    folder.key("middle.key", "P-521");
    folder.openssl(
        "req -x509 -new -key middle.key -CA ca.pem -CAkey ca.key -subj /CN=middle -days 9 \
         -out middle.pem",
    );
    folder.openssl(
        "req -x509 -new -key server.key -CA middle.pem -CAkey middle.key -subj /CN=localhost \
         -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
         -days 9 -out server.pem",
    );
    let parts = ["server.pem", "middle.pem"].map(|name| folder.read(name));
    folder.write("chain.pem", parts.concat());
    let output = folder.asked(&folder.server("chain.pem", "server.key"), "ca.pem");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    holds(&errors, &["signed with an algorithm", "P-521"]);
}
