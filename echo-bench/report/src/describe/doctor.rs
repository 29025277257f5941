//! A machine, examined, in words: [`doctor`].

use super::{Body, Cell, Column, Description, Notice, Section, Table, Tone, Verdict, units};
use crate::doctor::{Check, Doctor, Health};

/// Everything that an examination says.
pub(crate) fn doctor(doctor: &Doctor) -> Description {
    let columns = ["check", "value", "verdict"].map(Column::text);
    let mut table = Table::new("checks", "Checks", columns.into());
    for check in &doctor.checks {
        let tone = match check.health {
            Health::Warning => Tone::Bad,
            Health::Note => Tone::Fair,
            _ => Tone::Plain,
        };
        let health = Cell { tone, ..check.health.to_string().into() };
        table.rows.push(vec![check.name.clone().into(), check.value.clone().into(), health]);
    }
    let of = |health| {
        let found = doctor.checks.iter().filter(move |check| check.health == health);
        found.filter_map(notice).collect::<Vec<_>>()
    };
    let said = [of(Health::Warning), of(Health::Note)].concat();
    Description {
        title: "this machine, for measurements".to_owned(),
        conclusion: Vec::new(),
        detail: None,
        phrases: vec![
            units::counted(doctor.count(Health::Warning) as u64, "warning"),
            units::counted(doctor.count(Health::Note) as u64, "note"),
        ],
        sections: vec![
            Section::new("checks", "Checks", Body::Table(table)),
            Section::new("findings", "Findings", Body::Notices(said)),
        ],
        verdict: verdict(doctor),
        reading:
            "warnings limit or disturb most measurements, notes some; remedies are commands \
                  for this machine, as root where the kernel asks for it"
                .to_owned(),
    }
}

fn notice(check: &Check) -> Option<Notice> {
    let (label, tone) = match check.health {
        Health::Warning => ("warning", Tone::Bad),
        _ => ("note", Tone::Fair),
    };
    let text = check.reason.clone()?;
    Some(Notice { label, name: check.name.clone(), text, more: check.remedy.clone(), tone })
}

fn verdict(doctor: &Doctor) -> Verdict {
    let (word, meaning, tone) = if doctor.count(Health::Warning) > 0 {
        ("fix the warnings first", "or state them beside every number", Tone::Bad)
    } else if doctor.count(Health::Note) > 0 {
        ("usable", "mind the notes", Tone::Fair)
    } else {
        ("good", "nothing found that disturbs measurements", Tone::Better)
    };
    Verdict { word: word.to_owned(), meaning, tone }
}
