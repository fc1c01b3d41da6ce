use super::*;
use crate::forwarder::report::Entry;
use crate::forwarder::tui::state::Tone;
use crate::forwarder::tui::tests::{online, request};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

fn view(tunnels: &[&str]) -> View {
    let mut view = View::default();
    let labels: Vec<Option<Arc<str>>> = tunnels.iter().map(|label| Some(Arc::from(*label))).collect();
    for label in if labels.is_empty() { vec![None] } else { labels } {
        view.event(Entry { at: UNIX_EPOCH, tunnel: label.clone(), event: online("web") });
        for target in ["/short", "/漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字", "/\u{9b}2J\x1b]0;owned\x07\u{202e}"]
        {
            view.event(Entry { at: UNIX_EPOCH, tunnel: label.clone(), event: request(target, 502, 1) });
        }
    }
    view
}

/// The screen's lines, as a terminal shows them.
fn lines(picture: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for part in picture.split('\x1b') {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(0, |end| end + 1);
        if part.starts_with('[') && part[..end].ends_with('H') {
            lines.push(String::new());
        }
        lines.last_mut().into_iter().for_each(|line| line.push_str(&part[end..]));
    }
    lines
}

#[test]
fn a_line_is_a_request_and_marked_when_it_is_selected() {
    let mut view = view(&["web", "documents"]);
    view.key(KeyEvent::new(KeyCode::Char('j'), KeyModifiers::NONE));
    let picture = picture(&mut view, 120, 20, true);
    let lines = lines(&picture);
    assert!(lines[0].contains("online  web http://web.localhost:8080 leads to http://localhost:8000"), "{lines:#?}");
    assert!(lines[2].contains("inspector http://127.0.0.1:4040"), "{lines:#?}");
    let row = lines.iter().find(|line| line.contains("/short")).expect("the request is there");
    assert!(row.starts_with("00:00:00Z documents GET     /short") && row.contains(" 502 "), "{row}");
    assert!(picture.contains("\x1b[0;7m"), "nothing is marked");
    assert!(lines.iter().any(|line| line.contains("service-unreachable")), "{lines:#?}");
}

#[test]
fn no_size_is_too_small_and_no_line_too_wide() {
    let key = |view: &mut View, c| view.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    for keys in ["", "j", "/x", "?", "jG"] {
        for details in [false, true] {
            for (columns, rows) in [(0, 0), (1, 1), (2, 5), (5, 2), (8, 3), (40, 10), (63, 12), (101, 4), (200, 60)] {
                let mut view = view(&["web", "documents", "third", "fourth"]);
                keys.chars().for_each(|c| drop(key(&mut view, c)));
                if details {
                    let lines = vec![(Tone::Plain, "漢x\t\x1b".repeat(90)), (Tone::Dim, String::new())];
                    view.mode = Mode::Details { row: 1, lines, top: usize::MAX };
                }
                let lines = lines(&picture(&mut view, columns, rows, true));
                assert!(lines.len() <= rows, "{keys} {columns}x{rows}: {lines:#?}");
                assert!(
                    lines.iter().all(|line| width(line) <= columns.saturating_sub(1)),
                    "{columns}x{rows}: {lines:#?}"
                );
            }
        }
    }
}

#[test]
fn nobody_but_the_view_commands_the_terminal() {
    let mut view = view(&["w\x1b[31meb"]);
    view.notice = Some("a\x1b[2Jb".to_owned());
    view.tunnels[0].down = Some("gone\x07\r\n".to_owned());
    for mode in [
        Mode::List,
        Mode::Typing,
        Mode::Details { row: 1, lines: vec![(Tone::Plain, "\x1b[2J\u{9b}2J".to_owned())], top: 0 },
    ] {
        view.mode = mode;
        let picture = picture(&mut view, 150, 20, false);
        assert!(
            !picture.contains("\x1b[2J") && !picture.contains("\x1b[31m") && !picture.contains("\x1b]"),
            "{picture:?}"
        );
        assert!(!picture.contains(['\u{9b}', '\x07', '\r', '\n', '\u{202e}']), "{picture:?}");
    }
}

#[test]
fn without_colours_there_are_none() {
    let mut view = view(&[]);
    let has_color = |picture: &str| picture.contains("\x1b[0;3");
    assert!(has_color(&picture(&mut view, 100, 20, true)) && !has_color(&picture(&mut view, 100, 20, false)));
}
