use std::fs::File;

use tempfile::TempDir;

use super::*;

/// The error for the key in a file that contains `text`.
fn refused(text: &str) -> String {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.key");
    std::fs::write(&path, text).unwrap();
    let error = PemFile::read("--tls-key", &path).and_then(|file| file.key()).unwrap_err();
    error.to_string().replace(folder.path().to_str().unwrap(), "")
}

fn block(label: &str, body: &str) -> String {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

#[test]
fn keys_that_nothing_can_be_done_with_are_told_apart() {
    let traditional = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA";
    // SEQUENCE { INTEGER 0, SEQUENCE { ecPublicKey, secp521r1 }, OCTET STRING }.
    let p521 = "MBkCAQAwEAYHKoZIzj0CAQYFK4EEACMEAgAA";
    let supported = "is not supported (use ECDSA on P-256 or P-384, Ed25519, or RSA of 2048 to \
                     8192 bits)";
    for (text, said) in [
        (
            block("RSA PRIVATE KEY", traditional),
            "line 1: an encrypted private key, RSA PRIVATE KEY (decrypt it: openssl pkey -in \
             FILE -out PLAIN_FILE)"
                .to_owned(),
        ),
        (
            format!("\n\n{}", block("ENCRYPTED PRIVATE KEY", "AAAA")),
            "line 3: an encrypted private key, ENCRYPTED PRIVATE KEY (decrypt it: openssl pkey \
             -in FILE -out PLAIN_FILE)"
                .to_owned(),
        ),
        (
            block("PRIVATE KEY", p521),
            format!("line 1: a private key on the curve P-521 {supported}"),
        ),
        (
            block("OPENSSH PRIVATE KEY", "AAAA"),
            format!("line 1: this kind of private key (OPENSSH PRIVATE KEY) {supported}"),
        ),
        (
            block("PRIVATE KEY", "AAAA"),
            format!("line 1: this kind of private key (PRIVATE KEY) {supported}"),
        ),
    ] {
        assert_eq!(refused(&text), format!("--tls-key /a.key {said}"));
    }
}

#[test]
fn what_is_there_instead_is_named() {
    let parts = [block("CERTIFICATE", "AAAA"), block("DH PARAMETERS", "AAAA")];
    let said = "--tls-key /a.key: no private key found (expected PEM, with a line \
                -----BEGIN PRIVATE KEY-----; found: CERTIFICATE (line 1), DH PARAMETERS \
                (line 4))";
    assert_eq!(refused(&parts.concat()), said);
    let many = refused(&parts.concat().repeat(9));
    assert!(many.ends_with("(line 10), more)"), "{many}");
}

#[test]
fn a_file_without_an_end_is_not_read_to_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("large.pem");
    File::create(&path).unwrap().set_len(MOST_BYTES + 1).unwrap();
    let error = PemFile::read("--cacert", &path).err().unwrap().to_string();
    assert!(error.ends_with("large.pem: too large for PEM"), "{error}");
}
