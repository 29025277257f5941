//! What requests say: [`MessagePlan`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What requests say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum MessagePlan {
    /// Generated texts, each different.
    Generated {
        /// Least size.
        min_bytes: usize,
        /// Greatest size.
        max_bytes: usize,
    },
    /// These texts in turn.
    Given {
        /// The texts.
        texts: Vec<String>,
        /// Whether they are lines of a file that end in CR and LF: neither is sent as a part
        /// of a message.
        #[serde(default)]
        crlf: bool,
    },
}

impl MessagePlan {
    /// The size of the largest message.
    pub fn largest(&self) -> usize {
        match self {
            Self::Generated { max_bytes, .. } => *max_bytes,
            Self::Given { texts, .. } => texts.iter().map(String::len).max().unwrap_or(0),
        }
    }
}
