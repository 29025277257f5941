//! Failures, listed by kind and phase with the first of each kind.

use echo_net::Nanos;

use super::Ledger;
use crate::record::{FailureKind, FirstOffender, Phase};
use crate::rig::Asked;

impl Ledger {
    /// Lists a failure that ended no request.
    pub(crate) fn list(
        &mut self,
        kind: FailureKind,
        at: Nanos,
        first: impl FnOnce() -> FirstOffender,
    ) {
        let phase = self.phase(at);
        self.interval.errors.count(phase, kind, 1, 0, first);
    }

    /// Lists a failure that ends this request: it is of the phase of the request.
    pub(crate) fn list_of(
        &mut self,
        asked: &Asked,
        kind: FailureKind,
        at: Nanos,
        first: impl FnOnce() -> FirstOffender,
    ) {
        let belongs = self.belongs(asked, at);
        let phase = if belongs { Phase::Window } else { Phase::WarmUp };
        self.interval.errors.count(phase, kind, 1, belongs.into(), first);
    }

    /// Lists that a connection was lost, and so many requests of the window with it.
    pub(crate) fn list_loss(
        &mut self,
        kind: FailureKind,
        requests: u64,
        at: Nanos,
        first: impl FnOnce() -> FirstOffender,
    ) {
        let phase = if requests > 0 { Phase::Window } else { self.phase(at) };
        self.interval.errors.count(phase, kind, 1, requests, first);
    }

    /// Lists that a connection was not made.
    pub(in crate::rig) fn list_unmade(
        &mut self,
        connection: u32,
        kind: FailureKind,
        at: Nanos,
        detail: impl FnOnce() -> String,
    ) {
        self.list(kind, at, || FirstOffender::of_connection(connection, detail()));
    }

    /// The connection that was not made by `at`, and is listed, was for this request, which ends
    /// by that.
    pub(crate) fn list_wanted(&mut self, asked: &Asked, kind: FailureKind, at: Nanos) {
        if self.belongs(asked, at) {
            let phase = self.phase(at);
            self.interval.errors.claim(kind, phase);
        }
    }

    /// Lists so many requests of the window that end in this way; `detail` is made only for the
    /// first.
    pub(crate) fn list_ended(
        &mut self,
        connection: u32,
        kind: FailureKind,
        requests: u64,
        detail: impl FnOnce() -> String,
    ) {
        let first = || FirstOffender::of_connection(connection, detail());
        self.interval.errors.count(Phase::Window, kind, requests, requests, first);
    }
}
