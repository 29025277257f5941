//! What a server has counted until now, [`Snapshot`]: of one process, or the sum over several.

use std::ops::AddAssign;

use echo_net::socket::EffectiveOptions;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::admission::{Admission, Refusal};
use crate::counters::{ChatServed, Counters, TlsServed, WorkerSoFar};
use crate::ending::Ending;
use crate::limits::LimitsServed;

/// See the [module](self).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// Connections admitted.
    pub connections: u64,
    /// Connections aborted by a stop.
    pub cut: u64,
    /// Connections ended at other limits.
    pub limits: LimitsServed,
    /// Connections that could not be accepted.
    pub failures: u64,
    /// Each worker.
    pub workers: Vec<WorkerSoFar>,
    /// TLS.
    pub tls: TlsServed,
    /// Chat.
    pub chat: ChatServed,
    /// Options of the first connection.
    pub first_options: Option<EffectiveOptions>,
    /// As [`refusals`](Self::refusals) has them.
    pub refusals: [u64; Refusal::VARIANTS.len()],
    /// As [`endings`](Self::endings) has them.
    pub endings: [u64; Ending::VARIANTS.len()],
}

impl Snapshot {
    /// Of this process, as of now.
    pub(crate) fn of(admission: &Admission, counters: &Counters) -> Self {
        let (mut refusals, mut endings) = ([0; _], [0; _]);
        for (refusal, count) in admission.refusals() {
            refusals[refusal as usize] = count;
        }
        for (ending, count) in admission.endings().read() {
            endings[ending as usize] = count;
        }
        Self {
            connections: admission.accepted(),
            cut: admission.cut(),
            limits: admission.limits().read(),
            failures: admission.failures(),
            workers: counters.workers(),
            tls: counters.tls().read(),
            chat: counters.chat().read(),
            first_options: admission.first_options().copied(),
            refusals,
            endings,
        }
    }

    /// All workers together.
    pub(crate) fn total(&self) -> WorkerSoFar {
        self.workers.iter().sum()
    }

    /// Connections refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refusals.iter().sum()
    }

    /// The same by reason.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (Refusal, u64)> {
        Refusal::VARIANTS.iter().copied().zip(self.refusals)
    }

    /// Connections that have ended, by reason.
    pub(crate) fn endings(&self) -> impl Iterator<Item = (Ending, u64)> {
        Ending::VARIANTS.iter().copied().zip(self.endings)
    }
}

/// Adds the workers of another process after those that are there.
impl AddAssign for Snapshot {
    fn add_assign(&mut self, more: Self) {
        self.connections += more.connections;
        self.cut += more.cut;
        self.limits += more.limits;
        self.failures += more.failures;
        self.workers.extend(more.workers);
        self.tls += more.tls;
        self.chat += more.chat;
        self.first_options = self.first_options.or(more.first_options);
        for (count, more) in self.refusals.iter_mut().zip(more.refusals) {
            *count += more;
        }
        for (count, more) in self.endings.iter_mut().zip(more.endings) {
            *count += more;
        }
    }
}
