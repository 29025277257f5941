//! What the keys do and what is shown.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use super::block;
use crate::view::theme::Theme;

const TEXT: [&str; 17] = [
    "p, space  hold the picture; the run goes on",
    "c         next clock: response, service, wait, lateness (open loop)",
    "q, Ctrl-C stop the run in order: the partial report is written;",
    "          a second time: at once",
    "Ctrl-L    draw the screen anew",
    "?, Esc    this help, and back",
    "",
    "latency over time  p50, p99 and maximum of each piece of the window",
    "percentile curve   of the whole window so far",
    "requests/s         offered (open loop), achieved and failed",
    "own share          generator's part of the mean response latency, on",
    "                   connections with receive timestamps of the kernel",
    "fairness           Jain's index of the replies of each connection:",
    "                   1 where all got the same; starved: without a reply",
    "",
    "The view draws from a thread of its own. The report has what it cost,",
    "and the confidence of each number, which is not shown here.",
];

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, theme: Theme) {
    let lines: Vec<Line<'_>> = TEXT.into_iter().map(Line::raw).collect();
    let text = Paragraph::new(lines).wrap(Wrap { trim: false });
    frame.render_widget(text.block(block(" keys ", theme)), area);
}
