//! Serialises messages as texts, and those that are no UTF-8 as `{"base64": "..."}`. Used as
//! `#[serde(with = "...")]`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::borrow::Cow;

/// A message as it is stored: a text, or bytes that are none.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "MessageText")]
pub(crate) enum Stored<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// Bytes that are no UTF-8.
    Bytes {
        /// They.
        base64: String,
    },
}

pub(crate) fn serialize<S: Serializer>(
    messages: &[Vec<u8>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(messages.iter().map(|message| match std::str::from_utf8(message) {
        Ok(text) => Stored::Text(text.into()),
        Err(_) => Stored::Bytes { base64: STANDARD.encode(message) },
    }))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Vec<u8>>, D::Error> {
    let stored: Vec<Stored> = Vec::deserialize(deserializer)?;
    let message = |stored| match stored {
        Stored::Text(text) => Ok(Cow::into_owned(text).into_bytes()),
        Stored::Bytes { base64 } => STANDARD.decode(base64).map_err(D::Error::custom),
    };
    stored.into_iter().map(message).collect()
}
