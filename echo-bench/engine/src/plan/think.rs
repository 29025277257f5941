//! How long a user of a closed loop pauses between a reply and the next request: [`Think`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use echo_net::Nanos;
use echo_net::clock::nanos;
use echo_net::settings::{InvalidTimeSpan, TimeSpan};

/// A pause of each slot after the end of its request, before it asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Think {
    /// The mean length of a pause.
    pub mean_ns: Nanos,
    /// Whether pauses are exponential, as of many independent users, or all equal.
    pub exponential: bool,
}

/// A text that is no think time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidThink {
    /// The time is none.
    #[error("invalid think time `{text}`: {reason}, or exp:10ms for exponential pauses")]
    Time {
        /// The whole.
        text: String,
        /// Why.
        reason: InvalidTimeSpan,
    },
    /// No pause at all.
    #[error("invalid think time `{0}`: it must be above 0 (without a pause leave --think out)")]
    Zero(String),
}

impl FromStr for Think {
    type Err = InvalidThink;

    fn from_str(text: &str) -> Result<Self, InvalidThink> {
        let exponential = text.strip_prefix("exp:");
        let time: TimeSpan = exponential
            .unwrap_or(text)
            .parse()
            .map_err(|reason| InvalidThink::Time { text: text.to_owned(), reason })?;
        match nanos(time.0) {
            0 => Err(InvalidThink::Zero(text.to_owned())),
            mean_ns => Ok(Self { mean_ns, exponential: exponential.is_some() }),
        }
    }
}

impl fmt::Display for Think {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.exponential { "exp:" } else { "" };
        write!(f, "{prefix}{}", TimeSpan(Duration::from_nanos(self.mean_ns)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn think_times_are_read_and_shown_as_they_are_typed() {
        for typed in ["10ms", "exp:1.5s"] {
            assert_eq!(typed.parse::<Think>().unwrap().to_string(), typed);
        }
        for wrong in ["", "0", "exp:0ms", "exp:", "often", "gauss:1s"] {
            assert!(wrong.parse::<Think>().is_err(), "{wrong}");
        }
    }
}
