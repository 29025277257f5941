//! A NATS server whose users have credentials of an account: [`Accounts`], as `nsc` makes them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// An operator with an account for the server, and one that has a store.
pub(super) struct Accounts {
    operator: KeyPair,
    system: KeyPair,
    account: KeyPair,
}

impl Accounts {
    pub(super) fn new() -> Self {
        let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
        Self { operator, system: KeyPair::new_account(), account }
    }

    /// The configuration of a server that knows them.
    pub(super) fn configuration(&self) -> String {
        let operator = json!({"type": "operator", "version": 2});
        let operator = token(&self.operator, &self.operator, &operator);
        let accounts = [(&self.system, 0), (&self.account, -1)].map(|(account, storage)| {
            let limits = json!({
                "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
                "wildcards": true, "conn": -1, "leaf": -1,
                "mem_storage": storage, "disk_storage": storage, "streams": -1, "consumer": -1,
            });
            let claims = json!({
                "limits": limits, "default_permissions": {"pub": {}, "sub": {}},
                "type": "account", "version": 2,
            });
            format!("{}: {}", account.public_key(), token(&self.operator, account, &claims))
        });
        format!(
            "operator: {operator}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n{}\n}}\n",
            self.system.public_key(),
            accounts.join("\n"),
        )
    }

    /// A file of credentials, for a new user of the account.
    pub(super) fn credentials(&self) -> String {
        let user = KeyPair::new_user();
        let claims = json!({
            "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1,
            "type": "user", "version": 2,
        });
        let token = token(&self.account, &user, &claims);
        let seed = user.seed().expect("it was made here");
        format!(
            "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    }
}

/// What `issuer` says of `subject`, signed.
fn token(issuer: &KeyPair, subject: &KeyPair, claims: &Value) -> String {
    let encoded = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let head = encoded(json!({"typ": "JWT", "alg": "ed25519-nkey"}));
    let body = encoded(json!({
        "jti": subject.public_key(), "iat": 1_700_000_000, "iss": issuer.public_key(),
        "name": "test", "sub": subject.public_key(), "nats": claims,
    }));
    let signature = issuer.sign(format!("{head}.{body}").as_bytes()).expect("it has a seed");
    format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode(signature))
}
