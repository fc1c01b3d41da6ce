//! What the view shows follows from events and keys alone: no terminal, no clock, no sockets.

use crate::forwarder::report::{Entry, Event, printable};
use crate::limits;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

/// One tunnel's lines at the top.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) label: Option<Arc<str>>,
    pub(super) url: String,
    pub(super) service: String,
    /// Further URLs.
    pub(super) others: Vec<String>,
    /// Why the link is down; `None`: it stands.
    pub(super) down: Option<String>,
}

/// A request of the list.
#[derive(Debug)]
pub(super) struct Row {
    /// Counts up.
    pub(super) number: u64,
    pub(super) at: SystemTime,
    pub(super) tunnel: Option<Arc<str>>,
    /// Always a request.
    pub(super) event: Event,
}

/// How a line of the details is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::forwarder) enum Tone {
    Title,
    Plain,
    Dim,
}

/// What the inspector said: lines for the details, or a word for the foot.
#[derive(Debug)]
pub(in crate::forwarder) enum Said {
    Exchange(Vec<(Tone, String)>),
    Replayed(String),
}

/// What fills the screen.
#[derive(Debug, Default)]
pub(super) enum Mode {
    #[default]
    List,
    /// The filter is typed.
    Typing,
    Help,
    Details {
        row: u64,
        lines: Vec<(Tone, String)>,
        top: usize,
    },
}

/// What a key asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    None,
    Quit,
    Look { inspector: String, id: u64 },
    Replay { inspector: String, id: u64 },
}

/// All that is shown.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) tunnels: Vec<Tunnel>,
    pub(super) inspector: Option<String>,
    /// The newest first.
    pub(super) rows: VecDeque<Row>,
    pub(super) selected: Option<u64>,
    pub(super) filter: String,
    pub(super) mode: Mode,
    /// The last thing worth knowing.
    pub(super) notice: Option<String>,
    /// Requests that came too fast.
    pub(super) missed: u64,
    /// Rows of the list that the last picture had room for.
    pub(super) page: usize,
    count: u64,
}

impl View {
    /// Takes an event.
    pub(super) fn event(&mut self, entry: Entry) {
        match entry.event {
            Event::Online { url, lan, stream_url, service, port_taken, inspector, .. } => {
                self.inspector = inspector.or(self.inspector.take());
                let others = lan.into_iter().chain(stream_url).collect();
                let tunnel = Tunnel { label: entry.tunnel, url, service, others, down: None };
                if let Some(port) = port_taken {
                    self.notice = Some(format!("port {port} is another program's, so the next free one is used"));
                }
                match self.tunnels.iter_mut().find(|known| known.label == tunnel.label) {
                    Some(known) => *known = tunnel,
                    None => self.tunnels.push(tunnel),
                }
            }
            Event::Offline { reason, retry } => {
                let down = format!("{reason}; trying again in {:.1} s", retry.as_secs_f64());
                let tunnel = self.tunnels.iter_mut().find(|known| known.label == entry.tunnel);
                tunnel.into_iter().for_each(|tunnel| tunnel.down = Some(down.clone()));
            }
            Event::Notice(text) => self.notice = Some(text),
            event @ Event::Request { .. } => {
                self.count += 1;
                self.rows.truncate(limits::VIEW_ROWS - 1);
                self.rows.push_front(Row { number: self.count, at: entry.at, tunnel: entry.tunnel, event });
            }
            Event::Summary { .. } => {}
        }
    }

    /// The URLs that were shown.
    pub(super) fn urls(&self) -> impl Iterator<Item = (Option<Arc<str>>, String)> {
        self.tunnels.iter().map(|tunnel| (tunnel.label.clone(), tunnel.url.clone()))
    }

    /// The rows that the filter leaves.
    pub(super) fn shown(&self) -> impl Iterator<Item = &Row> {
        let wanted = self.filter.to_lowercase();
        self.rows.iter().filter(move |row| wanted.is_empty() || row.text().to_lowercase().contains(&wanted))
    }

    /// What the inspector answered about an exchange.
    pub(super) fn said(&mut self, id: u64, said: Result<Said, String>) {
        let row = self.rows.iter().find(|row| row.exchange() == Some(id)).map(|row| row.number);
        match said {
            Ok(Said::Exchange(found)) => {
                if let Mode::Details { row: shown, lines, .. } = &mut self.mode
                    && Some(*shown) == row
                {
                    *lines = found;
                }
            }
            Ok(Said::Replayed(text)) => self.notice = Some(text),
            Err(why) => self.notice = Some(format!("the inspector: {why}")),
        }
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Action {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Action::Quit } else { Action::None };
        }
        self.notice = None;
        match &mut self.mode {
            Mode::List => self.list(key.code),
            Mode::Typing => {
                match key.code {
                    KeyCode::Char(c) => self.filter.push(c),
                    KeyCode::Backspace => drop(self.filter.pop()),
                    KeyCode::Enter => self.mode = Mode::List,
                    KeyCode::Esc => {
                        self.filter.clear();
                        self.mode = Mode::List;
                    }
                    _ => {}
                }
                Action::None
            }
            Mode::Help if key.code == KeyCode::Char('q') => Action::Quit,
            Mode::Help => {
                self.mode = Mode::List;
                Action::None
            }
            Mode::Details { top, .. } => {
                match key.code {
                    KeyCode::Char('j') | KeyCode::Down => *top += 1,
                    KeyCode::Char('k') | KeyCode::Up => *top = top.saturating_sub(1),
                    KeyCode::PageDown | KeyCode::Char(' ') => *top += self.page,
                    KeyCode::PageUp => *top = top.saturating_sub(self.page),
                    KeyCode::Char('g') | KeyCode::Home => *top = 0,
                    KeyCode::Char('G') | KeyCode::End => *top = usize::MAX,
                    KeyCode::Esc | KeyCode::Enter | KeyCode::Backspace => self.mode = Mode::List,
                    KeyCode::Char('r') => return self.replay(),
                    KeyCode::Char('q') => return Action::Quit,
                    KeyCode::Char('?') => self.mode = Mode::Help,
                    _ => {}
                }
                Action::None
            }
        }
    }

    fn list(&mut self, code: KeyCode) -> Action {
        let page = self.page as isize;
        match code {
            KeyCode::Char('q') => return Action::Quit,
            KeyCode::Char('j') | KeyCode::Down => self.select(1),
            KeyCode::Char('k') | KeyCode::Up => self.select(-1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.select(page),
            KeyCode::PageUp => self.select(-page),
            KeyCode::Char('g') | KeyCode::Home => self.select(isize::MIN),
            KeyCode::Char('G') | KeyCode::End => self.select(isize::MAX),
            KeyCode::Enter => return self.look(),
            KeyCode::Char('r') => return self.replay(),
            KeyCode::Char('/') => self.mode = Mode::Typing,
            KeyCode::Char('?') => self.mode = Mode::Help,
            KeyCode::Char('c') => {
                self.rows.clear();
                (self.selected, self.missed) = (None, 0);
            }
            KeyCode::Esc => {
                self.filter.clear();
                self.selected = None;
            }
            _ => {}
        }
        Action::None
    }

    /// Moves the selection over what is shown; the first step takes the first row.
    fn select(&mut self, steps: isize) {
        let shown: Vec<u64> = self.shown().map(|row| row.number).collect();
        let at = self.selected.and_then(|number| shown.iter().position(|shown| *shown == number));
        let last = shown.len().saturating_sub(1);
        let next = at.map_or(0, |at| at.saturating_add_signed(steps).min(last));
        let next = if steps == isize::MAX { last } else { next };
        self.selected = shown.get(next).copied();
    }

    /// The row that is selected and shown.
    pub(super) fn chosen(&self) -> Option<&Row> {
        self.shown().find(|row| Some(row.number) == self.selected)
    }

    fn look(&mut self) -> Action {
        let Some(row) = self.chosen() else {
            self.select(0);
            return if self.selected.is_some() { self.look() } else { Action::None };
        };
        let (number, action) = (row.number, self.asked(row).map(|(inspector, id)| Action::Look { inspector, id }));
        let lines = match action {
            Some(_) => vec![(Tone::Dim, "…".to_owned())],
            None => {
                vec![(Tone::Dim, "The inspector, which has headers and bodies, does not have this one.".to_owned())]
            }
        };
        self.mode = Mode::Details { row: number, lines, top: 0 };
        action.unwrap_or(Action::None)
    }

    fn replay(&mut self) -> Action {
        let asked = self.chosen().map(|row| self.asked(row));
        self.notice = match asked {
            None => return Action::None,
            Some(None) => Some("the inspector does not have this one, so it cannot be replayed".to_owned()),
            Some(Some((inspector, id))) => {
                self.notice = Some("replaying…".to_owned());
                return Action::Replay { inspector, id };
            }
        };
        Action::None
    }

    fn asked(&self, row: &Row) -> Option<(String, u64)> {
        self.inspector.clone().zip(row.exchange())
    }
}

impl Row {
    fn exchange(&self) -> Option<u64> {
        match &self.event {
            Event::Request { inspected, .. } => *inspected,
            _ => None,
        }
    }

    /// What the filter searches.
    fn text(&self) -> String {
        let Event::Request { method, target, status, from, fault, .. } = &self.event else { return String::new() };
        let (from, fault) = (from.map(|from| from.to_string()), fault.map(|fault| fault.as_str()));
        let tunnel = self.tunnel.as_deref().unwrap_or_default();
        let target = printable(target);
        format!("{tunnel} {method} {target} {status} {} {}", fault.unwrap_or_default(), from.unwrap_or_default())
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
