//! What a sweep says first, and that it is rarely wrong.

use echo_bench_report::describe::conclusion::Concluded;

use super::*;

/// What a sweep says first.
fn concluded(plan: &SweepPlan, cells: Vec<Cell>) -> (Sweep, Vec<String>) {
    let analysis = analysis::analyse(plan, &cells, Options { threshold: 0.0, ..OPTIONS });
    let (schema, tool) = (sweep::SCHEMA.into(), Tool::this());
    let (plan, conclusion) = (plan.clone(), Vec::new());
    let sweep = Sweep { schema, tool, conclusion, plan, cells, analysis };
    let said = sweep.conclusions().into_iter().map(|said| said.text).collect();
    (sweep, said)
}

/// A report whose rate goes with its latency.
fn rated(number: u64, level_us: u64) -> Report {
    let mut report = report(number, level_us);
    report.summary.answered_in_window = 5_000_000 / level_us;
    report
}

#[test]
fn levels_that_are_alike_are_rarely_called_best_and_verdicts_fit_their_intervals() {
    let axes = vec![axis("conns", &["1", "2", "3", "4"])];
    let plan = SweepPlan { axes, repeats: 4, ..plan() };
    let claims: usize = (0..100_u64)
        .into_par_iter()
        .filter(|seed| {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(*seed);
            let mut level =
                || 900 + (0..12).map(|_| random.random_range(0..20_u64)).sum::<u64>();
            let mut cells = cells(&plan, |_| Vec::new());
            for (number, cell) in cells.iter_mut().enumerate() {
                cell.runs = (0..4).map(|k| rated(number as u64 * 4 + k, level())).collect();
            }
            let (sweep, said) = concluded(&plan, cells);
            let metrics = sweep.analysis.effects.iter().flat_map(|effect| &effect.metrics);
            for found in metrics.map(|metric| &metric.overall) {
                let called = matches!(found.verdict, Verdict::Better | Verdict::Worse);
                let beyond =
                    found.interval_holm.is_some_and(|[low, high]| low > 1.0 || high < 1.0);
                assert!(found.metric == Metric::Errors || called == beyond, "{found:?}");
            }
            let ranks: Vec<_> = sweep.analysis.ranking.iter().map(|cell| cell.rank).collect();
            assert!(ranks[0] == Some(1) && ranks.iter().all(Option::is_some), "{ranks:?}");
            said.iter().any(|said| said.contains("best"))
        })
        .count();
    assert!(claims <= 5, "{claims} of 100 sweeps in which nothing is best");
}

#[test]
fn levels_are_compared_with_each_other_where_they_are_few_or_it_is_asked_for() {
    let six = ["1", "2", "3", "4", "5", "6"];
    for (levels, asked, effects, ranked) in [
        (3, None, 3, true),
        (3, Some(false), 2, false),
        (6, None, 5, false),
        (6, Some(true), 15, true),
    ] {
        let plan =
            SweepPlan { axes: vec![axis("conns", &six[..levels])], repeats: 3, ..plan() };
        let cells = cells(&plan, |_| vec![995, 1000, 1005]);
        let options = Options { all_pairs: asked, ..OPTIONS };
        let analysis = analysis::analyse(&plan, &cells, options);
        assert_eq!(analysis.effects.len(), effects, "{levels} {asked:?}");
        let is_ranked = analysis.ranking.iter().all(|cell| cell.rank.is_some());
        assert_eq!(is_ranked, ranked, "{levels} {asked:?}");
    }
    // Cells that differ in several axes are compared for the ranking alone.
    let cells = cells(&SweepPlan { repeats: 3, ..plan() }, |levels| {
        let level = if levels[0] == "off" { 2000 } else { 1000 };
        vec![level - 5, level, level + 5]
    });
    let options = Options { rank_by: Some(Metric::P50), ..OPTIONS };
    let analysis = analysis::analyse(&SweepPlan { repeats: 3, ..plan() }, &cells, options);
    let ranks: Vec<_> = analysis.ranking.iter().map(|cell| cell.rank.unwrap()).collect();
    assert_eq!(ranks, [1, 1, 3, 3]);
}
