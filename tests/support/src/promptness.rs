//! How promptly a server answers: [`round_trip`], [`p99_of`], and [`best_of_three`] for promises in time,
//! which a busy machine may break by itself.

use std::fmt::Display;
use std::time::{Duration, Instant};

use crate::client::Client;

/// What a busy machine may add to any answer.
pub const SCHEDULING: Duration = Duration::from_millis(1);

/// How long something takes.
pub fn timed(action: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    action();
    begin.elapsed()
}

/// The time of one exchange of lines.
#[track_caller]
pub fn round_trip(client: &mut Client) -> Duration {
    timed(|| client.exchange(b"how long?\n", b"ECHO: how long?\n"))
}

/// The time that 99 of 100 exchanges take at most, of so many.
#[track_caller]
pub fn p99_of(client: &mut Client, count: usize) -> Duration {
    p99((0..count).map(|_| round_trip(client)).collect())
}

/// The 99th percentile of times, of which there has to be one.
pub fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[(times.len() * 99).div_ceil(100) - 1]
}

/// Makes up to three attempts, of which one has to succeed.
#[track_caller]
pub fn best_of_three<E: Display>(
    what: impl Display,
    mut attempt: impl FnMut() -> Result<(), E>,
) {
    let mut failed = Vec::new();
    while let Err(reason) = attempt() {
        failed.push(reason.to_string());
        assert!(failed.len() < 3, "{what}: {}", failed.join("; "));
    }
}

/// That `time` is at most `most`; otherwise what it is.
pub fn at_most(time: Duration, most: Duration) -> Result<(), String> {
    if time <= most { Ok(()) } else { Err(format!("{time:?} instead of at most {most:?}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_of_a_hundred_is_the_99th_percentile() {
        let times = |most| (1..=most).rev().map(Duration::from_millis).collect();
        assert_eq!(p99(times(100)), Duration::from_millis(99));
        assert_eq!(p99(times(1)), Duration::from_millis(1));
    }
}
