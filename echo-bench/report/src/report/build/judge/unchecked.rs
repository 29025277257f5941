//! What the TLS handshakes of a run did not check: [`unchecked`].

use echo_bench_engine::RunRecord;
use echo_bench_engine::plan::{Plan, Trust};

use crate::report::verdict::Finding;

/// Who was not verified, although TLS could have done so or was asked to.
pub(super) fn unchecked(plan: &Plan, record: &RunRecord) -> impl Iterator<Item = Finding> {
    let anyone = plan.tls.as_ref().is_some_and(|tls| tls.trust == Trust::Anyone);
    let server = anyone.then_some(Finding::Unverified);
    let client = record.unasked_certificate.then_some(Finding::UnaskedCertificate);
    server.into_iter().chain(client)
}
