//! A set of CPUs: [`CpuList`], typed as `0,2-3` like the kernel prints it.

use std::fmt;
use std::str::FromStr;

/// CPU numbers in the order typed, without duplicates; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CpuList(Vec<usize>);

/// Invalid CPU list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid CPU list `{0}` (use numbers and ranges, like 0 or 0,2-3)")]
pub struct InvalidCpuList(String);

/// The largest valid CPU number, so that a typo can't exhaust memory.
const LARGEST: usize = 4095;

impl CpuList {
    /// These CPUs; `None` if there are none, or one is there twice or can't be.
    pub fn new(cpus: &[usize]) -> Option<Self> {
        let fits =
            |(place, cpu): (usize, &usize)| *cpu <= LARGEST && !cpus[..place].contains(cpu);
        (!cpus.is_empty() && cpus.iter().enumerate().all(fits)).then(|| Self(cpus.to_vec()))
    }

    /// The CPU numbers.
    pub fn cpus(&self) -> &[usize] {
        &self.0
    }
}

impl FromStr for CpuList {
    type Err = InvalidCpuList;

    fn from_str(text: &str) -> Result<Self, InvalidCpuList> {
        cpus(text).map(Self).ok_or_else(|| InvalidCpuList(text.to_owned()))
    }
}

fn cpus(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last > LARGEST {
            return None;
        }
        for cpu in first..=last {
            if cpus.contains(&cpu) {
                return None;
            }
            cpus.push(cpu);
        }
    }
    Some(cpus)
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges = self.0.chunk_by(|before, after| before + 1 == *after);
        for (index, range) in ranges.enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match range {
                [first, .., last] => write!(f, "{comma}{first}-{last}")?,
                only => write!(f, "{comma}{}", only[0])?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_numbers_and_ranges_in_their_order() {
        for (typed, cpus) in
            [("0", vec![0]), ("0,2-3", vec![0, 2, 3]), ("3,1", vec![3, 1]), ("5-5", vec![5])]
        {
            assert_eq!(typed.parse(), Ok(CpuList(cpus)), "{typed}");
        }
    }

    #[test]
    fn refuses_what_is_no_list_and_names_the_remedy() {
        for typed in ["", ",", "1,", "3-1", "a", "0,0", "1-99999999999", "4096", "-1"] {
            let error = typed.parse::<CpuList>().unwrap_err().to_string();
            assert!(error.contains("like 0 or 0,2-3"), "{typed}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(cpus in proptest::collection::hash_set(0..64_usize, 1..20)) {
            let list = CpuList(cpus.into_iter().collect());
            prop_assert_eq!(list.to_string().parse(), Ok(list));
        }
    }
}
