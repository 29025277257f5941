//! What became of the connections of a pool: [`PoolReport`], each count declared once.

use std::ops::AddAssign;

use echo_client::pool::PoolCounts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A count's meaning, field, where the pool has it, and its label, in the order of showing.
macro_rules! counts {
    ($( #[doc = $meaning:literal] $field:ident: $($source:ident).+, $label:literal; )*) => {
        /// Connections of a pool, set-up and warm-up included. How long requests waited for one
        /// is part of `latency.wait`; how long they took to make is `latency.connect`, and
        /// `set_up.connect` of those that were made before the load.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema,
        )]
        pub struct PoolReport {
            $( #[doc = $meaning] pub $field: u64, )*
        }

        impl From<PoolCounts> for PoolReport {
            fn from(counts: PoolCounts) -> Self {
                Self { $( $field: counts.$($source).+, )* }
            }
        }

        impl AddAssign<&Self> for PoolReport {
            fn add_assign(&mut self, other: &Self) {
                $( self.$field += other.$field; )*
            }
        }

        impl PoolReport {
            /// Every count with its label.
            fn all(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$( ($label, self.$field), )*].into_iter()
            }
        }
    };
}

counts! {
    /// Made.
    created: created, "made";
    /// Given out again after they had been used.
    reused: reused, "reused";
    /// Not used again, as the server had closed them.
    discarded_closed: discarded.closed, "closed by the server";
    /// Not used again, as bytes had arrived that nobody had asked for.
    discarded_unsolicited: discarded.unsolicited, "with unsolicited bytes";
    /// Not used again, as they had idled for too long.
    discarded_idle: discarded.idle, "idle for too long";
    /// Not used again, as they had served their number of requests.
    discarded_used: discarded.used, "used up";
    /// Not used again, as a request on them had failed or was given up.
    discarded_broken: discarded.broken, "broken";
    /// Could not be made.
    connect_failures: connect_failures, "could not be made";
    /// Callers who got none in time, as all were in use.
    wait_timeouts: wait_timeouts, "not free in time";
}

impl PoolReport {
    /// Every count that is worth a word, with its label: those that are not 0, and how many
    /// were made and reused in any case.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        let counts = self.all().enumerate();
        counts.filter(|(place, (_, count))| *place < 2 || *count > 0).map(|(_, count)| count)
    }
}
