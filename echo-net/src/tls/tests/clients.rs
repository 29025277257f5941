//! Client certificates: who is let in, and what both sides say of who is not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rcgen::{DnType, ExtendedKeyUsagePurpose, Issuer};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

use super::*;

impl Files {
    /// The certificate and key of a client, as files `name.pem` and `name.key`.
    fn client(
        &self,
        name: &str,
        years: [i32; 2],
        parameters: CertificateParams,
    ) -> [PathBuf; 2] {
        let key = KeyPair::generate().unwrap();
        let mut parameters = parameters;
        parameters.not_before = date_time_ymd(years[0], 1, 1);
        parameters.not_after = date_time_ymd(years[1], 12, 31);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        [
            self.write(&format!("{name}.pem"), certificate.pem()),
            self.write(&format!("{name}.key"), key.serialize_pem()),
        ]
    }

    fn good_client(&self) -> ClientIdentity {
        identity(&self.client("client", [2000, 2400], CertificateParams::default()))
    }

    /// A server that requires certificates by the issuer.
    fn requiring(&self) -> ServerTls {
        let own = ServerTls::self_signed().unwrap();
        own.requiring_clients(&self.directory.path().join("ca.pem")).unwrap()
    }
}

fn identity(files: &[PathBuf; 2]) -> ClientIdentity {
    ClientIdentity::from_pem_files(&files[0], &files[1]).unwrap()
}

/// A client with or without a certificate, which trusts the server.
fn client(server: &ServerTls, identity: Option<&ClientIdentity>, resumes: bool) -> ClientTls {
    let trust = ServerTrust::Certificate(server.fingerprint());
    ClientTls::with_identity(&trust, resumes, identity).unwrap()
}

/// What server and client say of the connection, on which the client sends data at once. None of
/// it may arrive unless both are content.
fn verdicts(client: &ClientTls, server: &ServerTls) -> [Result<(), Fault>; 2] {
    let mut client = Side::new(client.connect("localhost").unwrap());
    let mut server = Side::new(server.accept().unwrap());
    client.send(b"secret");
    client.transform.take_output(&mut client.output);
    let mut verdicts = [Ok(()), Ok(())];
    while !(client.output.is_empty() && server.output.is_empty()) {
        let sent = std::mem::take(&mut client.output);
        verdicts[0] = verdicts[0].clone().and(server.receive(&sent));
        let sent = std::mem::take(&mut server.output);
        verdicts[1] = verdicts[1].clone().and(client.receive(&sent));
    }
    let expected = if verdicts[0].is_ok() { &b"secret"[..] } else { b"" };
    assert_eq!(server.plaintext, expected);
    verdicts
}

#[track_caller]
fn both_say(server: &ServerTls, client: &ClientTls, by_server: &str, by_client: &str) {
    let said = verdicts(client, server).map(|verdict| verdict.unwrap_err().to_string());
    assert_eq!(said, [by_server, by_client]);
}

#[test]
fn a_client_by_the_trusted_authority_is_let_in() {
    let files = Files::new();
    let (server, own) = (files.requiring(), files.good_client());
    let client = client(&server, Some(&own), false);
    assert!(client.has_unasked_certificate());
    assert_eq!(verdicts(&client, &server), [Ok(()), Ok(())]);
    assert!(!client.has_unasked_certificate() && server.requires_clients());
    // A server that asks nobody is content with it, too.
    let open = ServerTls::self_signed().unwrap();
    let client = self::client(&open, Some(&own), false);
    assert_eq!(verdicts(&client, &open), [Ok(()), Ok(())]);
    assert!(client.has_unasked_certificate());
}

#[test]
fn who_is_not_let_in_learns_why_and_the_server_says_it() {
    let (files, elsewhere) = (Files::new(), Files::new());
    let server = files.requiring();
    both_say(
        &server,
        &client(&server, None, false),
        "the client sent no certificate (--client-ca requires one)",
        "the server requires a client certificate (TLS alert: certificate required; set one with \
         --cert and --key)",
    );
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, "another issuer");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let unknown =
        CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let by_unknown = CertificateParams::default().signed_by(&key, &unknown).unwrap();
    let by_unknown = identity(&[
        files.write("unknown.pem", by_unknown.pem()),
        files.write("unknown.key", key.serialize_pem()),
    ]);
    both_say(
        &server,
        &client(&server, Some(&by_unknown), false),
        "the client's certificate is from an unknown authority (not one of --client-ca)",
        "the server refused the client certificate: it does not trust the issuer (TLS alert: \
         unknown CA; check --cert and --key)",
    );
    both_say(
        &server,
        &client(&server, Some(&elsewhere.good_client()), false),
        "the client's certificate is not signed by the authority of that name in --client-ca",
        "the server refused the client certificate (TLS alert: decrypt error; check --cert and \
         --key)",
    );
    let late = files.client("late", [2000, 2001], CertificateParams::default());
    let [by_server, by_client] =
        verdicts(&client(&server, Some(&identity(&late)), false), &server)
            .map(Result::unwrap_err);
    assert!(
        matches!(by_server, Fault::Client(ClientFault::Expired { days: Some(1000..) })),
        "{by_server}"
    );
    assert!(by_server.to_string().starts_with("the client's certificate expired "));
    assert_eq!(
        by_client.to_string(),
        "the server refused the client certificate: it has expired or is not valid yet (TLS \
         alert: certificate expired; check --cert and --key)"
    );
    let early = files.client("early", [2300, 2400], CertificateParams::default());
    let [by_server, _] = verdicts(&client(&server, Some(&identity(&early)), false), &server);
    assert_eq!(by_server, Err(ClientFault::NotValidYet.into()));
    let mut of_server = CertificateParams::default();
    of_server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let of_server = files.client("purpose", [2000, 2400], of_server);
    both_say(
        &server,
        &client(&server, Some(&identity(&of_server)), false),
        "the client's certificate is not for clients (its extended key usage lacks clientAuth)",
        "the server refused the client certificate: it is not for clients (TLS alert: \
         unsupported certificate; check --cert and --key)",
    );
}

#[test]
fn a_given_certificate_may_be_the_client_s_own_even_if_it_calls_itself_an_issuer() {
    let files = Files::new();
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let own = files.write("own.pem", parameters.self_signed(&key).unwrap().pem());
    let key = files.write("own.key", key.serialize_pem());
    let identity = identity(&[own.clone(), key]);
    let server = ServerTls::self_signed().unwrap().requiring_clients(&own).unwrap();
    assert_eq!(verdicts(&client(&server, Some(&identity), false), &server), [Ok(()), Ok(())]);
    let server = files.requiring();
    let [by_server, _] = verdicts(&client(&server, Some(&identity), false), &server);
    assert_eq!(by_server, Err(ClientFault::UnknownIssuer.into()), "nobody named it");
}

#[test]
fn only_a_client_that_has_shown_its_certificate_resumes_a_session() {
    let files = Files::new();
    let (server, own) = (files.requiring(), files.good_client());
    let client = client(&server, Some(&own), true);
    let resumed: Vec<bool> = (0..2)
        .map(|_| {
            let mut client = Side::new(client.connect("localhost").unwrap());
            let mut server = Side::new(server.accept().unwrap());
            exchange(&mut client, &mut server, usize::MAX).unwrap();
            client.transform.is_resumed()
        })
        .collect();
    assert_eq!(resumed, [false, true]);
    let other = self::client(&server, None, true);
    for _ in 0..2 {
        let [by_server, _] = verdicts(&other, &server);
        assert_eq!(by_server, Err(ClientFault::Missing.into()));
    }
    // A ticket is of use only at the server that has seen the certificate.
    let elsewhere = Files::new();
    let trust = ServerTrust::Anyone;
    let tls = ClientTls::with_identity(&trust, true, Some(&own)).unwrap();
    assert_eq!(verdicts(&tls, &server), [Ok(()), Ok(())]);
    assert_eq!(verdicts(&tls, &elsewhere.requiring())[0], Err(ClientFault::WrongIssuer.into()));
}

/// Under TLS 1.3 the client believes itself let in before the server has seen its certificate, so
/// what ends the connection then may be anything.
#[test]
fn a_connection_that_just_ends_is_no_refusal_of_a_certificate() {
    let files = Files::new();
    let server = files.requiring();
    for own in [None, Some(files.good_client())] {
        let tls = client(&server, own.as_ref(), false);
        let mut client = Side::new(tls.connect("localhost").unwrap());
        client.transform.take_output(&mut client.output);
        assert_eq!(client.transform.end_of_input(), Err(Fault::Unfinished));
        let mut side = Side::new(server.accept().unwrap());
        side.receive(&std::mem::take(&mut client.output)).unwrap();
        client.receive(&side.output).unwrap();
        assert!(!client.transform.is_handshaking() && !tls.has_unasked_certificate());
        assert_eq!(client.transform.end_of_input(), Err(Fault::Truncated));
    }
}

/// The clock of a server, which can be put forward.
#[derive(Debug, Default)]
struct Clock(AtomicU64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let ahead = Duration::from_secs(self.0.load(Ordering::Relaxed));
        Some(UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + ahead))
    }
}

/// `SECURITY.md` says so.
#[test]
fn a_resumed_session_is_not_verified_again_and_may_be_resumed_again() {
    let files = Files::new();
    let clock = Arc::new(Clock::default());
    let server = files.requiring().with_clock(Arc::clone(&clock) as _);
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::default();
    parameters.not_after = (SystemTime::now() + Duration::from_mins(30)).into();
    let certificate = parameters.signed_by(&key, &files.issuer).unwrap();
    let own = identity(&[
        files.write("short.pem", certificate.pem()),
        files.write("short.key", key.serialize_pem()),
    ]);
    let connects = |tls: &ClientTls| {
        let mut client = Side::new(tls.connect("localhost").unwrap());
        let mut server = Side::new(server.accept().unwrap());
        exchange(&mut client, &mut server, usize::MAX).map(|()| client.transform.is_resumed())
    };
    let resuming = client(&server, Some(&own), true);
    assert_eq!(connects(&resuming), Ok(false));
    clock.0.store(60 * 60, Ordering::Relaxed);
    let expired = connects(&client(&server, Some(&own), false)).unwrap_err();
    assert!(matches!(expired, Fault::Client(ClientFault::Expired { .. })), "{expired}");
    for _ in 0..3 {
        assert_eq!(connects(&resuming), Ok(true));
    }
}

/// Whoever holds the key of such a certificate could let others in.
#[test]
fn a_given_certificate_of_no_authority_stands_for_itself_only() {
    let (files, elsewhere) = (Files::new(), Files::new());
    let [leaf, leaf_key] = elsewhere.client("a", [2000, 2400], CertificateParams::default());
    let leaf_text = fs::read_to_string(&leaf).unwrap();
    let both = files.write("both.pem", [files.issuer.pem(), leaf_text.clone()].concat());
    let server = ServerTls::self_signed().unwrap().requiring_clients(&both).unwrap();
    let [warning] = server.warnings() else { panic!("{:?}", server.warnings()) };
    for part in ["--client-ca ", "both.pem line ", "not a CA certificate", "for itself only"] {
        assert!(warning.contains(part), "{warning}: no `{part}`");
    }
    let own = identity(&[leaf.clone(), leaf_key.clone()]);
    assert_eq!(verdicts(&client(&server, Some(&own), false), &server), [Ok(()), Ok(())]);
    let own = files.good_client();
    assert_eq!(verdicts(&client(&server, Some(&own), false), &server), [Ok(()), Ok(())]);

    let key = KeyPair::generate().unwrap();
    let leaf_key = KeyPair::from_pem(&fs::read_to_string(&leaf_key).unwrap()).unwrap();
    let of_leaf = CertificateParams::default();
    let by_leaf = Issuer::from_params(&of_leaf, leaf_key);
    let by_leaf = CertificateParams::default().signed_by(&key, &by_leaf).unwrap();
    let by_leaf = identity(&[
        files.write("by-leaf.pem", [by_leaf.pem(), leaf_text].concat()),
        files.write("by-leaf.key", key.serialize_pem()),
    ]);
    let [by_server, _] = verdicts(&client(&server, Some(&by_leaf), false), &server);
    assert!(matches!(by_server, Err(Fault::Client(_))), "{by_server:?}");

    // An expired one is judged by what it is, and not by its dates.
    for years in [[2000, 2400], [2000, 2001], [2300, 2400]] {
        let [leaf, _] = files.client("leaf", years, CertificateParams::default());
        let required = ServerTls::self_signed().unwrap().requiring_clients(&leaf);
        let error = required.unwrap_err().to_string();
        for part in ["--client-ca ", "leaf.pem line 1", "not a CA certificate", "openssl req"] {
            assert!(error.contains(part), "{error}: no `{part}`");
        }
    }
}

#[test]
fn a_client_s_file_that_is_no_good_is_named_with_its_flag_and_what_is_wrong() {
    let files = Files::new();
    let [certificate, key] = files.client("a", [2000, 2400], CertificateParams::default());
    let own = fs::read_to_string(&certificate).unwrap();
    files.write("other.key", KeyPair::generate().unwrap().serialize_pem());
    files.write(
        "encrypted.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    files.write("order.pem", [files.issuer.pem(), own].concat());
    let path = |name: &str| files.directory.path().join(name);
    for (certificate, key, said) in [
        ("none.pem", "a.key", ["--cert ", "none.pem", "No such file"]),
        ("a.key", "a.key", ["--cert ", "a.key", "no certificate found"]),
        ("a.pem", "a.pem", ["--key ", "a.pem", "no private key found"]),
        (
            "a.pem",
            "other.key",
            ["--key ", "does not match the certificate in --cert ", "a.pem"],
        ),
        ("a.pem", "encrypted.key", ["--key ", "an encrypted private key", "openssl pkey"]),
        ("order.pem", "a.key", ["--cert ", "the client's certificate comes first", "--key "]),
    ] {
        let error = ClientIdentity::from_pem_files(&path(certificate), &path(key)).unwrap_err();
        let error = error.to_string();
        for part in said {
            assert!(error.contains(part), "{error}: no `{part}`");
        }
    }
    let required = |file| ServerTls::self_signed().unwrap().requiring_clients(file);
    let error = required(&key).unwrap_err().to_string();
    assert!(error.starts_with("--client-ca ") && error.contains("no certificate"), "{error}");
    let late = files.client("late", [2000, 2001], CertificateParams::default());
    let trust = ServerTrust::Anyone;
    let tls = ClientTls::with_identity(&trust, false, Some(&identity(&late))).unwrap();
    let [warning] = tls.warnings() else { panic!("{:?}", tls.warnings()) };
    assert!(warning.starts_with("servers will refuse --cert "), "{warning}");
    assert!(warning.contains("late.pem: the client's certificate expired "), "{warning}");
}

#[test]
fn a_server_that_trusts_very_many_authorities_does_not_name_them_all() {
    let files = Files::new();
    let mut bundle = files.issuer.pem();
    for number in 0..200 {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("{number} {}", "x".repeat(400));
        parameters.distinguished_name.push(DnType::OrganizationName, name);
        let key = KeyPair::generate().unwrap();
        bundle += &parameters.self_signed(&key).unwrap().pem();
    }
    let bundle = files.write("bundle.pem", bundle);
    let server = ServerTls::self_signed().unwrap().requiring_clients(&bundle).unwrap();
    let client = client(&server, Some(&files.good_client()), false);
    assert_eq!(verdicts(&client, &server), [Ok(()), Ok(())]);
}

#[test]
fn a_handshake_failure_of_tls_1_2_is_about_the_certificate_only_if_one_was_asked_for() {
    let own = client_certificate::OwnCertificate::new(None);
    let failure = rustls::AlertDescription::HandshakeFailure;
    assert_eq!(own.refused(failure), None);
    rustls::client::ResolvesClientCert::resolve(&*own, &[], &[]);
    let said = own.refused(failure).unwrap().to_string();
    assert!(said.starts_with("the server requires a client certificate"), "{said}");
    assert!(said.contains("handshake failure"), "{said}");
}
