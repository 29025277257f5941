//! Certificate files of every kind: [`Certificates`].

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tempfile::TempDir;

/// A CA, and certificates that it has issued, in a temporary directory.
pub(crate) struct Certificates {
    directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().expect("room for a directory");
        let key = KeyPair::generate().expect("random numbers");
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Each CA has a unique name.
        let name = directory.path().display().to_string();
        parameters.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(parameters, key).expect("a certificate");
        let certificates = Self { directory, issuer };
        certificates.write("issuer.pem", &certificates.issuer.pem());
        certificates
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.directory.path().join(name), text).expect("room for a file");
        self.path(name)
    }

    fn path(&self, name: &str) -> String {
        let path: &Path = self.directory.path();
        path.join(name).to_str().expect("a temporary directory in ASCII").to_owned()
    }

    /// The file of the issuer's certificate.
    pub(crate) fn issuer(&self) -> String {
        self.path("issuer.pem")
    }

    /// The flags of a server named `name`, valid until the end of `year`.
    pub(crate) fn flags(&self, name: &str, year: i32) -> [String; 4] {
        let key = KeyPair::generate().expect("random numbers");
        let mut parameters = CertificateParams::new([name.to_owned()]).expect("a good name");
        parameters.not_before = date_time_ymd(2000, 1, 1);
        parameters.not_after = date_time_ymd(year, 12, 31);
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        let certificate = self.write("server.pem", &certificate.pem());
        let key = self.write("server.key", &key.serialize_pem());
        ["--tls-cert".into(), certificate, "--tls-key".into(), key]
    }

    /// The flags of a client with a certificate that is valid until the end of `year`.
    pub(crate) fn client_flags(&self, year: i32) -> [String; 4] {
        let key = KeyPair::generate().expect("random numbers");
        let mut parameters = CertificateParams::default();
        parameters.not_before = date_time_ymd(2000, 1, 1);
        parameters.not_after = date_time_ymd(year, 12, 31);
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        let certificate = self.write(&format!("client{year}.pem"), &certificate.pem());
        let key = self.write(&format!("client{year}.key"), &key.serialize_pem());
        ["--cert".into(), certificate, "--key".into(), key]
    }
}
