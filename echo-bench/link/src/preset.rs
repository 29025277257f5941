//! Links that have a name: [`Preset`]. Typical numbers, not those of any one network.

use std::fmt;

/// A link by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Two hosts at one switch.
    Lan,
    /// Two sites of one city.
    Metro,
    /// Across a continent.
    Continent,
    /// Across an ocean.
    Ocean,
    /// By a geostationary satellite.
    Satellite,
    /// A wireless network at home.
    Wifi,
    /// A mobile phone.
    Mobile,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Lan,
        Self::Metro,
        Self::Continent,
        Self::Ocean,
        Self::Satellite,
        Self::Wifi,
        Self::Mobile,
    ];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Metro => "metro",
            Self::Continent => "continent",
            Self::Ocean => "ocean",
            Self::Satellite => "satellite",
            Self::Wifi => "wifi",
            Self::Mobile => "mobile",
        }
    }

    /// What it stands for, as that would be typed.
    pub fn settings(self) -> &'static str {
        match self {
            Self::Lan => "rtt=200us,rate=1G",
            Self::Metro => "rtt=4ms,rate=1G",
            Self::Continent => "rtt=40ms,loss=0.01%,rate=200M",
            Self::Ocean => "rtt=90ms,loss=0.01%,rate=200M",
            Self::Satellite => "rtt=600ms,jitter=5ms,loss=0.1%,rate=50M",
            Self::Wifi => "rtt=4ms,jitter=1ms,loss=0.1%,rate=100M",
            Self::Mobile => "rtt=50ms,jitter=10ms,loss=0.2%,rate=20M",
        }
    }

    /// The one with this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// All names, as a list.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
