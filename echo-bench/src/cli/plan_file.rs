//! A sweep's plan as a TOML file: [`read`] and [`write`](write()). Keys are flags of a run; a list of
//! values is an axis, and `[[axis]]` names levels that set several flags at once.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::swept::{self, CommandLine, SweptFlags};
use echo_bench_report::sweep::{Axis, Flag, Level, SweepPlan};

/// What a plan file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanFile {
    /// Flags of a run, each with its values.
    pub flags: SweptFlags,
    /// Axes with levels of their own.
    pub axes: Vec<Axis>,
    /// Runs of each cell.
    pub repeats: Option<u32>,
    /// Seed.
    pub seed: Option<u64>,
}

impl PlanFile {
    /// What would have to stand in a file for this plan.
    pub fn of(plan: SweepPlan) -> Self {
        let mut flags: Vec<(String, Vec<String>)> = Vec::new();
        for Flag { flag, value } in plan.fixed {
            match flags.iter_mut().find(|(known, _)| *known == flag) {
                Some((_, values)) => values.push(value),
                None => flags.push((flag, vec![value])),
            }
        }
        let (repeats, seed) = (Some(plan.repeats), Some(plan.seed));
        Self { flags: SweptFlags(flags), axes: plan.axes, repeats, seed }
    }
}

/// A plan file that can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct BadPlanFile {
    /// Where, from 1.
    pub line: usize,
    /// Why.
    pub reason: String,
}

type Read<T> = Result<T, BadPlanFile>;

struct Source<'a>(&'a str);

impl Source<'_> {
    fn error(&self, place: usize, reason: impl Into<String>) -> BadPlanFile {
        let before = self.0.get(..place).unwrap_or(self.0);
        let line = 1 + before.matches('\n').count();
        BadPlanFile { line, reason: reason.into() }
    }

    /// A scalar as it would be typed on a command line.
    fn scalar(&self, value: &Spanned<DeValue<'_>>) -> Read<String> {
        Ok(match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Boolean(true) => "on".into(),
            DeValue::Boolean(false) => "off".into(),
            DeValue::Integer(_) | DeValue::Float(_) => self.0[value.span()].to_owned(),
            other => {
                let reason = format!("expected a value, found {}", other.type_str());
                return Err(self.error(value.span().start, reason));
            }
        })
    }

    fn values(&self, value: &Spanned<DeValue<'_>>) -> Read<Vec<String>> {
        match value.get_ref() {
            DeValue::Array(list) => list.iter().map(|value| self.scalar(value)).collect(),
            _ => Ok(vec![self.scalar(value)?]),
        }
    }

    fn number<T: std::str::FromStr>(&self, value: &Spanned<DeValue<'_>>) -> Read<T> {
        let text = self.scalar(value)?;
        let reason = || self.error(value.span().start, format!("invalid count `{text}`"));
        text.parse().map_err(|_| reason())
    }

    fn axis(&self, value: &Spanned<DeValue<'_>>) -> Read<Axis> {
        let start = value.span().start;
        let table = value.get_ref().as_table();
        let table = table.ok_or_else(|| self.error(start, "write an axis as [[axis]]"))?;
        let (mut name, mut levels) = (None, Vec::new());
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => name = Some(self.scalar(value)?),
                "levels" => {
                    let list = value.get_ref().as_array();
                    let list = list.ok_or_else(|| {
                        self.error(value.span().start, "levels are a list of tables")
                    })?;
                    levels = list.iter().map(|level| self.level(level)).collect::<Read<_>>()?;
                }
                other => {
                    let reason =
                        format!("unknown key `{other}`: an axis has a name and levels");
                    return Err(self.error(key.span().start, reason));
                }
            }
        }
        let name = name.ok_or_else(|| self.error(start, "the axis has no name"))?;
        if levels.is_empty() {
            return Err(self.error(start, format!("axis {name} has no levels")));
        }
        Ok(Axis { name, levels })
    }

    fn level(&self, value: &Spanned<DeValue<'_>>) -> Read<Level> {
        let start = value.span().start;
        let table = value.get_ref().as_table().ok_or_else(|| {
            self.error(start, "write a level as { name = \"...\", FLAG = VALUE }")
        })?;
        let (mut name, mut flags) = (None, Vec::new());
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => name = Some(self.scalar(value)?),
                flag => {
                    // A list here is of values that go together.
                    let values = if swept::is_repeatable(flag) {
                        self.values(value)?
                    } else {
                        vec![self.scalar(value)?]
                    };
                    swept::check(flag, &values)
                        .map_err(|reason| self.error(key.span().start, reason.to_string()))?;
                    let settings = values.into_iter();
                    flags.extend(settings.map(|value| Flag { flag: flag.to_owned(), value }));
                }
            }
        }
        let name = name.ok_or_else(|| self.error(start, "the level has no name"))?;
        Ok(Level { name, flags })
    }
}

/// What a plan file says.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn read(text: &str) -> Result<PlanFile, BadPlanFile> {
    let source = Source(text);
    let table = DeTable::parse(text).map_err(|error| {
        source.error(error.span().map_or(0, |span| span.start), error.message())
    })?;
    let mut file = PlanFile::default();
    for (key, value) in table.get_ref() {
        match key.get_ref().as_ref() {
            "repeat" => file.repeats = Some(source.number(value)?),
            "seed" => file.seed = Some(source.number(value)?),
            "axis" => {
                let list = value.get_ref().as_array().ok_or_else(|| {
                    source.error(key.span().start, "write an axis as [[axis]]")
                })?;
                file.axes = list.iter().map(|axis| source.axis(axis)).collect::<Read<_>>()?;
            }
            flag => {
                let values = source.values(value)?;
                swept::check(flag, &values)
                    .map_err(|reason| source.error(key.span().start, reason.to_string()))?;
                file.flags.0.push((flag.to_owned(), values));
            }
        }
    }
    Ok(file)
}

/// What makes a sweep the one that it is: everything but how often it is repeated, so that
/// repeats can be added to it.
pub fn identity(plan: &SweepPlan) -> String {
    write(&SweepPlan { repeats: 1, ..plan.clone() })
}

/// The plan as a file that [`read`] understands.
pub fn write(plan: &SweepPlan) -> String {
    plan.to_toml(plan.axes.iter().take_while(|axis| axis.is_plain(&CommandLine)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
repeat = 3
model = ["epoll", "tokio"]
duration = "1s"
conns = [1, 100]
message = ["a,b", "c"]

[[axis]]
name = "nagle"
levels = [
  { name = "off", nodelay = "on", server-nodelay = "on" },
  { name = "on", nodelay = "off", server-nodelay = "off" },
]

[[axis]]
name = "buffers"
levels = [{ name = "default" }, { name = "8K", send-buffer = "8K" }]
"#;

    #[test]
    fn what_is_written_is_read_back() {
        let file = read(FILE).unwrap();
        assert_eq!(file.repeats, Some(3));
        let (fixed, mut axes) = file.flags.resolve(&[]).unwrap();
        axes.extend(file.axes);
        let plan = SweepPlan { fixed, axes, repeats: 3, seed: 9 };
        let plan = plan.planned(&CommandLine).unwrap().plan;
        assert_eq!(plan.cells().len(), 2 * 2 * 2 * 2 * 2);
        let again = read(&write(&plan)).unwrap();
        let (fixed, mut axes) = again.flags.resolve(&[]).unwrap();
        axes.extend(again.axes);
        let repeats = again.repeats.unwrap();
        assert_eq!(SweepPlan { fixed, axes, repeats, seed: again.seed.unwrap() }, plan);
        // As pages show it, which do not know the flags of a run.
        let shown = read(&plan.to_toml(0)).unwrap();
        let (fixed, mut axes) = shown.flags.resolve(&[]).unwrap();
        axes.extend(shown.axes);
        assert_eq!(SweepPlan { fixed, axes, repeats, seed: shown.seed.unwrap() }, plan);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, reason) in [
            ("conns = 1\nmodle = \"epoll\"\n", 2, "no run has a flag --modle"),
            ("\nreport-dir = \"x\"\n", 2, "about one run"),
            ("conns = \n", 1, ""),
            ("conns = [1]\n\nconns = [2]\n", 3, ""),
            ("conns = [[1]]\n", 1, "expected a value"),
            ("repeat = \"many\"\n", 1, "invalid count"),
            ("conns = []\n", 1, "no value"),
            ("[[axis]]\nname = \"a\"\nlevel = 1\n", 3, "unknown key `level`"),
            ("[[axis]]\nname = \"a\"\nlevels = [\n{ name = \"x\", nope = 1 }]\n", 4, "--nope"),
            ("[[axis]]\nname = \"a\"\n", 1, "no levels"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.reason.contains(reason), "{text:?}: {error}");
        }
    }
}
