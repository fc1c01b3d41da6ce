//! A terminal that a test types into and reads the screen of: tmux without a window, which ends with the test.

use crate::support::PATIENCE;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) struct Terminal {
    folder: TempDir,
}

impl Terminal {
    /// A terminal of this size in which the command runs, with the programs of this crate on its path and this folder as
    /// its home.
    pub(crate) fn start(columns: u16, rows: u16, folder: TempDir, command: &str) -> Self {
        let terminal = Self { folder };
        let size = [format!("{columns}"), format!("{rows}")];
        let words = ["-f", "/dev/null", "new-session", "-d", "-x", &size[0], "-y", &size[1], command];
        terminal.tmux(&words);
        terminal.tmux(&["set-option", "-g", "escape-time", "0"]);
        terminal.tmux(&["set-option", "-g", "status", "off"]);
        terminal.tmux(&["resize-window", "-x", &size[0], "-y", &size[1]]);
        terminal
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Types text as it is.
    pub(crate) fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// Presses keys by tmux's names for them.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// What stands on the screen, without empty lines at its end.
    pub(crate) fn screen(&self) -> String {
        let output = self.tmux(&["capture-pane", "-p"]);
        String::from_utf8(output.stdout).expect("it is text").trim_end().to_owned()
    }

    /// What tmux knows of the terminal, as `#{alternate_on}`.
    pub(crate) fn state(&self, format: &str) -> String {
        let output = self.tmux(&["display-message", "-p", format]);
        String::from_utf8(output.stdout).expect("it is text").trim_end().to_owned()
    }

    /// Waits until the screen is as wanted, and gives it.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(Instant::now() < deadline, "{what} does not come:\n{screen}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the screen holds the text, and gives it.
    pub(crate) async fn shows(&self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text)).await
    }

    fn tmux(&self, words: &[&str]) -> Output {
        let programs = Path::new(env!("CARGO_BIN_EXE_forwarder")).parent().expect("it is in a folder").display();
        let mut command = Command::new("tmux");
        command.env_clear().current_dir(self.folder());
        command.env("PATH", format!("{programs}:{}", std::env::var("PATH").expect("there is a path")));
        command.env("HOME", self.folder()).env("LANG", "C.UTF-8").env("SHELL", "/bin/sh").env("TERM", "xterm-256color");
        let output = command.arg("-S").arg(self.folder().join("tmux")).args(words).output();
        let output = output.expect("tmux is there; run tests/setup");
        assert!(output.status.success(), "tmux {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended already if its command has.
        drop(Command::new("tmux").arg("-S").arg(self.folder().join("tmux")).arg("kill-server").output());
    }
}
