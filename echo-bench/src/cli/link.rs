//! The flag of an emulated link, as typed; and what its forwarder is told.

use std::str::FromStr;

use clap::Args;

use echo_bench_link::{InvalidLink, LinkSpec};

#[derive(Debug, Args)]
#[command(next_help_heading = "Emulated link")]
pub(super) struct LinkArgs {
    /// Emulated link between generator and server, below TCP: settings like
    /// rtt=20ms,loss=0.1%,rate=100M, a preset (lan, metro, continent, ocean, satellite, wifi,
    /// mobile), or none
    ///
    /// Settings: rtt=TIME, round-trip time, half of it each way (0); jitter=TIME, maximum deviation
    /// of the one-way delay, without reordering (0); loss=N%, packet loss in each direction (0%);
    /// rate=BITS/S in each direction, not counting Ethernet and IP headers (unlimited); queue=SIZE,
    /// tail-drop queue of a link with a rate (the bandwidth-delay product, at least 256K); ip=4|6
    /// (4). Losses are drawn with --seed.
    ///
    /// Presets, which can be overridden (mobile,loss=1%):
    /// lan rtt=200us,rate=1G;
    /// metro rtt=4ms,rate=1G;
    /// continent rtt=40ms,loss=0.01%,rate=200M;
    /// ocean rtt=90ms,loss=0.01%,rate=200M;
    /// satellite rtt=600ms,jitter=5ms,loss=0.1%,rate=50M;
    /// wifi rtt=4ms,jitter=1ms,loss=0.1%,rate=100M;
    /// mobile rtt=50ms,jitter=10ms,loss=0.2%,rate=20M
    ///
    /// Both sides run in network namespaces of their own, and a process forwards each packet
    /// between them (MTU 1500, offloads off). Only for the embedded server, and for --exec with a
    /// server that listens on {addr} or {host}. Needs no root where unprivileged user namespaces
    /// are allowed (see echo-bench doctor).
    #[arg(long, value_name = "LINK")]
    link: Option<LinkChoice>,
}

impl LinkArgs {
    /// The link, if one was typed.
    pub(super) fn plan(&self) -> Option<LinkSpec> {
        match self.link? {
            LinkChoice::None => None,
            LinkChoice::Emulated(spec) => Some(spec),
        }
    }
}

/// A link, or none: a level of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinkChoice {
    None,
    Emulated(LinkSpec),
}

impl FromStr for LinkChoice {
    type Err = InvalidLink;

    fn from_str(text: &str) -> Result<Self, InvalidLink> {
        match text {
            "none" => Ok(Self::None),
            text => text.parse().map(Self::Emulated),
        }
    }
}

/// What the forwarder of a link is told.
#[derive(Debug, Args)]
pub struct ForwardArgs {
    /// The process that it must not outlive
    #[arg(long)]
    pub die_with_parent: u32,
    /// The link
    #[arg(long)]
    pub spec: LinkSpec,
    /// The seed of its losses
    #[arg(long)]
    pub seed: u64,
    /// The packet socket at the generator's end, a number
    #[arg(long)]
    pub generator: i32,
    /// The one at the server's end
    #[arg(long)]
    pub server: i32,
    /// The CPU that it runs on
    #[arg(long)]
    pub cpu: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use echo_bench_link::Preset;

    #[test]
    fn the_help_names_every_preset_with_its_numbers() {
        let command = LinkArgs::augment_args(clap::Command::new("run"));
        let flag = command.get_arguments().next().unwrap();
        let short = flag.get_help().unwrap().to_string();
        let long = flag.get_long_help().unwrap().to_string();
        for preset in Preset::ALL {
            assert!(short.contains(preset.name()), "{preset}");
            assert!(long.contains(&format!("{preset} {}", preset.settings())), "{preset}");
        }
    }
}
