//! A histogram of message sizes, read from a file: [`Histogram`]. A plan holds all of it, so
//! that a run can be repeated without the file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use echo_net::settings::InvalidByteSize;

use super::size::{LARGEST, even};
use crate::fingerprint;

/// Most sizes and ranges of sizes.
const MOST: usize = 10_000;

/// Largest weight: sums of them are exact enough.
const LARGEST_WEIGHT: f64 = 1e15;

/// How often messages have which size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Document", into = "Document")]
#[schemars(with = "Document")]
pub struct Histogram {
    file: String,
    digest: String,
    bins: Vec<Bin>,
}

/// A histogram as a plan stores it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Histogram")]
struct Document {
    /// The file that it was read from, as typed.
    file: String,
    /// Fingerprint of its sizes and weights.
    digest: String,
    /// Sizes and their weights, in rising order.
    bins: Vec<Bin>,
}

/// A size, or the sizes from one to another, which are equally frequent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bin {
    /// The least size.
    pub min_bytes: usize,
    /// The greatest size.
    pub max_bytes: usize,
    /// How often it occurs, compared with the others.
    pub weight: f64,
}

/// A text that is no histogram.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHistogram {
    /// Nothing in it.
    #[error("it holds no size with a weight above 0")]
    Empty,
    /// More than are kept.
    #[error("it holds more than {MOST} sizes (write ranges, like 1000-1999 7)")]
    TooMany,
    /// A line that is not two words.
    #[error("line {line}: write `SIZE WEIGHT`, like `4K 10` or `100-199 2.5`")]
    Line {
        /// Which, from 1.
        line: usize,
    },
    /// A size that is none.
    #[error("line {line}: {reason}")]
    Size {
        /// Which, from 1.
        line: usize,
        /// Why.
        reason: InvalidByteSize,
    },
    /// A range that goes back, or a size that no message has.
    #[error("line {line}: `{text}` must rise, and not exceed 1GiB")]
    Range {
        /// Which, from 1.
        line: usize,
        /// It.
        text: String,
    },
    /// A weight that is none.
    #[error("line {line}: `{text}` is no weight (a number from 0 to 1e15)")]
    Weight {
        /// Which, from 1.
        line: usize,
        /// It.
        text: String,
    },
    /// A stored plan whose parts do not fit together.
    #[error("the histogram of message sizes does not fit its digest")]
    Damaged,
}

impl Histogram {
    /// Reads the text of `file`: a size or a range of sizes, and its weight, on each line; `#`
    /// begins a comment. Weights of one size are added up.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn read(file: &str, text: &str) -> Result<Self, InvalidHistogram> {
        let mut weights: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.split('#').next().unwrap_or_default();
            let mut words = text.split_whitespace();
            let (Some(size), Some(weight), None) = (words.next(), words.next(), words.next())
            else {
                if text.trim().is_empty() {
                    continue;
                }
                return Err(InvalidHistogram::Line { line });
            };
            let range = even(size).map_err(|reason| InvalidHistogram::Size { line, reason })?;
            if !is_range(range.0, range.1) {
                return Err(InvalidHistogram::Range { line, text: size.to_owned() });
            }
            let sum = weights.entry(range).or_default();
            let number = weight.parse::<f64>().ok().filter(|number| is_weight(*number));
            let added = number.map(|number| *sum + number).filter(|sum| is_weight(*sum));
            *sum = added
                .ok_or_else(|| InvalidHistogram::Weight { line, text: weight.to_owned() })?;
            if weights.len() > MOST {
                return Err(InvalidHistogram::TooMany);
            }
        }
        let bin = |((min_bytes, max_bytes), weight)| Bin { min_bytes, max_bytes, weight };
        let bins: Vec<Bin> =
            weights.into_iter().map(bin).filter(|bin| bin.weight > 0.0).collect();
        if bins.is_empty() {
            return Err(InvalidHistogram::Empty);
        }
        let digest = digest(&bins);
        Ok(Self { file: file.to_owned(), digest, bins })
    }

    /// The file that it was read from, as typed.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Fingerprint of its sizes and weights.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Sizes and their weights; there is one at least.
    pub fn bins(&self) -> &[Bin] {
        &self.bins
    }

    /// The least and the greatest size.
    pub fn bounds(&self) -> (usize, usize) {
        let min = self.bins.iter().map(|bin| bin.min_bytes).min();
        let max = self.bins.iter().map(|bin| bin.max_bytes).max();
        (min.unwrap_or(0), max.unwrap_or(0))
    }
}

fn is_range(min_bytes: usize, max_bytes: usize) -> bool {
    min_bytes <= max_bytes && max_bytes <= LARGEST
}

fn is_weight(number: f64) -> bool {
    (0.0..=LARGEST_WEIGHT).contains(&number)
}

fn digest(bins: &[Bin]) -> String {
    let words = bins
        .iter()
        .flat_map(|bin| [bin.min_bytes as u64, bin.max_bytes as u64, bin.weight.to_bits()]);
    fingerprint::digest(words.flat_map(u64::to_le_bytes))
}

impl TryFrom<Document> for Histogram {
    type Error = InvalidHistogram;

    fn try_from(document: Document) -> Result<Self, InvalidHistogram> {
        let Document { file, digest: stored, bins } = document;
        let is_bin = |bin: &Bin| {
            is_range(bin.min_bytes, bin.max_bytes) && bin.weight > 0.0 && is_weight(bin.weight)
        };
        let fits = (1..=MOST).contains(&bins.len())
            && bins.iter().all(is_bin)
            && digest(&bins) == stored;
        let histogram = Self { file, digest: stored, bins };
        if fits { Ok(histogram) } else { Err(InvalidHistogram::Damaged) }
    }
}

impl From<Histogram> for Document {
    fn from(histogram: Histogram) -> Self {
        let Histogram { file, digest, bins } = histogram;
        Self { file, digest, bins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_size_and_its_weight() {
        let text = "# of a proxy\n64 3\n1K-2K\t2.5 # ranges\r\n\n64 1\n9 0\n";
        let histogram = Histogram::read("proxy.txt", text).unwrap();
        let bins: Vec<_> = histogram
            .bins()
            .iter()
            .map(|bin| (bin.min_bytes, bin.max_bytes, bin.weight))
            .collect();
        assert_eq!(bins, [(64, 64, 4.0), (1024, 2048, 2.5)]);
        assert_eq!(histogram.bounds(), (64, 2048));
    }

    #[test]
    fn a_wrong_line_is_refused_by_its_number() {
        for (text, said) in [
            ("", "no size with a weight above 0"),
            ("64 0\n", "no size with a weight above 0"),
            ("64 1\n\n64\n", "line 3: write `SIZE WEIGHT`"),
            ("64 1 2\n", "line 1: write"),
            ("x 1\n", "line 1: invalid size `x`"),
            ("5-4 1\n", "line 1: `5-4` must rise"),
            ("2G 1\n", "line 1: `2G` must rise, and not exceed 1GiB"),
            ("64 -1\n", "line 1: `-1` is no weight"),
            ("64 NaN\n", "line 1: `NaN` is no weight"),
            ("64 1e300\n", "line 1: `1e300` is no weight"),
        ] {
            let told = Histogram::read("f", text).unwrap_err().to_string();
            assert!(told.contains(said), "{text:?}: {told}");
        }
        let many: String =
            (0..=MOST).flat_map(|size| [size.to_string(), " 1\n".into()]).collect();
        assert_eq!(Histogram::read("f", &many), Err(InvalidHistogram::TooMany));
    }

    #[test]
    fn a_stored_one_reads_back_and_is_refused_when_it_was_changed() {
        let histogram = Histogram::read("f", "64 1\n128 0.5\n").unwrap();
        let stored = serde_json::to_string(&histogram).unwrap();
        assert_eq!(serde_json::from_str::<Histogram>(&stored).unwrap(), histogram);
        for (from, to) in [("0.5", "0.6"), (":64,", ":65,"), ("128", "999999999999")] {
            let damaged = stored.replace(from, to);
            assert_ne!(damaged, stored);
            assert!(serde_json::from_str::<Histogram>(&damaged).is_err(), "{damaged}");
        }
    }
}
