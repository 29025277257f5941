//! A switch that is written out: [`OnOff`], typed as `on` or `off`.

/// `on` or `off`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum OnOff {
    /// Switched on.
    On,
    /// Switched off.
    Off,
}

impl OnOff {
    /// Whether it is on.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

impl From<bool> for OnOff {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

impl From<OnOff> for bool {
    fn from(switch: OnOff) -> Self {
        switch.is_on()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_typed_as_it_is_shown() {
        for on in [true, false] {
            let shown = OnOff::from(on).to_string();
            assert_eq!(bool::from(shown.parse::<OnOff>().unwrap()), on);
        }
        assert_eq!(OnOff::On.to_string(), "on");
        assert!("yes".parse::<OnOff>().is_err());
    }
}
