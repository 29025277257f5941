//! A plan as the text of a plan file: [`SweepPlan::to_toml`]. What reads one knows the flags of a
//! run, and is the command line's.

use super::plan::{Flag, SweepPlan};

impl SweepPlan {
    /// The plan as TOML. The first `listed` axes are lists of values; they must each be of one
    /// flag that a run takes once, with levels named as its values. Others are written as
    /// `[[axis]]`, which any axis can be.
    pub fn to_toml(&self, listed: usize) -> String {
        let mut lines =
            vec![format!("repeat = {}", self.repeats), format!("seed = {}", self.seed)];
        lines.extend(assignments(&self.fixed));
        // Every [[axis]] is read after the flags, so those behind the first one are of its kind.
        let (of_one_flag, named) = self.axes.split_at(listed.min(self.axes.len()));
        for axis in of_one_flag {
            let flags = axis.levels.iter().flat_map(|level| &level.flags);
            let values: Vec<String> = flags.map(|flag| quoted(&flag.value)).collect();
            lines.push(format!("{} = [{}]", axis.name, values.join(", ")));
        }
        for axis in named {
            lines.push(format!("\n[[axis]]\nname = {}\nlevels = [", quoted(&axis.name)));
            for level in &axis.levels {
                // A level may well set nothing: what the defaults give.
                let mut parts = vec![format!("name = {}", quoted(&level.name))];
                parts.extend(assignments(&level.flags));
                lines.push(format!("  {{ {} }},", parts.join(", ")));
            }
            lines.push("]".into());
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Flags as keys; the values of one that stands there several times are a list.
fn assignments(flags: &[Flag]) -> Vec<String> {
    let groups = flags.chunk_by(|a, b| a.flag == b.flag);
    groups
        .map(|group| {
            let values: Vec<String> = group.iter().map(|flag| quoted(&flag.value)).collect();
            match &values[..] {
                [value] => format!("{} = {value}", group[0].flag),
                several => format!("{} = [{}]", group[0].flag, several.join(", ")),
            }
        })
        .collect()
}
