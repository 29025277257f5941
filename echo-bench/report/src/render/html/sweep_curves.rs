//! The percentile curves of a sweep as small multiples: [`panels`]. The levels of one axis
//! are overlaid; each combination of the other axes is a panel.

use super::curve::{Curves, Source};
use crate::report::LatencySummary;
use crate::sweep::Sweep;

/// Curves of a panel at most: more colours look too much alike.
const MOST_CURVES: usize = 8;

/// The style's names of their colours.
const COLORS: [&str; MOST_CURVES] =
    ["level-0", "level-1", "level-2", "level-3", "level-4", "level-5", "level-6", "level-7"];

/// The curves of the cells that agree in all axes but one.
#[derive(Debug)]
pub(super) struct Panel {
    /// What they agree in; empty if there is no other axis.
    pub(super) name: String,
    pub(super) curves: Curves,
}

/// The axis whose levels are overlaid: that of the most levels that one panel has room for,
/// so that there are few panels. `None` without axes.
pub(super) fn overlaid(sweep: &Sweep) -> Option<usize> {
    let axes = &sweep.plan.axes;
    let key = |place: &usize| {
        let levels = axes[*place].levels.len();
        (levels <= MOST_CURVES, levels.min(MOST_CURVES))
    };
    // Of several, the first.
    (0..axes.len()).rev().max_by_key(key)
}

/// Every panel that has a curve, in the order of the cells.
pub(super) fn panels(sweep: &Sweep) -> Vec<Panel> {
    let axis = overlaid(sweep);
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for (number, cell) in sweep.cells.iter().enumerate() {
        let levels = sweep.plan.axes.iter().zip(&cell.levels).enumerate();
        let others = levels.filter(|(place, _)| Some(*place) != axis);
        let names: Vec<String> =
            others.map(|(_, (axis, level))| format!("{} {level}", axis.name)).collect();
        let name = names.join(", ");
        match groups.iter_mut().find(|(other, _)| *other == name) {
            Some((_, cells)) => cells.push(number),
            None => groups.push((name, vec![number])),
        }
    }
    let chunks = groups.iter().flat_map(|(name, cells)| {
        cells.chunks(MOST_CURVES).map(move |cells| (name.clone(), cells))
    });
    let panel = |(name, cells): (String, &[usize])| {
        Some(Panel { name, curves: curves(sweep, axis, cells)? })
    };
    chunks.filter_map(panel).collect()
}

fn curves(sweep: &Sweep, axis: Option<usize>, cells: &[usize]) -> Option<Curves> {
    let merged = |&number: &usize| {
        let cell = &sweep.cells[number];
        let responses =
            cell.runs.iter().filter_map(|run| run.summary.latency.response.as_ref());
        let name = axis.map_or("all runs", |axis| cell.levels[axis].as_str());
        Some((name, LatencySummary::merged(responses)))
    };
    let merged: Vec<(&str, Option<LatencySummary>)> = cells.iter().filter_map(merged).collect();
    let sources: Vec<Source> = merged
        .iter()
        .zip(COLORS)
        .filter_map(|((name, latency), color)| {
            let latency = latency.as_ref()?;
            Some(Source { name, color, latency, bars: false, sign: None })
        })
        .collect();
    let backing: Vec<_> = sources.iter().map(|source| source.latency).collect();
    Curves::new(&sources, &backing)
}

/// The least and the greatest latency of all panels, so that they can have one scale.
pub(super) fn range_ns(panels: &[Curves]) -> Option<[u64; 2]> {
    let clocks = panels.iter().flat_map(|curves| &curves.clocks);
    let values = clocks.flat_map(|clock| clock.ns.iter().copied().flatten());
    values.clone().min().zip(values.max()).map(|(low, high)| [low, high])
}
