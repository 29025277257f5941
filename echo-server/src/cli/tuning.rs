//! How a model waits and accepts, as typed: [`TuningArgs`].

use std::num::NonZeroU32;

use clap::Args;
use echo_net::settings::at_least_one;
use strum::VariantArray;

use super::InvalidArgs;
use crate::choice::choice;
use crate::model_kind::ModelKind;
use crate::tuning::{Accept, Trigger, Tuning};

/// Settings of some models
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Model")]
pub struct TuningArgs {
    /// Notification mode of epoll (epoll): level-triggered, edge-triggered (EPOLLET), or one-shot
    /// (EPOLLONESHOT, re-armed by a system call after every event) [default: level]
    #[arg(long, value_name = "NAME", value_parser = choice::<Trigger>())]
    pub trigger: Option<Trigger>,

    /// How connections are distributed to workers. handoff: one thread accepts and dispatches;
    /// shared: all workers wait on one listener, and all wake (epoll, poll, prefork, tokio-local);
    /// exclusive: the same, and one wakes (EPOLLEXCLUSIVE, epoll, prefork); reuseport: one listener
    /// per worker (SO_REUSEPORT; epoll, poll, uring, prefork, tokio-local; of tokio any worker may
    /// serve any listener) [default: handoff; prefork: exclusive]
    #[arg(long, value_name = "NAME", value_parser = choice::<Accept>())]
    pub accept: Option<Accept>,

    /// Scheduler ticks (task polls) between two polls for I/O events (tokio, tokio-local): fewer
    /// lower the latency of events and cost system calls [default: 61, tokio's own]
    #[arg(long, value_name = "N", value_parser = at_least_one::<NonZeroU32>)]
    pub tokio_event_interval: Option<NonZeroU32>,

    /// Scheduler ticks (task polls) between two polls of the global task queue (tokio,
    /// tokio-local) [default: tokio adapts it; tokio-local: 31]
    #[arg(long, value_name = "N", value_parser = at_least_one::<NonZeroU32>)]
    pub tokio_global_queue_interval: Option<NonZeroU32>,

    /// Leave submitting and completing requests to a kernel thread (uring; `IORING_SETUP_SQPOLL`), one
    /// for all workers: fewer system calls. It spins on a CPU of its own until 100 ms after the last
    /// message, which counts as CPU time of the server: --workers must be fewer than the available
    /// CPUs, and is one fewer by default
    #[arg(long)]
    pub uring_sqpoll: bool,
}

/// The models for which `fits` holds, like `epoll, poll or tokio-local`.
fn models(fits: impl Fn(ModelKind) -> bool) -> String {
    let all = ModelKind::VARIANTS.iter().filter(|model| fits(**model));
    let names: Vec<String> = all.map(ToString::to_string).collect();
    match &names[..] {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        names => names.concat(),
    }
}

impl TuningArgs {
    /// What was typed, for this model.
    ///
    /// # Errors
    /// The flag that does not fit it, with the models that it fits.
    pub(super) fn tuning(
        &self,
        model: ModelKind,
        reuse_port: bool,
    ) -> Result<Tuning, InvalidArgs> {
        let unfit = |flag: String, fits: &dyn Fn(ModelKind) -> bool| {
            Err(InvalidArgs::UnfitModel { flag, model, models: models(fits) })
        };
        if let Some(trigger) = self.trigger
            && !model.can_trigger(trigger)
        {
            return unfit(format!("trigger {trigger}"), &|model| model.can_trigger(trigger));
        }
        if let Some(accept) = self.accept
            && !model.can_accept(accept)
        {
            return unfit(format!("accept {accept}"), &|model| model.can_accept(accept));
        }
        for (flag, is_typed) in [
            ("tokio-event-interval", self.tokio_event_interval.is_some()),
            ("tokio-global-queue-interval", self.tokio_global_queue_interval.is_some()),
        ] {
            if is_typed && !model.is_tokio() {
                return unfit(flag.to_owned(), &ModelKind::is_tokio);
            }
        }
        if self.uring_sqpoll && !model.can_sqpoll() {
            return unfit("uring-sqpoll".to_owned(), &ModelKind::can_sqpoll);
        }
        // What --reuse-port alone has always meant.
        let own_listeners = reuse_port && model.shares_listeners();
        let by_default = if own_listeners { Accept::Reuseport } else { model.default_accept() };
        Ok(Tuning {
            trigger: self.trigger.unwrap_or_default(),
            accept: self.accept.unwrap_or(by_default),
            tokio_event_interval: self.tokio_event_interval,
            tokio_global_queue_interval: self.tokio_global_queue_interval,
            uring_sqpoll: self.uring_sqpoll,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    use crate::cli::ServerArgs;
    use crate::config::Config;

    fn tuning(typed: &str) -> Result<Tuning, String> {
        let words = std::iter::once("echo-server").chain(typed.split_whitespace());
        let args = ServerArgs::try_parse_from(words).map_err(|error| error.to_string())?;
        let config = Config::try_from(&args).map_err(|error| error.to_string())?;
        Ok(config.tuning)
    }

    #[test]
    fn what_a_model_can_t_do_is_refused_with_those_that_can() {
        for (typed, told) in [
            (
                "--model poll --trigger edge",
                "--trigger edge is not supported by --model poll (use \
                                             --model epoll)",
            ),
            ("--model uring --trigger level", "(use --model epoll)"),
            ("--model tokio --accept shared", "--model epoll, poll, prefork or tokio-local)"),
            ("--model poll --accept exclusive", "(use --model epoll or prefork)"),
            ("--model prefork --accept handoff", "--accept handoff is not supported"),
            ("--model pool --accept reuseport", "--accept reuseport is not supported"),
            ("--model epoll --tokio-event-interval 1", "(use --model tokio or tokio-local)"),
            ("--model epoll --uring-sqpoll", "(use --model uring)"),
            ("--model uring --uring-sqpoll --workers 60000", "--uring-sqpoll needs a CPU"),
            ("--tokio-event-interval 0", "at least 1"),
            ("--trigger often", "level"),
        ] {
            let error = tuning(typed).unwrap_err();
            assert!(error.contains(told), "{typed}: {error}");
        }
    }

    #[test]
    fn the_flag_of_before_still_means_a_listener_per_worker() {
        for (typed, accept) in [
            ("--model epoll", Accept::Handoff),
            ("--model epoll --reuse-port", Accept::Reuseport),
            ("--model epoll --reuse-port --accept reuseport", Accept::Reuseport),
            ("--model pool --reuse-port", Accept::Handoff),
            ("--model epoll --reuse-port --accept handoff", Accept::Handoff),
            ("--model epoll --accept exclusive", Accept::Exclusive),
            ("--model prefork", Accept::Exclusive),
            ("--model prefork --reuse-port", Accept::Reuseport),
        ] {
            assert_eq!(tuning(typed).unwrap().accept, accept, "{typed}");
        }
        let tokio = tuning("--model tokio --tokio-event-interval 7").unwrap();
        assert_eq!(tokio.tokio_event_interval, NonZeroU32::new(7));
    }
}
