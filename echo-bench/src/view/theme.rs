//! What the terminal can show: [`Theme`], colours or none, and signs beyond ASCII or none.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;

/// See the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Theme {
    /// Whether colours are wanted.
    pub(super) colours: bool,
    /// Whether the terminal knows ASCII only.
    pub(super) ascii: bool,
}

/// What a line of a chart, or a word, stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The first of several: the median, what was offered.
    Low,
    /// The second: p99, what was achieved.
    High,
    /// The third: the maximum, failures.
    Worst,
    /// What is said aside.
    Faint,
    /// A heading.
    Strong,
    /// What must not be overlooked.
    Alarm,
}

impl Theme {
    /// How something looks.
    pub(super) fn style(self, role: Role) -> Style {
        let plain = match role {
            Role::Strong => Style::new().add_modifier(Modifier::BOLD),
            Role::Alarm => Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
            _ => Style::new(),
        };
        if !self.colours {
            return plain;
        }
        match role {
            Role::Low => Style::new().fg(Color::Green),
            Role::High => Style::new().fg(Color::Cyan),
            Role::Worst => Style::new().fg(Color::Red),
            Role::Faint => Style::new().fg(Color::DarkGray),
            Role::Strong => plain,
            Role::Alarm => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    /// The sign that a line of a chart is drawn with. Without colours each line has its own.
    pub(super) fn marker(self, role: Role) -> Marker {
        if self.colours && !self.ascii {
            return Marker::Braille;
        }
        Marker::Custom(Self::sign(role))
    }

    /// The sign that stands for a line in a legend.
    pub(super) fn legend(self, role: Role) -> char {
        if self.colours && !self.ascii { '─' } else { Self::sign(role) }
    }

    fn sign(role: Role) -> char {
        match role {
            Role::Low => '.',
            Role::High => '+',
            _ => 'x',
        }
    }

    /// Replaces what the terminal does not know.
    pub(super) fn finish(self, buffer: &mut Buffer) {
        if !self.ascii {
            return;
        }
        for cell in &mut buffer.content {
            if !cell.symbol().is_ascii() {
                let sign = in_ascii(cell.symbol());
                cell.set_char(sign);
            }
        }
    }
}

fn in_ascii(symbol: &str) -> char {
    match symbol {
        "─" | "━" | "═" => '-',
        "│" | "┃" | "║" => '|',
        "┌" | "┐" | "└" | "┘" | "├" | "┤" | "┬" | "┴" | "┼" | "╭" | "╮" | "╰" | "╯" => {
            '+'
        }
        "µ" => 'u',
        "█" => '#',
        "░" => '.',
        "·" | "•" => '*',
        _ => '?',
    }
}
