//! Which config files there are: the one that was named, or the project's and the user's.
//!
//! A project's file is only looked for by commands that are about it, never by `forwarder TARGET`: a folder that came with
//! a stranger's repository must not decide where an ordinary command leads.

use super::file::{self, File};
use super::value::{Origin, Owner, Value};
use crate::limits;
use crate::secret::Lookup;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What a project's file is called.
const PROJECT: &str = "tunnel.toml";

/// The user's file, below the folder for configurations.
const USER: &str = "http-tunnel/config.toml";

/// A file that is looked at.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) owner: Owner,
    pub(super) path: PathBuf,
    /// Its path as the user knows it.
    pub(super) shown: String,
    pub(super) exists: bool,
}

/// Where the program runs.
pub(super) struct Surroundings<'a> {
    pub(super) env: Lookup<'a>,
    pub(super) folder: PathBuf,
}

impl<'a> Surroundings<'a> {
    /// This process's own.
    pub(super) fn of_process(env: Lookup<'a>) -> Self {
        // A working directory that was removed holds no files, and a port can be made public without any.
        let folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        Self { env, folder }
    }

    fn folder_in(&self, variable: &str) -> Option<PathBuf> {
        (self.env)(variable).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    fn home(&self) -> Option<PathBuf> {
        self.folder_in("HOME")
    }

    /// The files, the strongest first; `project`: whether to look for the project's.
    pub(super) fn places(&self, given: Option<&Value>, project: bool) -> Vec<Place> {
        if let Some(given) = given {
            return vec![self.place(Owner::Given, self.folder.join(&given.text))];
        }
        let project = project.then(|| self.project()).flatten().map(|path| self.place(Owner::Project, path));
        let user = self.folder_in("XDG_CONFIG_HOME").or_else(|| Some(self.home()?.join(".config")));
        let user = user.map(|folder| self.place(Owner::User, folder.join(USER)));
        project.into_iter().chain(user).collect()
    }

    fn place(&self, owner: Owner, path: PathBuf) -> Place {
        let home = self.home().filter(|home| home.parent().is_some());
        let shown = match (path.strip_prefix(&self.folder), home.and_then(|home| path.strip_prefix(home).ok())) {
            (Ok(below), _) => below.display().to_string(),
            (Err(_), Some(below)) => format!("~/{}", below.display()),
            (Err(_), None) => path.display().to_string(),
        };
        let exists = path.exists();
        Place { owner, path, shown: shown.escape_debug().to_string(), exists }
    }

    /// Folders in which a project's file may be: this one and those above, to the home directory or the repository's root. A
    /// folder of somebody else, as `/tmp` is, is nobody's project.
    pub(super) fn project_folders(&self) -> impl Iterator<Item = &Path> {
        let home = self.home();
        let user = |folder: &Path| fs::metadata(folder).map(|folder| folder.uid()).ok();
        let mine = user(&self.folder);
        let mut ended = false;
        self.folder.ancestors().take_while(move |folder| {
            let within = !ended && user(folder) == mine;
            ended = home.as_deref() == Some(*folder) || folder.join(".git").exists();
            within
        })
    }

    fn project(&self) -> Option<PathBuf> {
        self.project_folders().map(|folder| folder.join(PROJECT)).find(|path| path.is_file())
    }

    /// Reads one file. What is wrong with it is in the second part.
    pub(super) fn read(&self, place: &Place) -> (Option<File>, Vec<String>) {
        let (text, mode) = match text(&place.path) {
            Ok(found) => found,
            Err(why) => return (None, vec![format!("{}: {why}", place.shown)]),
        };
        let folder = place.path.parent().map_or_else(|| self.folder.clone(), Path::to_path_buf);
        let shown = place.shown.clone();
        let origin = Origin { owner: place.owner, shown, folder, home: self.home(), exposed: mode & 0o077 != 0 };
        let (file, mistakes) = file::read(origin, &text);
        (Some(file), mistakes)
    }
}

/// The file's text, and who may read it.
fn text(path: &Path) -> Result<(String, u32), String> {
    let cannot = |error: io::Error| format!("the config file cannot be read: {error}");
    let file = fs::File::open(path).map_err(cannot)?;
    let mode = file.metadata().map_err(cannot)?.mode();
    let mut bytes = Vec::new();
    file.take(limits::CONFIG_FILE as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() > limits::CONFIG_FILE {
        return Err(format!("a config file has at most {} bytes", limits::CONFIG_FILE));
    }
    let text = String::from_utf8(bytes).map_err(|_| "a config file is UTF-8, this one is not".to_owned())?;
    Ok((text, mode))
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
