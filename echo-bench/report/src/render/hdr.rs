//! Latencies in the formats of other HDR histogram tools: the percentile distribution
//! (`.hgrm`) and the interval log (`.hlog`). Both in milliseconds, as those tools expect.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::report::{LatencySummary, Report};

const NS_PER_MS: f64 = 1e6;

/// Lines per halving of the distance to 100 %, as `HdrHistogram` prints by itself.
const TICKS: u32 = 5;

/// Linear steps per bucket that three significant digits take.
const SUB_BUCKETS: u32 = 2048;

/// The percentile distribution of the response latency; empty if nothing was measured.
pub fn hgrm(report: &Report) -> String {
    let mut out = String::new();
    let response = report.summary.latency.response.as_ref();
    let Some(histogram) = response.and_then(LatencySummary::histogram) else {
        return out;
    };
    // Writing to a string can't fail, so the results are dropped here and below.
    let _ = writeln!(out, "       Value     Percentile TotalCount 1/(1-Percentile)\n");
    for tick in histogram.iter_quantiles(TICKS) {
        // As it is printed: a last binary digit too many would be the next value where the
        // quantile falls on a whole rank, and the report has the one before.
        let quantile = (tick.quantile_iterated_to() * 1e12).round() / 1e12;
        let value = histogram.value_at_quantile(quantile);
        let below = histogram.count_between(0, value);
        let ms = value as f64 / NS_PER_MS;
        let _ = write!(out, "{ms:12.6} {quantile:14.12} {below:10}");
        if quantile < 1.0 {
            let _ = write!(out, " {:14.2}", 1.0 / (1.0 - quantile));
        }
        out.push('\n');
    }
    let (mean, deviation) = (histogram.mean() / NS_PER_MS, histogram.stdev() / NS_PER_MS);
    let max = histogram.max() as f64 / NS_PER_MS;
    let _ = writeln!(out, "#[Mean    = {mean:12.6}, StdDeviation   = {deviation:12.6}]");
    let _ = writeln!(out, "#[Max     = {max:12.6}, Total count    = {:12}]", histogram.len());
    let _ = writeln!(
        out,
        "#[Buckets = {:12}, SubBuckets     = {:12}]",
        histogram.buckets(),
        SUB_BUCKETS
    );
    out
}

/// The first line of a log: other readers refuse one without it.
const VERSION: &str = "[Histogram log format version 1.3]";

/// The last line before the intervals.
const LEGEND: &str = "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// The response latency of every interval, as an interval log. Its times count from the
/// beginning of the measured window, as the intervals do. What ended in the drain follows under
/// the tag `drain`, so that all lines together are the whole.
pub fn hlog(report: &Report) -> std::io::Result<String> {
    let started = report.window_started_at.as_ref().unwrap_or(&report.started_at);
    let started = humantime::parse_rfc3339(started).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut out = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment(VERSION)
        .add_comment("echo-bench: response latency in nanoseconds, maxima in milliseconds")
        .with_start_time(started)
        .with_base_time(started)
        .with_max_value_divisor(NS_PER_MS)
        .begin_log_with(&mut out, &mut serializer)?;
    for interval in &report.intervals {
        let Some(response) = &interval.response else { continue };
        let Some(histogram) = response.histogram() else { continue };
        let time = |s| Duration::try_from_secs_f64(s).map_err(std::io::Error::other);
        let (at, length) = (time(interval.at_s)?, time(interval.length_s)?);
        log.write_histogram(&histogram, at, length, None).map_err(std::io::Error::other)?;
    }
    if let Some(drained) = report.drained.as_ref().and_then(LatencySummary::histogram) {
        let end = Duration::try_from_secs_f64(report.summary.measured_s);
        let end = end.map_err(std::io::Error::other)?;
        let tag = Tag::new("drain");
        log.write_histogram(&drained, end, Duration::ZERO, tag)
            .map_err(std::io::Error::other)?;
    }
    drop(log);
    let mut text = String::from_utf8(out).map_err(std::io::Error::other)?;
    let header: usize =
        text.split_inclusive('\n').take_while(|line| line.starts_with('#')).map(str::len).sum();
    text.insert_str(header, LEGEND);
    Ok(text)
}
