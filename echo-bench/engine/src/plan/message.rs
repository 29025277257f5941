//! What requests say: [`MessagePlan`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::messages::{
    DrawnSizes, Histogram, MessageFile, Messages, SizeTable, Spread, Verify, as_texts,
};

/// What requests say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum MessagePlan {
    /// Generated texts, each different.
    Generated {
        /// Least size.
        min_bytes: usize,
        /// Greatest size.
        max_bytes: usize,
        /// How often sizes between them are; null: all equally often.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sizes: Option<SizePlan>,
    },
    /// These texts in turn.
    Given {
        /// The texts; bytes that are no UTF-8 as an object with their base64.
        #[serde(with = "as_texts")]
        #[schemars(with = "Vec<as_texts::Stored<'static>>")]
        texts: Vec<Vec<u8>>,
        /// Whether they are lines of a file that end in CR and LF: neither is sent as a part
        /// of a message.
        #[serde(default)]
        crlf: bool,
        /// The file that they were read from; null: none, or a report from before it was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<MessageFile>,
    },
}

/// How often generated messages have which size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum SizePlan {
    /// By a distribution. Sizes outside the least and the greatest are set to these with
    /// `lognormal`, and do not occur with `zipf`.
    Spread {
        /// It, as it is typed.
        #[serde(with = "crate::as_text")]
        #[schemars(with = "String")]
        spec: Spread,
    },
    /// By a histogram.
    Histogram(Histogram),
}

impl MessagePlan {
    /// Generated texts, whose sizes between these are all equally frequent.
    pub fn even(min_bytes: usize, max_bytes: usize) -> Self {
        Self::Generated { min_bytes, max_bytes, sizes: None }
    }

    /// Given texts that are of no file.
    pub fn of_texts(texts: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        let texts = texts.into_iter().map(Into::into).collect();
        Self::Given { texts, crlf: false, file: None }
    }

    /// The size of the largest message.
    pub fn largest(&self) -> usize {
        match self {
            Self::Generated { max_bytes, .. } => *max_bytes,
            Self::Given { texts, .. } => texts.iter().map(Vec::len).max().unwrap_or(0),
        }
    }

    /// Whether its sizes can be drawn: they lie between the least and the greatest.
    pub(super) fn has_sizes(&self) -> bool {
        match self {
            Self::Generated { min_bytes, max_bytes, sizes: Some(sizes) } => match sizes {
                SizePlan::Spread { .. } => *min_bytes > 0 && min_bytes <= max_bytes,
                SizePlan::Histogram(histogram) => {
                    histogram.bounds() == (*min_bytes, *max_bytes)
                }
            },
            _ => true,
        }
    }

    /// The sizes that a distribution or a histogram gives.
    fn size_table(&self, seed: u64) -> Option<SizeTable> {
        let Self::Generated { min_bytes, max_bytes, sizes: Some(sizes) } = self else {
            return None;
        };
        Some(match sizes {
            SizePlan::Spread { spec } => {
                SizeTable::of_spread(spec, *min_bytes, *max_bytes, seed)
            }
            SizePlan::Histogram(histogram) => SizeTable::of_histogram(histogram, seed),
        })
    }

    /// What sizes the first messages of so many connections have; none if all sizes are equally
    /// frequent, or the messages are given.
    pub(super) fn drawn(&self, seed: u64, connections: u32) -> Option<DrawnSizes> {
        self.size_table(seed).map(|table| table.drawn(connections))
    }

    /// The texts, made or given.
    pub(crate) fn texts(&self, seed: u64, verify: Verify) -> Messages {
        match self {
            Self::Generated { min_bytes, max_bytes, .. } => match self.size_table(seed) {
                Some(table) => Messages::drawn(table, *max_bytes, verify),
                None => Messages::generated(*min_bytes, *max_bytes, seed, verify),
            },
            Self::Given { texts, .. } => Messages::given(texts.clone(), verify),
        }
    }
}
