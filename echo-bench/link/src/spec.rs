//! What a link does to packets, as typed: [`LinkSpec`], like
//! `rtt=20ms,jitter=1ms,loss=0.1%,rate=100M,queue=256K`, or a [`Preset`] and what differs from it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use echo_net::Nanos;
use echo_net::clock::{SECOND, nanos};
use echo_net::settings::{BitRate, ByteSize, Percent, TimeSpan};

use crate::preset::Preset;

/// Longest round trip.
const LONGEST_RTT: Nanos = 60 * SECOND;

/// Least queue: a full packet.
const LEAST_QUEUE: u64 = 1500;

/// Largest queue.
const MOST_QUEUE: u64 = 256 << 20;

/// Least queue of a link whose queue is not typed.
const USUAL_QUEUE: u64 = 256 << 10;

/// The version of the Internet Protocol that both sides speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IpVersion {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
}

/// A link that makes sense. Both directions are alike, and independent of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinkSpec {
    rtt_ns: Nanos,
    jitter_ns: Nanos,
    loss: Percent,
    rate: Option<BitRate>,
    /// Only with a rate: without one nothing waits.
    queue_bytes: Option<u64>,
    ip: IpVersion,
}

/// A text that is no link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLink {
    /// Nothing.
    #[error("it is empty (like rtt=20ms,loss=0.1%,rate=100M, or one of {})", Preset::names())]
    Empty,
    /// A word that stands for nothing.
    #[error(
        "`{part}` is neither a preset ({}) nor a setting (rtt=, jitter=, loss=, rate=, queue=, ip=)",
        Preset::names()
    )]
    Unknown {
        /// The word.
        part: String,
    },
    /// A preset after something else.
    #[error(
        "the preset `{0}` comes first, and there is one (several links: --link several times)"
    )]
    LatePreset(Preset),
    /// A setting twice.
    #[error("`{0}=` is there twice")]
    Twice(String),
    /// A value that is none.
    #[error("{key}=: {reason}")]
    Value {
        /// The setting.
        key: &'static str,
        /// Why.
        reason: String,
    },
    /// A round trip that no program waits for.
    #[error("rtt=: exceeds the maximum of 60s")]
    LongRtt,
    /// A delay below zero.
    #[error(
        "jitter=: exceeds half of the rtt, which is the delay of a direction (raise rtt or lower \
         jitter)"
    )]
    LargeJitter,
    /// A queue before nothing.
    #[error("queue=: needs a rate: without one nothing waits")]
    IdleQueue,
    /// A queue that holds no packet, or too many.
    #[error("queue=: must be from 1500 bytes, a packet, to 256MiB")]
    Queue,
}

impl LinkSpec {
    /// The time from one end to the other and back, without jitter and waiting.
    pub fn rtt_ns(&self) -> Nanos {
        self.rtt_ns
    }

    /// The time from one end to the other, without jitter and waiting.
    pub fn delay_ns(&self) -> Nanos {
        self.rtt_ns / 2
    }

    /// By how much the delay of a packet differs from that at most, more or less.
    pub fn jitter_ns(&self) -> Nanos {
        self.jitter_ns
    }

    /// The share of the packets of a direction that are lost by chance.
    pub fn loss(&self) -> Percent {
        self.loss
    }

    /// The speed of a direction, without the headers of Ethernet and IP; `None`: no limit.
    pub fn rate(&self) -> Option<BitRate> {
        self.rate
    }

    /// What may wait for the link in a direction, counted as the rate is; `None` without a rate.
    pub fn queue_bytes(&self) -> Option<u64> {
        self.queue_bytes
    }

    /// The version of IP on it.
    pub fn ip(&self) -> IpVersion {
        self.ip
    }

    /// The preset that it is, if it is one.
    pub fn preset(&self) -> Option<Preset> {
        let is_it = |preset: &Preset| preset.settings().parse().as_ref() == Ok(self);
        Preset::ALL.into_iter().find(is_it)
    }

    /// With its preset's name, if it has one: `wifi: rtt=4ms,...`.
    pub fn described(&self) -> String {
        let named = |preset: Preset| format!("{preset}: {self}");
        self.preset().map_or_else(|| self.to_string(), named)
    }

    /// The least queue that keeps the link busy: what it carries in a round trip.
    fn usual_queue(&self) -> Option<u64> {
        let bits = u128::from(self.rate?.per_second()) * u128::from(self.rtt_ns);
        let bytes = u64::try_from(bits / 8 / u128::from(SECOND)).unwrap_or(u64::MAX);
        Some(bytes.clamp(USUAL_QUEUE, MOST_QUEUE).next_multiple_of(1 << 10))
    }
}

/// What was typed, each setting at most once.
#[derive(Clone, Copy, Default)]
struct Typed {
    rtt: Option<TimeSpan>,
    jitter: Option<TimeSpan>,
    loss: Option<Percent>,
    rate: Option<BitRate>,
    queue: Option<ByteSize>,
    ip: Option<IpVersion>,
}

impl Typed {
    /// Reads a list of settings.
    fn read<'a>(parts: impl Iterator<Item = &'a str>) -> Result<Self, InvalidLink> {
        let mut typed = Self::default();
        for part in parts {
            let Some((key, value)) = part.split_once('=') else {
                return Err(match Preset::of_name(part) {
                    Some(preset) => InvalidLink::LatePreset(preset),
                    None => InvalidLink::Unknown { part: part.to_owned() },
                });
            };
            let (key, value) = (key.trim(), value.trim());
            match key {
                "rtt" => set(&mut typed.rtt, "rtt", value)?,
                "jitter" => set(&mut typed.jitter, "jitter", value)?,
                "loss" => set(&mut typed.loss, "loss", value)?,
                "rate" => set(&mut typed.rate, "rate", value)?,
                "queue" => set(&mut typed.queue, "queue", value)?,
                "ip" => set(&mut typed.ip, "ip", value)?,
                _ => return Err(InvalidLink::Unknown { part: part.to_owned() }),
            }
        }
        Ok(typed)
    }

    /// What is not typed is as in `base`.
    fn or(self, base: Self) -> Self {
        Self {
            rtt: self.rtt.or(base.rtt),
            jitter: self.jitter.or(base.jitter),
            loss: self.loss.or(base.loss),
            rate: self.rate.or(base.rate),
            queue: self.queue.or(base.queue),
            ip: self.ip.or(base.ip),
        }
    }

    fn resolve(self) -> Result<LinkSpec, InvalidLink> {
        let time = |typed: Option<TimeSpan>| nanos(typed.map_or(Duration::ZERO, |time| time.0));
        let mut spec = LinkSpec {
            rtt_ns: time(self.rtt),
            jitter_ns: time(self.jitter),
            loss: self.loss.unwrap_or_default(),
            rate: self.rate,
            queue_bytes: None,
            ip: self.ip.unwrap_or_default(),
        };
        if spec.rtt_ns > LONGEST_RTT {
            return Err(InvalidLink::LongRtt);
        }
        if spec.jitter_ns > spec.delay_ns() {
            return Err(InvalidLink::LargeJitter);
        }
        spec.queue_bytes = match self.queue.map(|size| size.0 as u64) {
            None => spec.usual_queue(),
            Some(_) if spec.rate.is_none() => return Err(InvalidLink::IdleQueue),
            Some(bytes) if !(LEAST_QUEUE..=MOST_QUEUE).contains(&bytes) => {
                return Err(InvalidLink::Queue);
            }
            typed => typed,
        };
        Ok(spec)
    }
}

fn set<T>(place: &mut Option<T>, key: &'static str, value: &str) -> Result<(), InvalidLink>
where
    T: FromStr<Err: fmt::Display>,
{
    if place.is_some() {
        return Err(InvalidLink::Twice(key.to_owned()));
    }
    let parsed = value.parse();
    let invalid = |reason: T::Err| InvalidLink::Value { key, reason: reason.to_string() };
    *place = Some(parsed.map_err(invalid)?);
    Ok(())
}

impl FromStr for LinkSpec {
    type Err = InvalidLink;

    fn from_str(text: &str) -> Result<Self, InvalidLink> {
        if text.trim().is_empty() {
            return Err(InvalidLink::Empty);
        }
        let mut parts = text.split(',').map(str::trim).peekable();
        let preset = parts.peek().and_then(|first| Preset::of_name(first));
        let base = match preset {
            Some(preset) => {
                parts.next();
                Typed::read(preset.settings().split(','))?
            }
            None => Typed::default(),
        };
        Typed::read(parts)?.or(base).resolve()
    }
}

impl FromStr for IpVersion {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "4" => Ok(Self::V4),
            "6" => Ok(Self::V6),
            _ => Err("must be 4 or 6"),
        }
    }
}

impl fmt::Display for LinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |nanos| TimeSpan(Duration::from_nanos(nanos));
        write!(f, "rtt={}", time(self.rtt_ns))?;
        if self.jitter_ns > 0 {
            write!(f, ",jitter={}", time(self.jitter_ns))?;
        }
        if self.loss > Percent::default() {
            write!(f, ",loss={}", self.loss)?;
        }
        if let Some(rate) = self.rate {
            write!(f, ",rate={rate}")?;
        }
        if let Some(queue) = self.queue_bytes {
            write!(f, ",queue={}", ByteSize(queue as usize))?;
        }
        match self.ip {
            IpVersion::V4 => Ok(()),
            IpVersion::V6 => f.write_str(",ip=6"),
        }
    }
}

impl TryFrom<String> for LinkSpec {
    type Error = InvalidLink;

    fn try_from(text: String) -> Result<Self, InvalidLink> {
        text.parse()
    }
}

impl From<LinkSpec> for String {
    fn from(spec: LinkSpec) -> Self {
        spec.to_string()
    }
}

impl JsonSchema for LinkSpec {
    fn schema_name() -> Cow<'static, str> {
        "LinkSpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests;
