//! Which connections the kernel stamps: [`Stamps`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// So few connections of a thread are all stamped in a sample: they are not what limits it.
const FEW: u32 = 8;

/// Of more connections one in so many is stamped, and at least [`LEAST`].
const ONE_IN: u32 = 32;

/// Fewest connections of a sample.
const LEAST: u32 = 2;

/// Receive stamps of the kernel: how much of a latency is the wait in the generator's own
/// receive queue.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[serde(rename_all = "kebab-case")]
pub enum Stamps {
    /// On no connection.
    Off,
    /// On so many connections that it costs nothing that can be measured: on all of up to 8
    /// of a thread, else on one in 32 and at least 2.
    #[default]
    Sample,
    /// On every connection, which costs up to 10 % CPU per message.
    All,
}

impl Stamps {
    /// Whether the link at `place` of so many of a thread is stamped. Those that are lie
    /// evenly among all.
    pub fn covers(self, place: u32, links: u32) -> bool {
        match self {
            Self::Off => false,
            Self::All => true,
            Self::Sample if links <= FEW => true,
            Self::Sample => {
                let (place, links) = (u64::from(place), u64::from(links));
                let wanted = (links / u64::from(ONE_IN)).max(LEAST.into());
                // The first of each of so many parts of equal length.
                (place * wanted) % links < wanted
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_evenly_and_small() {
        for (links, wanted) in [(1, 1), (8, 8), (9, 2), (50, 2), (64, 2), (1000, 31)] {
            let covered: Vec<u32> =
                (0..links).filter(|&place| Stamps::Sample.covers(place, links)).collect();
            assert_eq!(covered.len(), wanted, "{links}");
            let (least, most) = covered
                .windows(2)
                .map(|pair| pair[1] - pair[0])
                .fold((u32::MAX, 0), |(least, most), gap| (least.min(gap), most.max(gap)));
            assert!(links <= 8 || most - least <= 1, "{links}: {covered:?}");
        }
        assert!((0..9).all(|place| Stamps::All.covers(place, 9)));
        assert!((0..9).all(|place| !Stamps::Off.covers(place, 9)));
    }
}
