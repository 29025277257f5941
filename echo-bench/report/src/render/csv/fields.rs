//! Fields of a table: [`text`] of a report or a user, [`number`], and how they become lines,
//! [`rows`].

use echo_proto::terminal::one_line;

/// What makes a spreadsheet take a field for a formula (OWASP, "CSV Injection").
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A text that a report or a user has chosen. A spreadsheet would run what looks like a formula;
/// the apostrophe makes it a text.
pub(super) fn text(text: &str) -> String {
    let text = one_line(text);
    if text.starts_with(FORMULA) { format!("'{text}") } else { text }
}

/// A number, or nothing.
pub(super) fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or(String::new(), |value| value.to_string())
}

/// Lines of fields, quoted where they have to be.
pub(super) fn rows(rows: &[Vec<String>]) -> String {
    let quoted = |field: &String| {
        if field.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.clone()
        }
    };
    let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n";
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The fields of a line by RFC 4180.
    fn read(line: &str) -> Vec<String> {
        let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
        let mut signs = line.trim_end_matches('\n').chars().peekable();
        while let Some(sign) = signs.next() {
            match sign {
                '"' if quoted && signs.peek() == Some(&'"') => {
                    signs.next();
                    field.push('"');
                }
                '"' => quoted = !quoted,
                ',' if !quoted => fields.push(std::mem::take(&mut field)),
                sign => field.push(sign),
            }
        }
        fields.push(field);
        fields
    }

    proptest! {
        #[test]
        fn texts_stay_one_field_and_are_no_formula(
            texts in prop::collection::vec("[-=+@,\"a \\t\\r\\n]{0,8}|.*", 1..4)
        ) {
            let row: Vec<String> = texts.iter().map(|of| text(of)).collect();
            let line = rows(std::slice::from_ref(&row));
            prop_assert_eq!(line.matches('\n').count(), 1);
            let fields = read(&line);
            prop_assert_eq!(&fields, &row);
            for (field, from) in fields.iter().zip(&texts) {
                prop_assert!(!field.starts_with(FORMULA), "{:?}", field);
                let shown = one_line(from);
                let plain = |text: &str| text.trim_start_matches('\'').to_owned();
                prop_assert_eq!(plain(field), plain(&shown));
            }
        }
    }
}
