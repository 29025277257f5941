//! Kinds of injected faults: [`Fault`], as a command line has them too: `delay:20ms`,
//! `corrupt:10@30`, `stall:800ms+400ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use echo_net::settings::TimeSpan;

/// Longest delay or stall, so that no instant is beyond what a clock can say.
const LONGEST: Duration = Duration::from_hours(1);

/// An injected fault or delay. Messages are counted from 1 per connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Serves messages sequentially, each with this service time.
    Delay(Duration),
    /// The same to within microseconds, at the cost of a core: a server whose queue is known.
    Serve(Duration),
    /// Stalls once for `length`, `at` this long after the first message.
    Stall {
        /// When it begins.
        at: Duration,
        /// How long it takes.
        length: Duration,
    },
    /// Drops the reply to every n-th message.
    Drop(u64),
    /// Corrupts one byte of every n-th reply.
    Corrupt {
        /// Of how many replies one is hit.
        every: u64,
        /// The byte, as an offset of the text; a shorter text stays as it is.
        offset: usize,
    },
    /// Sends every n-th reply twice.
    Duplicate(u64),
    /// Truncates every n-th reply.
    Truncate {
        /// Of how many replies one is hit.
        every: u64,
        /// Bytes of text that are left.
        length: usize,
    },
    /// Swaps every n-th reply with the following one.
    Reorder(u64),
    /// Two connections get each other's reply to every n-th message.
    Swap(u64),
    /// Resets the connection instead of the n-th reply.
    Reset(u64),
    /// Stops replying after n replies.
    Mute(u64),
    /// Sends an unsolicited line after every n-th reply.
    Babble(u64),
    /// Echoes at once: a reflector.
    None,
}

/// What is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid fault `{0}` (like none, delay:20ms, stall:800ms+400ms, drop:10 or corrupt:10@30)"
)]
pub struct InvalidFault(String);

impl Fault {
    /// Whether it hits the reply to this message. Delays hit none: they are no errors.
    pub(super) fn hits(self, number: u64) -> bool {
        match self {
            Self::Reset(last) => number == last,
            Self::Mute(last) => number > last,
            Self::Drop(every)
            | Self::Duplicate(every)
            | Self::Reorder(every)
            | Self::Swap(every)
            | Self::Babble(every)
            | Self::Corrupt { every, .. }
            | Self::Truncate { every, .. } => number.is_multiple_of(every),
            Self::Delay(_) | Self::Serve(_) | Self::Stall { .. } | Self::None => false,
        }
    }

    /// The same with every time longer by this share.
    #[must_use]
    pub fn longer(self, share: f64) -> Self {
        let longer = |time: Duration| {
            Duration::try_from_secs_f64(time.as_secs_f64() * (1.0 + share)).unwrap_or(time)
        };
        match self {
            Self::Delay(time) => Self::Delay(longer(time)),
            Self::Serve(time) => Self::Serve(longer(time)),
            Self::Stall { at, length } => Self::Stall { at, length: longer(length) },
            other => other,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Delay(time) => write!(f, "delay:{}", TimeSpan(time)),
            Self::Serve(time) => write!(f, "serve:{}", TimeSpan(time)),
            Self::Stall { at, length } => {
                write!(f, "stall:{}+{}", TimeSpan(at), TimeSpan(length))
            }
            Self::Drop(every) => write!(f, "drop:{every}"),
            Self::Corrupt { every, offset } => write!(f, "corrupt:{every}@{offset}"),
            Self::Duplicate(every) => write!(f, "duplicate:{every}"),
            Self::Truncate { every, length } => write!(f, "truncate:{every}@{length}"),
            Self::Reorder(every) => write!(f, "reorder:{every}"),
            Self::Swap(every) => write!(f, "swap:{every}"),
            Self::Reset(number) => write!(f, "reset:{number}"),
            Self::Mute(number) => write!(f, "mute:{number}"),
            Self::Babble(every) => write!(f, "babble:{every}"),
            Self::None => f.write_str("none"),
        }
    }
}

impl FromStr for Fault {
    type Err = InvalidFault;

    fn from_str(text: &str) -> Result<Self, InvalidFault> {
        if text == "none" {
            return Ok(Self::None);
        }
        parsed(text).ok_or_else(|| InvalidFault(text.to_owned()))
    }
}

fn parsed(text: &str) -> Option<Fault> {
    let (kind, value) = text.split_once(':')?;
    let time = |text: &str| {
        let time = text.parse::<TimeSpan>().ok()?.0;
        (time <= LONGEST).then_some(time)
    };
    let placed = || {
        let (every, place) = value.split_once('@')?;
        Some((every.parse().ok()?, place.parse().ok()?))
    };
    let count = || value.parse().ok();
    Some(match kind {
        "delay" => Fault::Delay(time(value)?),
        "serve" => Fault::Serve(time(value)?),
        "stall" => {
            let (at, length) = value.split_once('+')?;
            Fault::Stall { at: time(at)?, length: time(length)? }
        }
        "drop" => Fault::Drop(count()?),
        "corrupt" => placed().map(|(every, offset)| Fault::Corrupt { every, offset })?,
        "duplicate" => Fault::Duplicate(count()?),
        "truncate" => placed().map(|(every, length)| Fault::Truncate { every, length })?,
        "reorder" => Fault::Reorder(count()?),
        "swap" => Fault::Swap(count()?),
        "reset" => Fault::Reset(count()?),
        "mute" => Fault::Mute(count()?),
        "babble" => Fault::Babble(count()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_as_it_is_written() {
        for text in [
            "none",
            "delay:20ms",
            "serve:1.5ms",
            "stall:800ms+400ms",
            "drop:10",
            "corrupt:10@30",
            "duplicate:10",
            "truncate:7@20",
            "reorder:3",
            "swap:5",
            "reset:50",
            "mute:0",
            "babble:10",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
        }
        for text in ["", "delay", "delay:2h", "drop:-1", "corrupt:10", "stall:1s", "x:1"] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_lie_makes_times_longer_and_leaves_counts_alone() {
        let delay: Fault = "delay:20ms".parse().unwrap();
        assert_eq!(delay.longer(0.1).to_string(), "delay:22ms");
        assert_eq!(Fault::Drop(10).longer(0.1), Fault::Drop(10));
    }
}
