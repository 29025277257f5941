//! Counts of requests by how they ended, each declared once, below: [`Tally`], what a thread
//! counts, and [`Requests`], the part of it that a report has. Every scheduled request ends in
//! exactly one [`Ending`].

use std::ops::AddAssign;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How requests can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Its field in JSON.
    pub name: &'static str,
    /// What people read.
    pub label: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Whether the request did not get its reply.
    pub is_failure: bool,
}

/// A count's field, type, label and meaning, from which everything that lists counts is made:
/// `endings` are parts of `scheduled`, `moved` are counted beside them, and `kept` are fields of
/// JSON that nothing counts any more.
macro_rules! counts {
    (
        endings { $( #[doc = $meaning:literal] $ending:ident: $label:literal, $failure:literal; )* }
        moved { $( $(#[$about_moved:meta])* $moved:ident; )* }
        kept { $( $(#[$about_kept:meta])* $kept:ident; )* }
    ) => {
        /// How the requests of the measured window ended, and what they moved.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        pub struct Tally {
            /// Fell due (open loop) or were sent (closed loop) within the window.
            pub scheduled: u64,
            $( #[doc = $meaning] pub $ending: u64, )*
            $( $(#[$about_moved])* pub $moved: u64, )*
        }

        /// Requests by how they ended.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema,
        )]
        pub struct Requests {
            /// Fell due (open loop) or were sent (closed loop) within the window.
            pub scheduled: u64,
            $( #[doc = $meaning] pub $ending: u64, )*
            $( $(#[$about_kept])* pub $kept: u64, )*
        }

        impl Tally {
            /// The part of it that a report has.
            pub fn requests(&self) -> Requests {
                let Self { scheduled, $( $ending, )* .. } = *self;
                Requests { scheduled, $( $ending, )* $( $kept: 0, )* }
            }

            /// Every count.
            pub fn counts(&self) -> impl Iterator<Item = u64> + use<> {
                [self.scheduled, $( self.$ending, )* $( self.$moved, )*].into_iter()
            }
        }

        impl Requests {
            /// Every ending with its count, success first. Together they are `scheduled`.
            pub fn endings(&self) -> impl Iterator<Item = (Ending, u64)> + use<> {
                [
                    $( (
                        Ending {
                            name: stringify!($ending),
                            label: $label,
                            meaning: $meaning.trim_ascii(),
                            is_failure: $failure,
                        },
                        self.$ending,
                    ), )*
                    $( (
                        Ending {
                            name: stringify!($kept),
                            label: stringify!($kept),
                            meaning: "",
                            is_failure: true,
                        },
                        self.$kept,
                    ), )*
                ]
                .into_iter()
            }
        }

        impl AddAssign<&Self> for Tally {
            fn add_assign(&mut self, other: &Self) {
                self.scheduled += other.scheduled;
                $( self.$ending += other.$ending; )*
                $( self.$moved += other.$moved; )*
            }
        }

        impl AddAssign<&Self> for Requests {
            fn add_assign(&mut self, other: &Self) {
                self.scheduled += other.scheduled;
                $( self.$ending += other.$ending; )*
                $( self.$kept += other.$kept; )*
            }
        }
    };
}

impl Requests {
    /// Whether none succeeded and some timed out, and none ended otherwise: a server that is slower
    /// than the timeout does that.
    pub fn have_timed_out(&self) -> bool {
        let otherwise = self.mismatch + self.error + self.reset + self.refused + self.closed;
        self.ok == 0 && self.timeout > 0 && otherwise == 0
    }
}

counts! {
    endings {
        /// Answered with success.
        ok: "ok", false;
        /// Answered wrongly, or passed over.
        mismatch: "mismatch", true;
        /// Answered by the server with an error of the protocol.
        error: "error", true;
        /// Not answered within the timeout.
        timeout: "timeout", true;
        /// Lost with a connection that broke.
        reset: "reset", true;
        /// Never sent: the connection could not be made.
        refused: "refused", true;
        /// Lost with a connection that the server closed.
        closed: "closed", true;
        /// Never sent: no slot became free.
        unsent: "unsent", true;
        /// Sent, and without an answer when the drain ended.
        in_flight: "in flight", true;
    }
    moved {
        /// Right answers that arrived within the window, whenever they were asked for. Rates
        /// and costs are of these; `ok` also counts what was answered in the drain.
        answered;
        /// Wire bytes of requests.
        bytes_sent;
        /// Wire bytes of replies.
        bytes_received;
    }
    kept {
        /// Always 0: no setting gives requests up before they are sent. Kept for readers of
        /// this version of the schema.
        #[schemars(extend("deprecated" = true))]
        shed;
    }
}

impl Requests {
    /// Requests of every ending. Counts of a stored report may be too large to be added up.
    pub fn ended(&self) -> u64 {
        self.endings().map(|(_, count)| count).fold(0, u64::saturating_add)
    }

    /// Requests that did not get their reply.
    pub fn failed(&self) -> u64 {
        self.failures().map(|(_, count)| count).fold(0, u64::saturating_add)
    }

    /// Every way in which requests failed, with its count.
    pub fn failures(&self) -> impl Iterator<Item = (Ending, u64)> + use<> {
        self.endings().filter(|(ending, _)| ending.is_failure)
    }
}

impl Tally {
    /// Requests of every ending.
    pub fn ended(&self) -> u64 {
        self.requests().ended()
    }

    /// Requests that did not get their reply.
    pub fn failed(&self) -> u64 {
        self.requests().failed()
    }

    /// Whether every scheduled request has ended in exactly one way.
    pub fn is_conserved(&self) -> bool {
        self.scheduled == self.ended()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_is_an_ending_or_beside_them_and_adds_up() {
        let names: Vec<_> = Requests::default().endings().map(|(one, _)| one.name).collect();
        let mut tally = serde_json::to_value(Tally::default()).unwrap();
        let requests = serde_json::to_value(Requests::default()).unwrap();
        for (field, _) in requests.as_object().unwrap() {
            assert!(field == "scheduled" || names.contains(&field.as_str()), "{field}");
        }
        for (place, (_, value)) in (1_u64..).zip(tally.as_object_mut().unwrap().iter_mut()) {
            *value = place.into();
        }
        let one: Tally = serde_json::from_value(tally).unwrap();
        let (mut twice, mut requests) = (one, one.requests());
        twice += &one;
        requests += &one.requests();
        assert_eq!(requests, twice.requests());
        assert!(twice.counts().eq(one.counts().map(|count| 2 * count)));
        assert_eq!(requests.ended(), requests.ok + requests.failed());
    }
}
