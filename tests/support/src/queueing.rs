//! A queue whose waiting times are known: Poisson arrivals at a single server that takes the same
//! time for each (M/D/1).

/// The least rate whose response latency reaches `limit_s` at the `quantile`.
pub fn md1_rate(quantile: f64, service_s: f64, limit_s: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0 / service_s);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if md1_share_within(middle, service_s, limit_s) > quantile {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The share of responses within `time_s` at `rate` per second (Franx, *Operations Research
/// Letters* 29, 2001), which has no terms of alternating sign as that of Erlang has.
pub fn md1_share_within(rate: f64, service_s: f64, time_s: f64) -> f64 {
    let wait_s = time_s - service_s;
    if wait_s < 0.0 {
        return 0.0;
    }
    let slots = (wait_s / service_s).floor() as usize + 1;
    let queued = at_most_queued(rate * service_s, slots);
    let rest = rate * (slots as f64 * service_s - wait_s);
    let (mut term, mut sum) = ((-rest).exp(), 0.0);
    for arrivals in 0..slots {
        sum += queued[slots - arrivals - 1] * term;
        term *= rest / (arrivals + 1) as f64;
    }
    sum.min(1.0)
}

/// The chance that at most 0, 1, ... wait, beside the one that is served, at this load.
fn at_most_queued(load: f64, most: usize) -> Vec<f64> {
    let mut arrivals = vec![(-load).exp()];
    for count in 1..=most + 1 {
        arrivals.push(arrivals[count - 1] * load / count as f64);
    }
    let mut present = vec![1.0 - load];
    for count in 0..=most {
        let kept: f64 =
            (1..=count).map(|others| present[others] * arrivals[count - others + 1]).sum();
        let next = (present[count] - present[0] * arrivals[count] - kept) / arrivals[0];
        present.push(next.max(0.0));
    }
    let mut sum = present[0];
    let queued = present[1..].iter().map(|chance| {
        sum += chance;
        sum
    });
    queued.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A response of at most the service time is that of a request that found nobody.
    #[test]
    fn who_finds_nobody_does_not_wait_and_the_mean_is_that_of_pollaczek_and_khinchine() {
        for load in [0.1, 0.5, 0.8, 0.9] {
            let (service_s, rate) = (0.001, load / 0.001);
            let served = md1_share_within(rate, service_s, service_s);
            assert!((served - (1.0 - load)).abs() < 1e-9, "{load}: {served}");
            let step = service_s / 200.0;
            let longer = |step_number: u32| {
                1.0 - md1_share_within(rate, service_s, (f64::from(step_number) + 0.5) * step)
            };
            let mean: f64 = (0..20_000).map(longer).sum::<f64>() * step;
            let expected = service_s * (1.0 + load / (2.0 * (1.0 - load)));
            assert!((mean / expected - 1.0).abs() < 0.005, "{load}: {mean} and {expected}");
        }
    }

    #[test]
    fn the_rate_at_a_limit_is_the_one_that_reaches_it() {
        let rate = md1_rate(0.99, 0.001, 0.005);
        let share = md1_share_within(rate, 0.001, 0.005);
        assert!((share - 0.99).abs() < 1e-6 && (500.0..700.0).contains(&rate), "{rate}");
    }
}
