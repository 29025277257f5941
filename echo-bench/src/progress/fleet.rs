//! How several processes go, on stderr: [`FleetProgress`], one line that is renewed on a terminal,
//! else a plain line per interval.

use std::io::Write;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Out;
use crate::console::tell;
use crate::view::Feed;

/// The live line of a run in several processes.
#[derive(Debug)]
pub struct FleetProgress {
    out: Out,
}

impl FleetProgress {
    /// On the view if there is one; nothing but losses is said if `quiet`.
    pub fn new(quiet: bool, view: Option<Feed>) -> Self {
        let out = Out::new(quiet, view, || {
            let bar =
                ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(20));
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            bar.set_message("the parts connect and warm up");
            bar
        });
        Self { out }
    }

    /// Says how they go.
    pub fn say(&self, text: &str) {
        match &self.out {
            // The view is told by the parts.
            Out::Silent | Out::View(_) => {}
            Out::Bar(bar) => bar.set_message(text.to_owned()),
            // Nobody may be there to read it any more, and the run goes on.
            Out::Lines => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }

    /// Says what must not be overlooked.
    pub fn warn(&self, text: &str) {
        match &self.out {
            Out::Bar(bar) => bar.suspend(|| tell(text)),
            Out::Silent | Out::Lines | Out::View(_) => tell(text),
        }
    }

    /// Takes the line off the screen.
    pub fn finish(&self) {
        if let Out::Bar(bar) = &self.out {
            bar.finish_and_clear();
        }
    }
}
