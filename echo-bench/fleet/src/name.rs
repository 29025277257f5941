//! Names that are part of a subject, a key and an object's name: [`AgentName`] and [`RunId`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name.
const MOST: usize = 64;

/// A text that is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what}: write 1 to {MOST} letters, digits, `-` and `_`")]
pub struct InvalidName {
    what: &'static str,
}

fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=MOST).contains(&text.len()) && text.bytes().all(fits)
}

macro_rules! names {
    ($( $(#[$doc:meta])* $name:ident: $what:literal; )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                // Neither a wildcard nor a separator of subjects can be in it.
                if is_name(&text) { Ok(Self(text)) } else { Err(InvalidName { what: $what }) }
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// The name of an agent, which no other has on the same bus.
    AgentName: "name of an agent";
    /// The name of a run.
    RunId: "name of a run";
}

impl AgentName {
    /// The name nearest to a text, such as a host's.
    pub fn near(text: &str) -> Self {
        let fitting = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = text.chars().map(fitting).take(MOST).collect();
        Self(if name.is_empty() { "agent".to_owned() } else { name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_a_part_of_a_subject() {
        for text in ["a", "load-7", "A_b", &"x".repeat(MOST)] {
            assert_eq!(text.parse::<AgentName>().unwrap().to_string(), text);
        }
        for text in ["", "a.b", "*", ">", "a b", "é", "a/b", "..", &"x".repeat(MOST + 1)] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
        assert_eq!(AgentName::near("load7.example.org").as_str(), "load7-example-org");
        assert!(AgentName::near("").as_str().parse::<AgentName>().is_ok());
    }
}
