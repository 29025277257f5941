//! Colours of the style have enough contrast: text from its paper by at least 4.5 to 1, and lines of
//! charts by 3 to 1 (WCAG 2.2, 1.4.3 and 1.4.11).

use std::collections::BTreeMap;

use super::STYLE;

/// Red, green and blue from 0 to 1, and how much of what is below they hide.
type Color = [f64; 4];

/// The colours of day and night, by name.
fn colors() -> [(&'static str, BTreeMap<&'static str, Color>); 2] {
    let (day, rest) = STYLE.split_once("@media (prefers-color-scheme: dark)").unwrap();
    let (night, _) = rest.split_once("color-scheme: dark").unwrap();
    let of = |part: &'static str| {
        let settings = part.split([';', '{']).filter_map(|line| line.trim().split_once(':'));
        let named = settings.filter_map(|(name, value)| {
            Some((name.trim().strip_prefix("--")?, parse(value.trim())))
        });
        named.collect::<BTreeMap<_, _>>()
    };
    [("day", of(day)), ("night", of(night))]
}

fn parse(text: &str) -> Color {
    if let Some(digits) = text.strip_prefix('#') {
        let part = |place| u8::from_str_radix(&digits[place..place + 2], 16).unwrap();
        let [red, green, blue] = [0, 2, 4].map(|place| f64::from(part(place)) / 255.0);
        return [red, green, blue, 1.0];
    }
    let inner = text.strip_prefix("rgba(").and_then(|rest| rest.strip_suffix(')'));
    let inner = inner.unwrap_or_else(|| panic!("{text} is no colour"));
    let parts: Vec<f64> = inner.split(',').map(|part| part.trim().parse().unwrap()).collect();
    [parts[0] / 255.0, parts[1] / 255.0, parts[2] / 255.0, parts[3]]
}

fn over([red, green, blue, alpha]: Color, below: Color) -> Color {
    let mix = |own: f64, below: f64| own * alpha + below * (1.0 - alpha);
    [mix(red, below[0]), mix(green, below[1]), mix(blue, below[2]), 1.0]
}

fn luminance(color: Color) -> f64 {
    let linear = |part: f64| {
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    linear(color[0]) * 0.2126 + linear(color[1]) * 0.7152 + linear(color[2]) * 0.0722
}

fn contrast(a: Color, b: Color) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn the_measure_is_that_of_the_standard() {
    let [black, white, gray] = ["#000000", "#ffffff", "#767676"].map(parse);
    assert!((contrast(black, white) - 21.0).abs() < 1e-9);
    assert!((contrast(white, gray) - 4.54).abs() < 0.01);
}

#[test]
fn every_text_is_readable_on_its_paper() {
    for (scheme, colors) in colors() {
        let [paper, surface, shade] = ["paper", "surface", "shade"].map(|name| colors[name]);
        let shaded = [over(shade, paper), over(shade, surface)];
        let [good, fair, bad] =
            ["good-paper", "fair-paper", "bad-paper"].map(|name| colors[name]);
        let plain = [paper, surface, shaded[0], shaded[1]];
        for (text, papers) in [
            ("ink", vec![paper, surface, shaded[0], shaded[1], good, fair, bad]),
            ("quiet", vec![paper, surface, shaded[0], shaded[1], bad]),
            ("good", vec![paper, surface, good]),
            ("fair", vec![paper, surface, fair]),
            ("bad", vec![paper, surface, bad]),
            // Links.
            ("response", plain.to_vec()),
        ] {
            for (place, paper) in papers.into_iter().enumerate() {
                let found = contrast(colors[text], paper);
                assert!(found >= 4.5, "{scheme}: {text} on paper {place}: {found:.2}");
            }
        }
    }
}

#[test]
fn every_line_of_a_chart_stands_out() {
    let are_papers = ["paper", "surface", "line", "shade", "grid", "own"];
    for (scheme, colors) in colors() {
        let shaded = over(colors["shade"], colors["surface"]);
        let lines = colors.iter().filter(|(name, _)| {
            !are_papers.contains(name)
                && !name.ends_with("-paper")
                && !name.starts_with("heat-")
        });
        assert!(lines.clone().count() > 25, "{scheme}");
        for (line, &color) in lines {
            for paper in [colors["surface"], shaded] {
                let found = contrast(color, paper);
                assert!(found >= 3.0, "{scheme}: {line}: {found:.2}");
            }
        }
    }
}

/// Cells of a sweep choose between black and white.
#[test]
fn one_of_black_and_white_is_readable_on_every_colour() {
    let [black, white] = ["#000000", "#ffffff"].map(parse);
    for level in 0..=100 {
        let gray = f64::from(level) / 100.0;
        let paper = [gray, gray, gray, 1.0];
        let text = if luminance(paper) > 0.179 { black } else { white };
        assert!(contrast(text, paper) >= 4.5, "{gray}");
    }
}
