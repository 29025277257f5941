//! Whether a change of the response latency is the generator's own: [`mark`]. The same quantile
//! without late sends and slow pickup is compared beside it, and answers that. It is known of the
//! requests with stamped replies only, so these must show the change as all requests do.

use super::{Case, Caution, Comparison, MetricComparison, Verdict};

/// The code of the caution that changes are the generator's own.
const OWN_SHARE: &str = "own-share";

/// Marks the changes of a case that are the generator's own.
pub(super) fn mark(case: &mut Case) {
    for place in 0..case.metrics.len() {
        let changed = &case.metrics[place];
        let stamped = case.stamped.iter().find(|found| found.metric == changed.metric);
        let sides = stamped.zip(without_own_share(case, changed));
        let own = sides.is_some_and(|(stamped, rest)| {
            is_shown_by(changed, stamped) && is_own(changed, rest)
        });
        case.metrics[place].own_share = own;
    }
    case.stamped.clear();
}

/// Whether the stamped requests alone show the same change as all: else it is one of the other
/// requests, of which it is not known whose it is.
fn is_shown_by(changed: &MetricComparison, stamped: &MetricComparison) -> bool {
    let sides = changed.ratio.zip(stamped.judged_interval());
    let holds = sides.is_some_and(|(ratio, [low, high])| (low..=high).contains(&ratio));
    stamped.verdict == changed.verdict && holds
}

/// The same latency without the generator's own share.
fn without_own_share<'a>(
    case: &'a Case,
    metric: &MetricComparison,
) -> Option<&'a MetricComparison> {
    let wanted = metric.metric.corrected()?;
    case.explanations.iter().chain(&case.metrics).find(|found| found.metric == wanted)
}

/// Whether nothing of a change is left in the `rest`. An interval that holds the ratio of the
/// whole can't tell.
fn is_own(changed: &MetricComparison, rest: &MetricComparison) -> bool {
    let called = matches!(changed.verdict, Verdict::Better | Verdict::Worse);
    let Some((ratio, [low, high])) = changed.ratio.zip(rest.judged_interval()) else {
        return false;
    };
    called && rest.verdict == Verdict::NoEvidence && !(low..=high).contains(&ratio)
}

/// What is said of a case with such changes.
pub(super) fn caution(case: &Case) -> Option<Caution> {
    let own: Vec<&MetricComparison> = case.metrics.iter().filter(|m| m.own_share).collect();
    let (first, rest) =
        own.iter().find_map(|one| Some((one, without_own_share(case, one)?)))?;
    let names: Vec<String> = own.iter().map(|one| one.metric.to_string()).collect();
    let place = if case.name.is_empty() { String::new() } else { format!(" ({})", case.name) };
    let (ratio, rest_ratio) = (first.ratio?, rest.ratio?);
    let [low, high] = rest.judged_interval()?;
    let message = format!(
        "{}{place}: the change is the generator's own (late sends, slow pickup); {} {} x \
         {ratio:.3}, without that share x {rest_ratio:.3} (95 %: {low:.3}..{high:.3}): the \
         server's own part shows no evidence of a difference",
        names.join(", "),
        first.metric,
        first.verdict,
    );
    Some(Caution { code: OWN_SHARE.into(), message })
}

impl Comparison {
    /// Whether the metric's change is the generator's own, and was not asked for.
    pub(crate) fn is_excused(&self, metric: &MetricComparison) -> bool {
        metric.own_share && !self.method.asked_for.contains(&metric.metric)
    }

    /// Why a gate can't tell whether the server got worse, if it can't: what is worse is so by
    /// the generator's own share.
    pub(super) fn own_share_decides(&self) -> Option<String> {
        let mut names: Vec<String> = Vec::new();
        let excused = self.metrics().filter(|metric| self.is_excused(metric));
        for metric in excused.filter(|metric| metric.verdict == Verdict::Worse) {
            let name = metric.metric.to_string();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let names = (!names.is_empty()).then(|| names.join(", "))?;
        Some(format!(
            "{names} got worse by the generator's own share: use more --threads or cores or less \
             load, or judge it all the same with --judge {}",
            names.replace(", ", ",")
        ))
    }
}
