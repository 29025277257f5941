//! In which order a sweep measures: [`order`]. Rounds of all cells, each in a random order
//! of its own, so that a drift of the machine meets every cell alike. Pure.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

/// A run of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// The number of the repeat, from 0.
    pub repeat: u32,
    /// The number of the cell, from 0.
    pub cell: usize,
}

/// Every run of a sweep, in order. Further repeats do not change the order of those before.
pub fn order(cells: usize, repeats: u32, seed: u64) -> Vec<Turn> {
    let round = |repeat: u32| {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(repeat.into()));
        let mut round: Vec<Turn> = (0..cells).map(|cell| Turn { repeat, cell }).collect();
        round.shuffle(&mut random);
        round
    };
    (0..repeats).flat_map(round).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_holds_every_cell_in_an_order_of_its_own() {
        let turns = order(16, 5, 7);
        let cells = |round: &[Turn]| round.iter().map(|turn| turn.cell).collect::<Vec<_>>();
        let rounds: Vec<Vec<usize>> = turns.chunks(16).map(cells).collect();
        for (repeat, round) in turns.chunks(16).enumerate() {
            assert!(round.iter().all(|turn| turn.repeat as usize == repeat));
            let mut sorted = cells(round);
            sorted.sort_unstable();
            assert_eq!(sorted, (0..16).collect::<Vec<_>>());
        }
        assert!(rounds.windows(2).all(|pair| pair[0] != pair[1]), "{rounds:?}");
        assert_ne!(rounds[0], (0..16).collect::<Vec<_>>(), "not in order of the plan");
    }

    #[test]
    fn the_seed_decides_and_further_repeats_change_nothing() {
        assert_eq!(order(9, 3, 1), order(9, 5, 1)[..27]);
        assert_ne!(order(9, 3, 1), order(9, 3, 2));
    }
}
