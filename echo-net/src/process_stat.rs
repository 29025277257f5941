//! A line of `/proc/PID/stat` (`proc_pid_stat(5)`): [`StatLine`].

use std::fs;
use std::time::Duration;

/// What of the line is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatLine {
    /// Its parent.
    pub(crate) parent: u32,
    /// CPU time, user and system, in ticks.
    pub(crate) worked: u64,
    /// CPU time, user and system, of its children that ended and that it waited for, and of
    /// theirs, in ticks.
    pub(crate) children_worked: u64,
    /// When it started, in ticks after the boot.
    pub(crate) started: u64,
    /// The CPU that it ran on last.
    pub(crate) cpu: usize,
}

impl StatLine {
    /// That of a process; `None` once it is gone.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Fields 4, 14 to 17, 22 and 39. The name, in parentheses, may hold anything.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.rsplit_once(") ")?;
        let field = |number: usize| rest.split(' ').nth(number - 3);
        let number = |place| field(place)?.parse::<u64>().ok();
        Some(Self {
            parent: field(4)?.parse().ok()?,
            worked: number(14)?.checked_add(number(15)?)?,
            children_worked: number(16)?.checked_add(number(17)?)?,
            started: number(22)?,
            cpu: field(39)?.parse().ok()?,
        })
    }
}

/// Ticks as a time. The kernel counts in hundredths of a second here, whatever its timer does.
pub(crate) fn ticks(count: u64) -> Duration {
    Duration::from_millis(count.saturating_mul(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_any_name_is_read() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 70 30 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 \
                    29 30 31 32 33 34 35 5 37";
        let line = StatLine::parse(&format!("9 (a) b (c) {rest}")).unwrap();
        assert_eq!((line.parent, line.worked, line.children_worked), (1, 100, 27));
        assert_eq!((line.started, line.cpu), (19, 5));
        assert_eq!(StatLine::parse("9 (a) S 1 2"), None);
        assert_eq!(StatLine::parse(""), None);
    }
}
