//! A set of ports: [`PortList`], typed as `22,80,8000-8100`.

use std::str::FromStr;

/// Ports in ascending order, without duplicates; never empty and never 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortList(Vec<u16>);

/// Invalid port list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid port list `{0}` (use numbers and ranges from 1 to 65535, like 22,8000-8100)")]
pub struct InvalidPortList(String);

impl PortList {
    /// The ports.
    pub fn ports(&self) -> &[u16] {
        &self.0
    }
}

impl FromStr for PortList {
    type Err = InvalidPortList;

    fn from_str(text: &str) -> Result<Self, InvalidPortList> {
        let mut ports = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
                (Ok(first @ 1..), Ok(last)) if first <= last => ports.extend(first..=last),
                _ => return Err(InvalidPortList(text.to_owned())),
            }
        }
        ports.sort_unstable();
        ports.dedup();
        Ok(Self(ports))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_numbers_are_put_in_order_once() {
        let ports: PortList = "80,22,79-81".parse().unwrap();
        assert_eq!(ports.ports(), [22, 79, 80, 81]);
        assert_eq!("1-65535".parse::<PortList>().unwrap().ports().len(), 65_535);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "0", "0-5", "5-4", "65536", "a", "1,", "1-2-3", "-1"] {
            assert!(text.parse::<PortList>().is_err(), "{text}");
        }
    }
}
