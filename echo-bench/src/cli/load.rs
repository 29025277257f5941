//! The load as typed, as a [`Load`]: one rate, stages in the order typed, recorded instants, or
//! a closed loop; and what does not go with several rates.

use echo_net::settings::Rate;

use super::groups::LoadArgs;
use super::swept::STAGES;
use super::{Inputs, RunArgs, RunArgsError};
use echo_bench_engine::plan::Load;
use echo_bench_engine::schedule::{Recorded, Stage};

impl RunArgs {
    /// The load model with its numbers.
    pub(super) fn load(&self, inputs: &Inputs) -> Result<Load, RunArgsError> {
        let load = &self.load;
        load.check_one_rate()?;
        let pipeline = load.pipeline.unwrap_or(if self.load.pool.is_some() { 1 } else { 64 });
        if let Some(text) = &inputs.arrivals {
            return Ok(Load::Recorded { arrivals: Recorded::read(text)?, pipeline });
        }
        let arrival = load.arrival;
        if load.stage.is_empty() && load.ramp.is_empty() {
            return Ok(match load.rate.map(Rate::per_second) {
                None => Load::Closed { pipeline: load.pipeline.unwrap_or(1) },
                Some(rate_per_s) => Load::Open { rate_per_s, arrival, pipeline },
            });
        }
        // Those of both flags, in the order typed.
        let typed = self.typed.0.iter().filter(|flag| flag.flag == STAGES[0]);
        let stages: Vec<Stage> = typed.filter_map(|flag| flag.value.parse().ok()).collect();
        Ok(Load::Staged { stages, arrival, pipeline })
    }

    /// Refuses what is said of one rate where there are several.
    pub(super) fn check_staged(&self, load: &Load) -> Result<(), RunArgsError> {
        if !load.is_staged() {
            return Ok(());
        }
        let is_constant = match load {
            Load::Staged { stages, .. } => stages.iter().any(|stage| !stage.is_ramp()),
            _ => false,
        };
        let unfit = self.results.slo.iter().find(|slo| !is_constant && slo.is_latency());
        match unfit {
            Some(slo) => Err(RunArgsError::NoConstantStage(slo.to_string())),
            None if self.results.hgrm.is_some() => Err(RunArgsError::HgrmOfStages),
            None => Ok(()),
        }
    }
}

impl LoadArgs {
    /// Refuses one rate or length beside those of stages and of recorded instants.
    fn check_one_rate(&self) -> Result<(), RunArgsError> {
        let with = [
            ("--stage", !self.stage.is_empty()),
            ("--ramp", !self.ramp.is_empty()),
            ("--arrivals", self.arrivals.is_some()),
        ];
        let one = [
            ("--rate", self.rate.is_some()),
            ("--duration", self.duration.is_some()),
            ("--requests", self.requests.is_some()),
            ("--until", self.until.is_some()),
        ];
        let typed = |flags: &[(&'static str, bool)]| {
            flags.iter().find(|(_, is_typed)| *is_typed).map(|(flag, _)| *flag)
        };
        match (typed(&one), typed(&with)) {
            (Some(flag), Some(with)) => Err(RunArgsError::OneRate { flag, with }),
            _ => Ok(()),
        }
    }
}
