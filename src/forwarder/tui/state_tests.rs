use super::*;
use crate::forwarder::tui::tests::{online, request};
use std::time::{Duration, UNIX_EPOCH};

fn view(events: Vec<(Option<&str>, Event)>) -> View {
    let mut view = View::default();
    for (tunnel, event) in events {
        view.event(Entry { at: UNIX_EPOCH, tunnel: tunnel.map(Arc::from), event });
    }
    view
}

fn press(view: &mut View, keys: &str) -> Action {
    let code = |c| match c {
        '\n' => KeyCode::Enter,
        '\x1b' => KeyCode::Esc,
        '\x08' => KeyCode::Backspace,
        c => KeyCode::Char(c),
    };
    keys.chars().fold(Action::None, |_, c| view.key(KeyEvent::new(code(c), KeyModifiers::NONE)))
}

fn paths(view: &View) -> Vec<String> {
    let path = |row: &Row| match &row.event {
        Event::Request { target, .. } => target.clone(),
        _ => String::new(),
    };
    view.shown().map(path).collect()
}

#[test]
fn the_newest_comes_first_and_the_selection_stays_with_its_request() {
    let mut view = view(vec![(None, online("web")), (None, request("/1", 200, 1)), (None, request("/2", 404, 2))]);
    assert_eq!(paths(&view), ["/2", "/1"]);
    press(&mut view, "jj");
    let chosen = view.chosen().map(|row| row.number);
    view.event(Entry { at: UNIX_EPOCH, tunnel: None, event: request("/3", 200, 3) });
    assert_eq!(view.chosen().map(|row| row.number), chosen);
    assert_eq!(press(&mut view, "r"), Action::Replay { inspector: "http://127.0.0.1:4040".to_owned(), id: 1 });
    press(&mut view, "g");
    assert_eq!(press(&mut view, "\n"), Action::Look { inspector: "http://127.0.0.1:4040".to_owned(), id: 3 });
    press(&mut view, "\x1bG");
    assert_eq!(press(&mut view, "r"), Action::Replay { inspector: "http://127.0.0.1:4040".to_owned(), id: 1 });
    press(&mut view, "c");
    assert!(paths(&view).is_empty() && view.chosen().is_none() && press(&mut view, "\n") == Action::None);
}

#[test]
fn the_filter_looks_at_method_path_status_and_tunnel() {
    let events = vec![(Some("web"), request("/Cart?x", 200, 1)), (Some("docs"), request("/intro", 404, 2))];
    let mut view = view(events);
    for (typed, left) in [("cart", 1), ("404", 1), ("get", 2), ("DOCS", 1), ("nothing", 0)] {
        press(&mut view, "/");
        press(&mut view, typed);
        assert_eq!(paths(&view).len(), left, "{typed}");
        press(&mut view, "\x1b");
        assert_eq!((paths(&view).len(), view.filter.as_str()), (2, ""));
    }
    press(&mut view, "/intq\x08r\n");
    assert_eq!((view.filter.as_str(), paths(&view)), ("intr", vec!["/intro".to_owned()]));
}

#[test]
fn each_tunnel_has_its_own_link() {
    let offline = Event::Offline { reason: "gone".to_owned(), retry: Duration::from_secs(2) };
    let view = view(vec![(Some("web"), online("web")), (Some("docs"), online("docs")), (Some("docs"), offline)]);
    let down: Vec<_> = view.tunnels.iter().map(|tunnel| tunnel.down.as_deref()).collect();
    assert_eq!(down, [None, Some("gone; trying again in 2.0 s")]);
    assert_eq!(view.urls().count(), 2);
}

#[test]
fn what_the_inspector_does_not_have_is_said_and_not_asked_for() {
    let mut event = request("/", 200, 1);
    if let Event::Request { inspected, .. } = &mut event {
        *inspected = None;
    }
    let mut view = view(vec![(None, online("web")), (None, event)]);
    assert_eq!(press(&mut view, "j\n"), Action::None);
    assert!(matches!(&view.mode, Mode::Details { lines, .. } if lines[0].1.contains("does not have")));
    assert_eq!(press(&mut view, "r"), Action::None);
    assert!(view.notice.as_ref().is_some_and(|notice| notice.contains("cannot be replayed")), "{:?}", view.notice);
}

#[test]
fn no_more_rows_are_kept_than_the_limit_says() {
    let events = (0..limits::VIEW_ROWS as u64 + 10).map(|n| (None, request("/", 200, n))).collect();
    let view = view(events);
    assert_eq!((view.rows.len(), view.rows[0].number), (limits::VIEW_ROWS, limits::VIEW_ROWS as u64 + 10));
}

#[test]
fn q_and_ctrl_c_stop_but_a_q_in_the_filter_is_a_letter() {
    let mut view = view(vec![(None, online("web")), (None, request("/", 200, 1))]);
    assert_eq!(press(&mut view, "q"), Action::Quit);
    assert_eq!(press(&mut view, "?q"), Action::Quit);
    press(&mut view, "x");
    assert_eq!(press(&mut view, "/q"), Action::None);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!((view.key(interrupt), view.filter.as_str()), (Action::Quit, "q"));
    press(&mut view, "\x1bj\n");
    assert_eq!(press(&mut view, "q"), Action::Quit);
}
