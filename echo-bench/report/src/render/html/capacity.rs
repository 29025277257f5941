//! The page of a capacity: [`CapacityPage`], its description with a chart of each search, latency
//! against the offered rate.

use askama::Template;
use serde::Serialize;

use super::limits::Limit;
use super::nav::{Link, Links};
use super::{parts, print, table};
use crate::capacity::{Capacity, Level, RateReport};
use crate::describe::capacity::{id_of_level, spaced};
use crate::describe::{self, Body, Description};
use crate::report::{LatencySummary, Slo, embedding};

/// Percentiles that are drawn of every search, with the style's names of their colours.
const DRAWN: [(&str, f64, &str); 3] =
    [("p50", 0.5, "level-2"), ("p90", 0.9, "level-1"), ("p99", 0.99, "level-0")];

/// The colour of a judged percentile that is none of these.
const JUDGED: &str = "level-3";

/// Lines of a chart at most: a stored document may hold any number of objectives.
const MOST_LIMITS: usize = 8;

/// Everything that the page of a capacity shows.
#[derive(Debug, Template)]
#[template(path = "capacity.html")]
pub(super) struct CapacityPage<'a> {
    capacity: &'a Capacity,
    told: Description,
    links: Vec<Link>,
    panels: Vec<Panel>,
    charts: Charts,
}

/// What the script draws.
#[derive(Debug, Serialize)]
struct Charts {
    rates: Vec<RateChart>,
}

/// A chart on the page.
#[derive(Debug)]
struct Panel {
    name: String,
    /// The section with its numbers.
    section: String,
    /// Its place in the data.
    place: usize,
}

/// Latency against the offered rate.
#[derive(Debug, Serialize)]
struct RateChart {
    /// Offered, rising, in requests per second.
    rates: Vec<f64>,
    curves: Vec<Curve>,
    /// 95 % intervals of the judged percentile: rate, low, high, in nanoseconds.
    ci95: Vec<(f64, u64, u64)>,
    limits: Vec<Limit>,
    /// The interval of the capacity; an end that is open is null.
    bracket: [Option<f64>; 2],
}

/// A percentile over the rates.
#[derive(Debug, Serialize)]
struct Curve {
    name: String,
    color: &'static str,
    /// In nanoseconds; null where nothing was answered.
    ns: Vec<Option<u64>>,
}

impl<'a> CapacityPage<'a> {
    pub(super) fn new(capacity: &'a Capacity) -> Self {
        let (mut panels, mut rates) = (Vec::new(), Vec::new());
        for (place, level) in capacity.levels.iter().enumerate() {
            let Some(curves) = RateChart::new(level, &capacity.plan.slos) else { continue };
            let name = if level.name.is_empty() { "All rates" } else { &level.name };
            let section = id_of_level(place);
            panels.push(Panel { name: name.to_owned(), section, place: rates.len() });
            rates.push(curves);
        }
        let told = describe::capacity(capacity);
        let mut links = Links::default();
        links.add_sections(&told, |_| true);
        Self { capacity, told, links: links.finish(), panels, charts: Charts { rates } }
    }
}

impl RateChart {
    /// `None` of a search in which nothing was answered.
    fn new(level: &Level, slos: &[Slo]) -> Option<Self> {
        let answered: Vec<&RateReport> =
            level.rates.iter().filter(|rate| rate.response.is_some()).collect();
        if answered.is_empty() {
            return None;
        }
        let latency: Vec<(&Slo, f64, u64)> = slos
            .iter()
            .filter_map(|slo| slo.latency_limit().map(|(quantile, at)| (slo, quantile, at)))
            .collect();
        let mut wanted: Vec<(String, f64, &'static str)> =
            DRAWN.map(|(name, quantile, color)| (name.to_owned(), quantile, color)).to_vec();
        let judged = latency.first();
        if let Some(&(slo, quantile, _)) = judged
            && wanted.iter().all(|(_, known, _)| known.total_cmp(&quantile).is_ne())
        {
            wanted.push((slo.unknown().quantile().to_owned(), quantile, JUDGED));
        }
        let limits = latency.iter().take(MOST_LIMITS).map(|&(slo, quantile, at)| Limit {
            name: spaced(&slo.to_string()),
            at,
            quantile: Some(quantile).filter(|quantile| *quantile < 1.0),
            color: "fair",
        });
        let interval = |rate: &&RateReport| {
            let text = judged?.0.to_string();
            let outcome = rate.slos.iter().find(|outcome| outcome.slo == text)?;
            let [low, high] = outcome.ci95;
            Some((rate.rate_per_s, low?, high?))
        };
        Some(Self {
            rates: answered.iter().map(|rate| rate.rate_per_s).collect(),
            curves: wanted
                .into_iter()
                .map(|(name, quantile, color)| Curve {
                    name,
                    color,
                    ns: answered
                        .iter()
                        .map(|rate| at(rate.response.as_ref(), quantile))
                        .collect(),
                })
                .collect(),
            ci95: answered.iter().filter_map(interval).collect(),
            limits: limits.collect(),
            bracket: [level.answer.low_per_s, level.answer.high_per_s],
        })
    }
}

fn at(response: Option<&LatencySummary>, quantile: f64) -> Option<u64> {
    Some(response?.histogram()?.value_at_quantile(quantile))
}
