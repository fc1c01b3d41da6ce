//! The config file as its users meet it: the real program in a folder with a file, real services and relays.

#[path = "../support/mod.rs"]
mod support;

mod check;
mod folder;
mod inspector;
mod sources;
mod start;
mod strangers;
