//! How large generated messages are, as typed: [`Size`], like `64`, `64-4K`,
//! `lognormal:median=300,p99=20K`, `zipf:exponent=1.1,max=64K` or `file:PATH`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use echo_net::settings::{ByteSize, InvalidByteSize};

/// Largest generated message.
pub(super) const LARGEST: usize = 1 << 30;

/// Largest exponent: with it nearly all messages have the least size.
const LARGEST_EXPONENT: f64 = 10.0;

/// Sizes of generated messages, as typed.
#[derive(Debug, Clone, PartialEq)]
pub enum Size {
    /// From one to the other, all equally often.
    Even {
        /// The least, in bytes.
        min: usize,
        /// The greatest, in bytes.
        max: usize,
    },
    /// By a distribution.
    Spread(Spread),
    /// As often as the histogram in this file says; `-` is stdin.
    File(PathBuf),
}

/// A distribution of sizes, and the sizes that it is limited to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    law: Law,
    min: Option<usize>,
    max: Option<usize>,
}

/// How sizes are distributed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Law {
    /// The logarithm of a size is normally distributed. Sizes in bytes.
    Lognormal { median: usize, p99: usize },
    /// A size of k bytes is as frequent as 1 / k^exponent.
    Zipf { exponent: f64 },
}

/// A text that is no size of messages.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidSize {
    /// A number that is none.
    #[error(transparent)]
    Bytes(#[from] InvalidByteSize),
    /// A name that stands for nothing.
    #[error(
        "`{0}:` is no distribution (write lognormal:median=300,p99=20K, zipf:exponent=1.1,max=64K \
         or file:PATH)"
    )]
    Unknown(String),
    /// A file without a name.
    #[error("file: needs a path (its lines are `SIZE WEIGHT`)")]
    NoPath,
    /// A word that is no setting of the distribution.
    #[error("`{part}` is no setting of {law} ({settings})")]
    Setting {
        /// The word.
        part: String,
        /// The distribution.
        law: &'static str,
        /// What it has.
        settings: &'static str,
    },
    /// A setting twice.
    #[error("`{0}=` is there twice")]
    Twice(String),
    /// A setting that must be there.
    #[error("{law} needs {setting}= ({settings})")]
    Missing {
        /// The distribution.
        law: &'static str,
        /// What it lacks.
        setting: &'static str,
        /// What it has.
        settings: &'static str,
    },
    /// An exponent that is none.
    #[error("exponent=: `{0}` is not a number above 0 and up to 10")]
    Exponent(String),
    /// A distribution without a spread, or one that falls.
    #[error("median= must be at least 1, and p99= above it (for one size use --size N)")]
    Median,
    /// Limits in the wrong order.
    #[error("min= must be at least 1 and not above max=, and max= at most 1GiB")]
    Limits,
    /// Limits without what was asked for between them.
    #[error("median= and p99= must lie between min= and max=")]
    Outside,
    /// A size above what is sent unless it is asked for.
    #[error(
        "{what} exceeds {limit}, the largest message here (say max=SIZE in --size to send larger \
         ones)"
    )]
    AboveLimit {
        /// The setting.
        what: String,
        /// The largest.
        limit: ByteSize,
    },
}

const LOGNORMAL: &str = "lognormal";
const ZIPF: &str = "zipf";
const FILE: &str = "file";

/// What the distributions take.
const OF_LOGNORMAL: &str = "median=SIZE,p99=SIZE[,min=SIZE][,max=SIZE]";
const OF_ZIPF: &str = "exponent=N,max=SIZE[,min=SIZE]";

impl Spread {
    pub(super) fn law(&self) -> Law {
        self.law
    }

    /// The least and the greatest size, where messages of more than `limit` bytes are not sent
    /// unless `max=` says so.
    ///
    /// # Errors
    /// When what was typed lies above that limit.
    pub fn bounds(&self, limit: usize) -> Result<(usize, usize), InvalidSize> {
        let (min, max) = (self.min.unwrap_or(1), self.max.unwrap_or(limit));
        let above = |what: &str, size: usize| {
            let what = format!("{what}={}", ByteSize(size));
            Err(InvalidSize::AboveLimit { what, limit: ByteSize(max) })
        };
        match self.law {
            _ if min > max => above("min", min),
            Law::Lognormal { p99, .. } if p99 > max => above("p99", p99),
            _ => Ok((min, max)),
        }
    }

    fn checked(self) -> Result<Self, InvalidSize> {
        let (min, max) = (self.min.unwrap_or(1), self.max.unwrap_or(LARGEST));
        if min < 1 || min > max || max > LARGEST {
            return Err(InvalidSize::Limits);
        }
        match self.law {
            Law::Lognormal { median, p99 } if median < 1 || p99 <= median => {
                Err(InvalidSize::Median)
            }
            Law::Lognormal { median, p99 } if median < min || p99 > max => {
                Err(InvalidSize::Outside)
            }
            _ => Ok(self),
        }
    }
}

/// The settings behind a distribution's name, each taken once.
struct Settings<'a> {
    law: &'static str,
    known: &'static str,
    parts: Vec<(&'a str, &'a str)>,
}

impl<'a> Settings<'a> {
    fn read(
        law: &'static str,
        settings: &'static str,
        text: &'a str,
    ) -> Result<Self, InvalidSize> {
        let mut parts: Vec<(&str, &str)> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let unfit = || InvalidSize::Setting { part: part.to_owned(), law, settings };
            let (key, value) = part.split_once('=').ok_or_else(unfit)?;
            let known =
                settings.split([',', '[']).any(|known| known.split('=').next() == Some(key));
            if !known {
                return Err(unfit());
            }
            if parts.iter().any(|(other, _)| *other == key) {
                return Err(InvalidSize::Twice(key.to_owned()));
            }
            parts.push((key, value.trim()));
        }
        Ok(Self { law, known: settings, parts })
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.parts.iter().find(|(known, _)| *known == key).map(|(_, value)| *value)
    }

    fn needed(&self, setting: &'static str) -> Result<&'a str, InvalidSize> {
        let Self { law, known: settings, .. } = *self;
        self.text(setting).ok_or(InvalidSize::Missing { law, setting, settings })
    }

    fn size(&self, key: &str) -> Result<Option<usize>, InvalidSize> {
        let size = self.text(key).map(str::parse::<ByteSize>).transpose()?;
        Ok(size.map(|size| size.0))
    }

    fn spread(&self, law: Law) -> Result<Spread, InvalidSize> {
        Spread { law, min: self.size("min")?, max: self.size("max")? }.checked()
    }
}

impl FromStr for Spread {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, InvalidSize> {
        let unknown = |name: &str| Err(InvalidSize::Unknown(name.to_owned()));
        match text.split_once(':') {
            Some((LOGNORMAL, rest)) => {
                let settings = Settings::read(LOGNORMAL, OF_LOGNORMAL, rest)?;
                let size =
                    |setting| settings.needed(setting)?.parse::<ByteSize>().map_err(Into::into);
                let sizes: Result<(ByteSize, ByteSize), InvalidSize> =
                    size("median").and_then(|median| Ok((median, size("p99")?)));
                let (median, p99) = sizes?;
                settings.spread(Law::Lognormal { median: median.0, p99: p99.0 })
            }
            Some((ZIPF, rest)) => {
                let settings = Settings::read(ZIPF, OF_ZIPF, rest)?;
                let typed = settings.needed("exponent")?;
                let exponent = typed.parse().ok();
                let exponent = exponent
                    .filter(|exponent| *exponent > 0.0 && *exponent <= LARGEST_EXPONENT);
                let exponent =
                    exponent.ok_or_else(|| InvalidSize::Exponent(typed.to_owned()))?;
                // Its tail is so heavy that the largest size decides the mean.
                settings.needed("max")?;
                settings.spread(Law::Zipf { exponent })
            }
            Some((name, _)) => unknown(name),
            None => unknown(text),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.law {
            Law::Lognormal { median, p99 } => {
                write!(f, "{LOGNORMAL}:median={},p99={}", ByteSize(median), ByteSize(p99))?;
            }
            Law::Zipf { exponent } => write!(f, "{ZIPF}:exponent={exponent}")?,
        }
        for (key, size) in [("min", self.min), ("max", self.max)] {
            if let Some(size) = size {
                write!(f, ",{key}={}", ByteSize(size))?;
            }
        }
        Ok(())
    }
}

impl FromStr for Size {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, InvalidSize> {
        match text.split_once(':') {
            Some((FILE, "")) => Err(InvalidSize::NoPath),
            Some((FILE, path)) => Ok(Self::File(path.into())),
            Some(_) => text.parse().map(Self::Spread),
            None => {
                let (min, max) = even(text)?;
                Ok(Self::Even { min, max })
            }
        }
    }
}

/// A size, or a range of sizes `A-B`, in bytes.
pub(super) fn even(text: &str) -> Result<(usize, usize), InvalidByteSize> {
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    let (min, max): (ByteSize, ByteSize) = (min.parse()?, max.parse()?);
    Ok((min.0, max.0))
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Even { min, max } if min == max => ByteSize(*min).fmt(f),
            Self::Even { min, max } => write!(f, "{}-{}", ByteSize(*min), ByteSize(*max)),
            Self::Spread(spread) => spread.fmt(f),
            Self::File(path) => write!(f, "{FILE}:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests;
