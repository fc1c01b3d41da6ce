//! A picture is one text for the terminal, the whole screen each time: no line of it depends on what was there before.

use super::line::{BOLD, CYAN, DIM, GREEN, Line, PLAIN, RED, YELLOW, cell, fitting, width, wrapped, write_line};
use super::state::{Mode, Row, Tunnel, View};
use crate::forwarder::report::{Event, milliseconds, printable, size, time_of_day};

/// Everything for the terminal to show the view.
pub(super) fn picture(view: &mut View, columns: usize, rows: usize, colors: bool) -> String {
    let mut lines = top(view, rows);
    lines.truncate(rows.saturating_sub(2));
    let room = rows.saturating_sub(lines.len() + 1);
    lines.extend(middle(view, columns, room));
    lines.resize_with(rows.saturating_sub(1), Line::default);
    lines.push(foot(view));
    // Between the two, terminals that know of it show nothing half-drawn.
    let mut out = "\x1b[?2026h".to_owned();
    for (row, line) in lines.iter().take(rows).enumerate() {
        out.push_str(&format!("\x1b[{};1H", row + 1));
        write_line(&mut out, line, columns, colors);
    }
    out + "\x1b[?2026l"
}

/// The tunnels, as many as leave room for the list, and where the inspector is.
fn top(view: &View, rows: usize) -> Vec<Line> {
    let most = (rows / 3).max(1);
    let mut lines: Vec<_> = view.tunnels.iter().take(most).map(tunnel).collect();
    if view.tunnels.is_empty() {
        lines.push(Line::of(DIM, "connecting…"));
    }
    if view.tunnels.len() > most {
        let more = view.tunnels.len() - most;
        lines.push(Line::of(DIM, format!("and {more} more tunnels")));
    }
    let others = view.tunnels.iter().flat_map(|tunnel| &tunnel.others).map(|other| format!("also {other}"));
    let inspector = view.inspector.iter().map(|url| format!("inspector {url}"));
    lines.push(Line::of(DIM, inspector.chain(others).collect::<Vec<_>>().join("  ")));
    lines
}

fn tunnel(tunnel: &Tunnel) -> Line {
    let label = tunnel.label.as_ref().map(|label| format!("{label} "));
    let line = match &tunnel.down {
        None => Line::of(GREEN, "online  "),
        Some(_) => Line::of(RED, "offline "),
    };
    let line = line.and(PLAIN, label.unwrap_or_default()).and(BOLD, &tunnel.url);
    match &tunnel.down {
        None => line.and(DIM, format!(" leads to {}", tunnel.service)),
        Some(why) => line.and(RED, format!(" {why}")),
    }
}

fn middle(view: &mut View, columns: usize, room: usize) -> Vec<Line> {
    view.page = room.saturating_sub(1).max(1);
    if let Mode::Details { row, lines, top } = &mut view.mode {
        let wrapped: Vec<_> = lines.iter().flat_map(|(tone, text)| wrapped(*tone, text, columns)).collect();
        *top = (*top).min(wrapped.len().saturating_sub(room));
        let (top, row) = (*top, *row);
        let list = Columns::of(view, columns);
        let this = view.rows.iter().find(|known| known.number == row).map(|row| list.row(row, false));
        let this = this.filter(|_| room > 3);
        let rest = wrapped.into_iter().skip(top).take(room - usize::from(this.is_some()).min(room));
        return this.into_iter().chain(rest).collect();
    }
    match view.mode {
        Mode::Help => HELP.iter().map(|(key, what)| Line::of(BOLD, cell(key, 12, false)).and(PLAIN, *what)).collect(),
        _ => list(view, columns, room),
    }
}

const HELP: [(&str, &str); 10] = [
    ("j k ↓ ↑", "next and previous request"),
    ("Enter", "its headers and bodies; Esc leaves them"),
    ("r", "send it again"),
    ("/", "filter by text; Esc shows all"),
    ("c", "clear the list"),
    ("g G", "first and last"),
    ("Space PgUp", "a page down and up"),
    ("Esc", "leave the selection and the filter"),
    ("q Ctrl-C", "stop; open requests get 5 seconds"),
    ("?", "this list"),
];

fn list(view: &View, columns: usize, room: usize) -> Vec<Line> {
    let widths = Columns::of(view, columns);
    let rows: Vec<&Row> = view.shown().collect();
    let body = room.saturating_sub(1);
    let at = rows.iter().position(|row| Some(row.number) == view.selected).unwrap_or(0);
    let first = (at + 1).saturating_sub(body);
    let mut lines = vec![widths.title()];
    lines.extend(rows.into_iter().skip(first).take(body).map(|row| widths.row(row, Some(row.number) == view.selected)));
    if lines.len() == 1 {
        let none = if view.rows.is_empty() { "no requests yet" } else { "no request fits the filter" };
        lines.push(Line::of(DIM, none));
    }
    lines
}

/// Widths of the columns; 0: there is no room for it.
struct Columns {
    tunnel: usize,
    path: usize,
    size: usize,
    time: usize,
    from: usize,
}

impl Columns {
    fn of(view: &View, columns: usize) -> Self {
        let labels = view.tunnels.iter().filter_map(|tunnel| tunnel.label.as_ref());
        let tunnel = labels.map(|label| (width(label) + 1).max(7)).max().unwrap_or(0).min(columns / 5);
        let wide = |least: usize, width: usize| if columns >= least { width } else { 0 };
        let (size, time, from) = (wide(64, 11), wide(48, 9), wide(100, 16));
        // Time of day, method, status and the spaces between.
        let path = columns.saturating_sub(10 + 8 + 4 + tunnel + size + time + from + 1).max(8);
        Self { tunnel, path, size, time, from }
    }

    fn title(&self) -> Line {
        let mut text = cell("time", 10, false) + &cell("tunnel", self.tunnel, false) + &cell("method", 8, false);
        text += &(cell("path", self.path, false) + &cell("", 4, true));
        text += &(cell("size", self.size, true) + &cell("time", self.time, true));
        Line::of(DIM, text + &cell("  from", self.from, false))
    }

    fn row(&self, row: &Row, selected: bool) -> Line {
        let Event::Request { method, target, status, bytes, elapsed, from, fault, websocket, cut, .. } = &row.event
        else {
            return Line::default();
        };
        let look = match status {
            200..=299 | 101 => GREEN,
            300..=399 => CYAN,
            400..=499 => YELLOW,
            _ => RED,
        };
        let notes = [websocket.then_some("websocket"), fault.map(|code| code.as_str()), cut.then_some("cut short")];
        let notes = notes.into_iter().flatten().map(|note| format!(" {note}")).collect::<String>();
        let path = fitting(&printable(target), self.path.saturating_sub(width(&notes) + 1).max(self.path / 3));
        let rest = self.path.saturating_sub(width(&path));
        let tunnel = row.tunnel.as_deref().map(printable).unwrap_or_default();
        let from = from.map(|from| format!("  {from}")).unwrap_or_default();
        let mut line = Line::of(DIM, cell(&time_of_day(row.at), 10, false))
            .and(PLAIN, cell(&tunnel, self.tunnel, false))
            .and(PLAIN, cell(method.as_str(), 8, false))
            .and(PLAIN, path)
            .and(RED, cell(&notes, rest, false))
            .and(look, cell(&status.to_string(), 4, true))
            .and(PLAIN, cell(&size(*bytes), self.size, true) + &cell(&milliseconds(*elapsed), self.time, true))
            .and(DIM, cell(&from, self.from, false));
        line.selected = selected;
        line
    }
}

fn foot(view: &View) -> Line {
    let mut line = match view.mode {
        Mode::Typing => return Line::of(BOLD, format!("/{}", view.filter)).and(PLAIN, "_"),
        Mode::Details { .. } => Line::of(DIM, "Esc back  j k scroll  r replay  q stop"),
        Mode::Help => Line::of(DIM, "any key goes back"),
        Mode::List => Line::of(DIM, "? help  / filter  Enter details  r replay  q stop"),
    };
    if let Some(notice) = &view.notice {
        line = Line::of(PLAIN, notice);
    }
    if !view.filter.is_empty() {
        line = Line::of(BOLD, format!("/{}  ", view.filter)).and(DIM, "Esc shows all");
    }
    if view.missed > 0 {
        let missed = format!("{} requests were too fast to show  ", view.missed);
        line.pieces.insert(0, (YELLOW, missed));
    }
    line
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;
