//! The programs at a terminal, with the real shells and pagers that people have there. `tests/setup` installs them.

#[path = "../support/mod.rs"]
mod support;

mod completions;
mod manual;
mod tmux;
mod view;
