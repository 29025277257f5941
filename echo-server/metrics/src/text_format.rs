//! The text format of Prometheus, version 0.0.4, made from that of OpenMetrics: [`classic`].
//! Scrapers that do not ask for OpenMetrics, and `promtool check metrics`, expect it.

/// Converts an OpenMetrics exposition. Names of samples stay; the `TYPE` and `HELP` of counters
/// and infos carry the name of their samples, as that format wants.
pub(crate) fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // The name comes before the type, on which it depends.
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.rsplit_once(' ').unwrap_or((rest, "untyped"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some((_, help)) = help.take() {
                text.extend(["# HELP ", name, suffix, " ", help, "\n"]);
            }
            text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            text.extend([line, "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_infos_are_named_as_their_samples() {
        let open_metrics = "\
# HELP build Version.
# TYPE build info
build_info{version=\"1\"} 1
# HELP sent_bytes Bytes sent.
# TYPE sent_bytes counter
# UNIT sent_bytes bytes
sent_bytes_total 5
# HELP active Open connections.
# TYPE active gauge
active 2
# HELP t_seconds Times.
# TYPE t_seconds histogram
# UNIT t_seconds seconds
t_seconds_sum 1.0
t_seconds_count 1
t_seconds_bucket{le=\"+Inf\"} 1
# EOF
";
        let expected = "\
# HELP build_info Version.
# TYPE build_info gauge
build_info{version=\"1\"} 1
# HELP sent_bytes_total Bytes sent.
# TYPE sent_bytes_total counter
sent_bytes_total 5
# HELP active Open connections.
# TYPE active gauge
active 2
# HELP t_seconds Times.
# TYPE t_seconds histogram
t_seconds_sum 1.0
t_seconds_count 1
t_seconds_bucket{le=\"+Inf\"} 1
";
        assert_eq!(classic(open_metrics), expected);
    }
}
