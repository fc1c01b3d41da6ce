//! A line is never wider than the screen, and of what others wrote no character reaches the terminal but those that print as
//! themselves.

use super::state::Tone;
use crate::forwarder::report::printable;
use unicode_width::UnicodeWidthChar as _;

/// How a piece looks: numbers of ECMA-48's SGR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look(&'static str);

pub(super) const PLAIN: Look = Look("");
pub(super) const BOLD: Look = Look(";1");
pub(super) const DIM: Look = Look(";2");
pub(super) const RED: Look = Look(";31");
pub(super) const GREEN: Look = Look(";32");
pub(super) const YELLOW: Look = Look(";33");
pub(super) const CYAN: Look = Look(";36");

/// A line: pieces, and whether it is marked as the selected one.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) pieces: Vec<(Look, String)>,
    pub(super) selected: bool,
}

impl Line {
    pub(super) fn of(look: Look, text: impl Into<String>) -> Self {
        Self::default().and(look, text)
    }

    pub(super) fn and(mut self, look: Look, text: impl Into<String>) -> Self {
        self.pieces.push((look, text.into()));
        self
    }
}

/// Leaves the last column free: a terminal may break the line there.
pub(super) fn write_line(out: &mut String, line: &Line, columns: usize, colors: bool) {
    let mut left = columns.saturating_sub(1);
    for (look, text) in &line.pieces {
        let text = fitting(&printable(text), left);
        left -= width(&text).min(left);
        let look = match look {
            _ if line.selected => ";7",
            Look(sgr) if colors || !sgr.starts_with(";3") => sgr,
            Look(_) => "",
        };
        for piece in ["\x1b[0", look, "m", &text] {
            out.push_str(piece);
        }
    }
    if line.selected {
        out.push_str(&" ".repeat(left));
    }
    out.push_str("\x1b[0m\x1b[K");
}

pub(super) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// As much of the text as goes into this many columns, with a sign where some is left out.
pub(super) fn fitting(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut taken = 1;
    let fits = |c: &char| {
        taken += c.width().unwrap_or(0);
        taken <= columns
    };
    let mut short: String = text.chars().take_while(fits).collect();
    if columns > 0 {
        short.push('…');
    }
    short
}

/// Filled or cut to exactly this many columns.
pub(super) fn cell(text: &str, columns: usize, right: bool) -> String {
    let text = fitting(text, columns);
    let space = " ".repeat(columns.saturating_sub(width(&text)));
    if right { space + &text } else { text + &space }
}

/// A line of the details, broken where the screen ends.
pub(super) fn wrapped(tone: Tone, text: &str, columns: usize) -> Vec<Line> {
    let look = match tone {
        Tone::Title => BOLD,
        Tone::Plain => PLAIN,
        Tone::Dim => DIM,
    };
    let most = columns.saturating_sub(1).max(1);
    let mut lines = vec![String::new()];
    let mut taken = 0;
    for c in printable(text).chars() {
        let width = c.width().unwrap_or(0);
        if taken + width > most {
            lines.push(String::new());
            taken = 0;
        }
        taken += width;
        lines.last_mut().into_iter().for_each(|line| line.push(c));
    }
    lines.into_iter().map(|line| Line::of(look, line)).collect()
}
