//! Both sides connected in memory, and certificates of every kind.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd,
};
use tempfile::TempDir;

use super::*;

mod clients;
mod servers;

/// One side of a connection, with its received plaintext and pending output.
struct Side {
    transform: Transform,
    plaintext: Vec<u8>,
    output: Vec<u8>,
}

impl Side {
    fn new(transform: Transform) -> Self {
        Self { transform, plaintext: Vec::new(), output: Vec::new() }
    }

    /// Receives all of `ciphertext` and collects the response.
    fn receive(&mut self, ciphertext: &[u8]) -> Result<(), Fault> {
        let Self { transform, plaintext, output } = self;
        let received =
            transform.receive_all(ciphertext, |piece| plaintext.extend_from_slice(piece));
        transform.take_output(output);
        received
    }

    fn send(&mut self, plaintext: &[u8]) {
        assert_eq!(self.transform.send(plaintext, &mut self.output), plaintext.len());
    }

    fn close(&mut self) {
        self.transform.close(&mut self.output);
    }
}

/// Transfers pending output of both sides, in pieces of `length` bytes, until there is none.
fn exchange(client: &mut Side, server: &mut Side, length: usize) -> Result<(), Fault> {
    client.transform.take_output(&mut client.output);
    while !(client.output.is_empty() && server.output.is_empty()) {
        for piece in std::mem::take(&mut client.output).chunks(length) {
            server.receive(piece)?;
        }
        for piece in std::mem::take(&mut server.output).chunks(length) {
            client.receive(piece)?;
        }
    }
    Ok(())
}

/// A client that trusts the server's certificate, and the server.
fn pair() -> (Side, Side) {
    let server = ServerTls::self_signed().unwrap();
    let client = trusting(&server, false);
    (Side::new(client.connect("localhost").unwrap()), Side::new(server.accept().unwrap()))
}

fn trusting(server: &ServerTls, resumes: bool) -> ClientTls {
    ClientTls::new(&ServerTrust::Certificate(server.fingerprint()), resumes).unwrap()
}

fn connected() -> (Side, Side) {
    let (mut client, mut server) = pair();
    exchange(&mut client, &mut server, usize::MAX).unwrap();
    assert!(!client.transform.is_handshaking() && !server.transform.is_handshaking());
    (client, server)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_split_of_the_ciphertext_gives_the_same_plaintext(
        length in prop_oneof![1..40_usize, 1000..40_000_usize],
        requests in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20_000), 1..6),
        replies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..70_000), 1..4),
    ) {
        let (mut client, mut server) = pair();
        exchange(&mut client, &mut server, length).unwrap();
        for request in &requests {
            client.send(request);
        }
        for reply in &replies {
            server.send(reply);
        }
        client.close();
        exchange(&mut client, &mut server, length).unwrap();
        prop_assert_eq!(&server.plaintext, &requests.concat());
        prop_assert_eq!(&client.plaintext, &replies.concat());
        prop_assert_eq!(server.transform.end_of_input(), Ok(()));
        prop_assert_eq!(client.transform.end_of_input(), Err(Fault::Truncated));
    }
}

#[test]
fn a_protocol_is_selected_by_name_where_a_client_asks_for_it() {
    let server = ServerTls::self_signed().unwrap();
    let client = trusting(&server, false);
    let run = |client: &ClientTls, server: &ServerTls| {
        let mut client = Side::new(client.connect("localhost").unwrap());
        let mut server = Side::new(server.accept().unwrap());
        let outcome = exchange(&mut client, &mut server, usize::MAX);
        let name = |side: &Side| side.transform.alpn().map(<[u8]>::to_vec);
        outcome.map(|()| (name(&client), name(&server)))
    };
    let (asking, selecting) =
        (client.clone().with_alpn(b"one"), server.clone().with_alpn(b"one"));
    let one = Some(b"one".to_vec());
    assert_eq!(run(&asking, &selecting), Ok((one.clone(), one)));
    assert_eq!(run(&asking, &server), Ok((None, None)));
    assert_eq!(run(&client, &selecting), Ok((None, None)));
    assert!(run(&client.with_alpn(b"other"), &selecting).is_err());
}

#[test]
fn a_side_that_has_closed_still_receives() {
    let (mut client, mut server) = connected();
    client.send(b"the last words");
    client.close();
    client.close();
    assert_eq!(client.transform.send(b"too late", &mut client.output), 0);
    exchange(&mut client, &mut server, usize::MAX).unwrap();
    assert_eq!(server.plaintext, b"the last words");
    assert!(server.transform.is_input_over());
    server.send(b"the answer");
    server.close();
    exchange(&mut client, &mut server, usize::MAX).unwrap();
    assert_eq!(client.plaintext, b"the answer");
    assert_eq!(client.transform.end_of_input(), Ok(()));
}

#[test]
fn an_end_without_a_word_is_told_apart() {
    let (mut client, mut server) = pair();
    assert_eq!(server.transform.end_of_input(), Err(Fault::Unfinished));
    assert!(!server.transform.has_begun());
    exchange(&mut client, &mut server, usize::MAX).unwrap();
    assert_eq!(server.transform.end_of_input(), Err(Fault::Truncated));
}

#[test]
fn bytes_that_were_changed_on_the_way_are_refused() {
    let (mut client, mut server) = connected();
    client.send(b"whole");
    client.send(b"changed");
    *client.output.last_mut().unwrap() ^= 1;
    let sent = std::mem::take(&mut client.output);
    assert!(matches!(server.receive(&sent), Err(Fault::Broken(_))));
    assert_eq!(server.plaintext, b"whole");
    assert!(matches!(client.receive(&server.output), Err(Fault::Refused(_))));
}

#[test]
fn one_byte_of_plaintext_is_enough_to_know_and_is_answered_with_an_alert() {
    for plaintext in [&b"a"[..], b"GET / HTTP/1.1\r\n\r\n", &[0; 64], &[0xff; 10_000]] {
        let (mut client, mut server) = pair();
        assert_eq!(server.receive(plaintext), Err(Fault::NotTls), "{plaintext:?}");
        client.transform.take_output(&mut client.output);
        let alert = std::mem::take(&mut server.output);
        assert_eq!(
            client.receive(&alert),
            Err(Fault::Refused("decode error".into())),
            "the alert is TLS"
        );
    }
    let (mut client, _) = pair();
    assert_eq!(client.receive(b"ECHO: hello\n"), Err(Fault::NotTls));
}

#[test]
fn hostile_records_end_in_a_fault_and_not_in_memory() {
    for record in [
        &[22, 3, 1, 0xff, 0xff][..],
        &[22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff],
        &[22, 9, 9, 0, 1, 0],
        &[23, 3, 3, 0, 1, 0],
        &[20, 3, 3, 0, 1, 1],
    ] {
        let (_, mut server) = pair();
        let flood = record.iter().copied().cycle().take(1 << 20).collect::<Vec<_>>();
        assert!(server.receive(&flood).is_err(), "{record:?}");
        assert!(server.plaintext.is_empty());
    }
}

#[test]
fn plaintext_before_the_end_of_the_handshake_waits_and_is_bounded() {
    let (mut client, mut server) = pair();
    let much = vec![7; 1 << 20];
    let taken = client.transform.send(&much, &mut client.output);
    assert!(taken < 100_000, "{taken}");
    exchange(&mut client, &mut server, usize::MAX).unwrap();
    assert_eq!(server.plaintext.len(), taken);
}

#[test]
fn a_session_is_resumed_only_by_a_client_that_wants_it() {
    let server = ServerTls::self_signed().unwrap();
    for resumes in [false, true] {
        let tls = trusting(&server, resumes);
        let resumed: Vec<bool> = (0..2)
            .map(|_| {
                let mut client = Side::new(tls.connect("localhost").unwrap());
                let mut server = Side::new(server.accept().unwrap());
                exchange(&mut client, &mut server, usize::MAX).unwrap();
                assert_eq!(client.transform.version(), Some("TLSv1.3"));
                assert_eq!(client.transform.is_resumed(), server.transform.is_resumed());
                client.transform.is_resumed()
            })
            .collect();
        assert_eq!(resumed, [false, resumes]);
    }
}

/// Certificates in a temporary directory.
struct Files {
    directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "an issuer");
        let issuer =
            CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let files = Self { directory: TempDir::new().unwrap(), issuer };
        files.write("ca.pem", files.issuer.pem());
        files
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A server for `name` until the end of `year`.
    fn server(&self, name: &str, year: i32) -> ServerTls {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2000, 1, 1);
        parameters.not_after = date_time_ymd(year, 12, 31);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let certificate = self.write("server.pem", certificate.pem());
        let key = self.write("server.key", key.serialize_pem());
        ServerTls::from_pem_files(&certificate, &key).unwrap()
    }

    /// The result of a client that trusts the issuer and connects to `localhost`.
    fn verdict(&self, server: &ServerTls) -> Result<(), Fault> {
        let trust = ServerTrust::Issuers(self.directory.path().join("ca.pem"));
        verdict(&ClientTls::new(&trust, false).unwrap(), server)
    }
}

fn verdict(client: &ClientTls, server: &ServerTls) -> Result<(), Fault> {
    let mut client = Side::new(client.connect("localhost").unwrap());
    let mut server = Side::new(server.accept().unwrap());
    exchange(&mut client, &mut server, usize::MAX)
}
