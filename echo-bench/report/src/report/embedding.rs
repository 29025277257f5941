//! A report inside a web page: `OPENING` and `CLOSING` stand around its JSON, and
//! [`find`] takes it out again. Knows nothing of the rest of the page.

/// Stands before the JSON.
pub(crate) const OPENING: &str = r#"<script type="application/json" id="echo-bench-json">"#;

/// Stands after the JSON. The JSON itself has no `<`: its writer escapes them.
pub(crate) const CLOSING: &str = "</script>";

/// The JSON within a page; `None` if it holds none.
pub fn find(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once(OPENING)?;
    let (json, _) = rest.split_once(CLOSING)?;
    Some(json)
}

/// Whether a text is a page rather than JSON.
pub fn is_page(text: &str) -> bool {
    text.trim_start().starts_with('<')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_embedded_and_nothing_else() {
        let page = format!("<!doctype html><p>{OPENING}{{\"a\":1}}{CLOSING}<p>");
        assert!(is_page(&page));
        assert_eq!(find(&page), Some("{\"a\":1}"));
        assert_eq!(find("<!doctype html>"), None);
        assert!(!is_page("\n{\"a\":1}"));
    }
}
