//! The files that a plan was read from: [`PlanFile`]. A plan holds what they said, so that two runs
//! that name one file may differ in it.

use std::fmt;

use super::{Load, MessagePlan, Plan, SizePlan};

/// A file that a plan was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFile {
    /// The flag that names it.
    pub flag: &'static str,
    /// Its value, and how the file is read; a plan keeps none of recorded instants.
    pub name: Option<String>,
    /// Fingerprint of what it said.
    pub digest: String,
}

impl fmt::Display for PlanFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} {name}", self.flag),
            None => f.write_str(self.flag),
        }
    }
}

impl Plan {
    /// The files that it was read from.
    pub fn files(&self) -> Vec<PlanFile> {
        let messages = match &self.messages {
            MessagePlan::Given { file: Some(file), .. } => {
                let name = Some(format!("{} ({})", file.name, file.format));
                Some(PlanFile { flag: "--message-file", name, digest: file.digest.clone() })
            }
            MessagePlan::Generated { sizes: Some(SizePlan::Histogram(histogram)), .. } => {
                let name = Some(format!("file:{}", histogram.file()));
                Some(PlanFile { flag: "--size", name, digest: histogram.digest().to_owned() })
            }
            _ => None,
        };
        let arrivals = match &self.load {
            Load::Recorded { arrivals, .. } => {
                let digest = arrivals.digest().to_owned();
                Some(PlanFile { flag: "--arrivals", name: None, digest })
            }
            _ => None,
        };
        messages.into_iter().chain(arrivals).collect()
    }
}
