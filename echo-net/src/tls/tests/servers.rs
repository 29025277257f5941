//! Certificates of servers: which a client trusts, and what it says of the others.

use super::*;

#[test]
fn a_certificate_is_refused_with_the_cause() {
    let files = Files::new();
    let good = files.server("localhost", 2400);
    assert_eq!(files.verdict(&good), Ok(()));
    assert_eq!(good.doubt(), None);
    assert_eq!(Files::new().verdict(&good), Err(Fault::WrongIssuer), "the name is the same");
    let self_signed = ServerTls::self_signed().unwrap();
    assert_eq!(files.verdict(&self_signed), Err(Fault::UnknownIssuer));
    assert_eq!(
        files.verdict(&files.server("example.org", 2400)),
        Err(Fault::WrongName { expected: "localhost".into(), presented: "example.org".into() })
    );
    let expired = files.server("localhost", 2001);
    assert!(matches!(files.verdict(&expired), Err(Fault::Expired { days: Some(1000..) })));
    assert!(matches!(expired.doubt(), Some(Fault::Expired { .. })));
}

#[test]
fn no_terminal_obeys_a_name_in_a_certificate() {
    let files = Files::new();
    for name in ["a\u{1b}[2Jb.test", "a\r\nb.test", "a\u{7}b\u{7f}.test"] {
        let said = files.verdict(&files.server(name, 2400)).unwrap_err().to_string();
        assert!(!said.contains(char::is_control), "{}", said.escape_debug());
        assert!(said.contains("not for localhost"), "{said}");
    }
}

#[test]
fn a_named_certificate_may_be_the_server_s_own_even_if_it_calls_itself_an_issuer() {
    for (name, expected) in [("localhost", Ok(())), ("example.org", Err("not for localhost"))] {
        for is_ca in [IsCa::Ca(BasicConstraints::Unconstrained), IsCa::NoCa] {
            let files = Files::new();
            let key = KeyPair::generate().unwrap();
            let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
            parameters.is_ca = is_ca;
            let own = files.write("own.pem", parameters.self_signed(&key).unwrap().pem());
            let key = files.write("own.key", key.serialize_pem());
            let server = ServerTls::from_pem_files(&own, &key).unwrap();
            assert_eq!(files.verdict(&server), Err(Fault::UnknownIssuer), "nobody named it");
            let trust = ServerTrust::Issuers(own);
            let said = verdict(&ClientTls::new(&trust, false).unwrap(), &server);
            match expected {
                Ok(()) => assert_eq!(said, Ok(())),
                Err(part) => assert!(said.unwrap_err().to_string().contains(part)),
            }
        }
    }
}

#[test]
fn only_the_expected_certificate_is_trusted_and_anyone_s_where_asked() {
    let (one, other) = (ServerTls::self_signed().unwrap(), ServerTls::self_signed().unwrap());
    assert_eq!(one.doubt(), None);
    assert_eq!(verdict(&trusting(&one, false), &one), Ok(()));
    assert_eq!(verdict(&trusting(&one, false), &other), Err(Fault::WrongFingerprint));
    let anyone = ClientTls::new(&ServerTrust::Anyone, false).unwrap();
    assert_eq!(verdict(&anyone, &other), Ok(()));
    let fault = verdict(&trusting(&one, false), &other).unwrap_err();
    assert!(fault.is_about_certificate(), "{fault}");
}

#[test]
fn a_file_that_is_no_good_is_named_with_its_flag_and_what_is_wrong() {
    let files = Files::new();
    let _ = files.server("localhost", 2400);
    let path = |name: &str| files.directory.path().join(name);
    files.write("empty.pem", "");
    files.write("broken.pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    files.write("other.key", KeyPair::generate().unwrap().serialize_pem());
    for (certificate, key, said) in [
        ("none.pem", "server.key", ["--tls-cert", "none.pem", "No such file"]),
        ("empty.pem", "server.key", ["--tls-cert", "empty.pem", "no certificate"]),
        ("broken.pem", "server.key", ["--tls-cert", "broken.pem", "broken PEM"]),
        ("server.key", "server.key", ["--tls-cert", "server.key", "no certificate"]),
        ("server.pem", "server.pem", ["--tls-key", "server.pem", "no private key"]),
        ("server.pem", "other.key", ["--tls-key", "other.key", "does not match"]),
    ] {
        let error = ServerTls::from_pem_files(&path(certificate), &path(key)).unwrap_err();
        let error = error.to_string();
        for part in said {
            assert!(error.contains(part), "{error}: no `{part}`");
        }
    }
    let trust = ServerTrust::Issuers(path("server.key"));
    let error = ClientTls::new(&trust, false).unwrap_err().to_string();
    assert!(error.contains("--cacert") && error.contains("no certificate"), "{error}");
}

#[test]
fn a_chain_that_is_too_long_is_refused_in_words_on_both_sides() {
    let files = Files::new();
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let own = parameters.signed_by(&key, &files.issuer).unwrap();
    let issuers = files.issuer.pem().repeat(300);
    let chain = files.write("chain.pem", [own.pem(), issuers].concat());
    let private = files.write("chain.key", key.serialize_pem());
    let error = ServerTls::from_pem_files(&chain, &private).unwrap_err().to_string();
    for part in ["--tls-cert", "chain.pem: 301 certificates", "64 KiB", "keep the server's"] {
        assert!(error.contains(part), "{error}: no `{part}`");
    }
    let ders = [vec![own.der().clone()], vec![files.issuer.der().clone(); 300]].concat();
    let key = rustls::pki_types::PrivateKeyDer::from(key);
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let certified = Arc::new(rustls::sign::CertifiedKey::new(ders, key));
    let server = ServerTls::new(identity::Identity { certified, warnings: vec![] }).unwrap();
    let anyone = ClientTls::new(&ServerTrust::Anyone, false).unwrap();
    for length in [1000, usize::MAX] {
        let mut client = Side::new(anyone.connect("localhost").unwrap());
        let mut server = Side::new(server.accept().unwrap());
        let fault = exchange(&mut client, &mut server, length).unwrap_err();
        assert_eq!(fault, Fault::TooLong);
        assert!(fault.to_string().contains("certificate chain"), "{fault}");
    }
}

#[test]
fn a_fingerprint_is_read_as_it_is_shown() {
    let fingerprint = ServerTls::self_signed().unwrap().fingerprint();
    let shown = fingerprint.to_string();
    assert_eq!(shown.len(), 95);
    assert_eq!(shown.parse(), Ok(fingerprint));
    for wrong in ["", "AB", &shown[1..], &format!("{shown}:00"), &shown.replace(':', "")] {
        assert_eq!(wrong.parse::<Fingerprint>(), Err(InvalidFingerprint), "{wrong}");
    }
}

#[test]
fn the_zone_of_an_address_is_not_looked_for_in_the_certificate() {
    let client = ClientTls::new(&ServerTrust::Anyone, false).unwrap();
    for (name, fits) in [("fe80::1%eth0", true), ("fe80::1", true), ("host%eth0", false)] {
        assert_eq!(client.connect(name).is_ok(), fits, "{name}");
    }
}
