use super::*;
use std::collections::HashMap;
use tempfile::TempDir;

struct Home {
    folder: TempDir,
    variables: HashMap<&'static str, String>,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let variables = HashMap::from([("HOME", folder.path().to_str().expect("text").to_owned())]);
        Self { folder, variables }
    }

    fn with(&self, files: &[&str]) -> &Self {
        for file in files {
            let path = self.folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
            fs::write(path, "").expect("it is written");
        }
        self
    }

    /// What is looked at from `folder`, as the user sees it.
    fn places(&self, folder: &str, given: Option<&str>, project: bool) -> Vec<(String, bool)> {
        let folder = self.folder.path().join(folder);
        fs::create_dir_all(&folder).expect("it is made");
        let env = |name: &str| self.variables.get(name).cloned();
        let given = given.map(|path| Value::new(path, super::super::value::Source::Flag("config")));
        let places = Surroundings { env: &env, folder }.places(given.as_ref(), project);
        places.into_iter().map(|place| (place.shown, place.exists)).collect()
    }
}

fn owned(places: &[(&str, bool)]) -> Vec<(String, bool)> {
    places.iter().map(|(shown, exists)| ((*shown).to_owned(), *exists)).collect()
}

const USERS: (&str, bool) = ("~/.config/http-tunnel/config.toml", false);

#[test]
fn the_projects_file_is_in_the_folder_or_the_nearest_above() {
    let home = Home::new();
    home.with(&["work/tunnel.toml", "work/shop/tunnel.toml", "work/shop/src/main.rs"]);
    assert_eq!(home.places("work/shop", None, true), owned(&[("tunnel.toml", true), USERS]));
    assert_eq!(home.places("work/shop/src", None, true), owned(&[("~/work/shop/tunnel.toml", true), USERS]));
    assert_eq!(home.places("work/other", None, true), owned(&[("~/work/tunnel.toml", true), USERS]));
}

#[test]
fn the_search_ends_at_the_root_of_a_repository_and_at_the_home_directory() {
    let home = Home::new();
    home.with(&["work/tunnel.toml", "work/shop/.git/HEAD", "work/shop/src/main.rs"]);
    assert_eq!(home.places("work/shop/src", None, true), owned(&[USERS]));
    home.with(&["work/shop/tunnel.toml"]);
    assert_eq!(home.places("work/shop/src", None, true), owned(&[("~/work/shop/tunnel.toml", true), USERS]));
    let mut inner = Home::new();
    inner.with(&["tunnel.toml"]);
    inner.variables.insert("HOME", inner.folder.path().join("ana").to_str().expect("text").to_owned());
    assert_eq!(inner.places("ana/x", None, true), owned(&[USERS]));
    assert!(inner.places("x", None, true)[0].1, "outside of the home directory it goes on to the root");
}

#[test]
fn a_folder_of_another_user_is_nobodys_project() {
    let mut home = Home::new();
    home.variables.remove("HOME");
    home.with(&["tunnel.toml", "shared/x/main.rs"]);
    let env = |_: &str| None;
    let around = Surroundings { env: &env, folder: home.folder.path().join("shared/x") };
    assert_eq!(around.places(None, true).len(), 1, "all folders have one owner");
    // The folder of a test is not to be given away without being root, and root may.
    if std::os::unix::fs::chown(home.folder.path(), Some(65_534), None).is_ok() {
        assert!(around.places(None, true).is_empty());
    }
}

#[test]
fn without_a_project_only_the_users_file_is_looked_at_and_a_named_one_alone() {
    let mut home = Home::new();
    home.with(&["work/tunnel.toml", "work/staging.toml", ".config/http-tunnel/config.toml"]);
    assert_eq!(home.places("work", None, false), owned(&[(USERS.0, true)]));
    assert_eq!(home.places("work", Some("staging.toml"), true), owned(&[("staging.toml", true)]));
    assert_eq!(home.places("work", Some("/no/such"), false), owned(&[("/no/such", false)]));
    let elsewhere = home.folder.path().join("settings").to_str().expect("text").to_owned();
    home.variables.insert("XDG_CONFIG_HOME", elsewhere);
    assert_eq!(home.places("work", None, false), owned(&[("~/settings/http-tunnel/config.toml", false)]));
    home.variables.insert("XDG_CONFIG_HOME", "relative".to_owned());
    assert_eq!(home.places("work", None, false), owned(&[(USERS.0, true)]));
    home.variables.clear();
    assert_eq!(home.places("work", None, false), []);
}

#[test]
fn a_file_that_is_too_large_or_no_text_is_refused() {
    let home = Home::new();
    home.with(&["large.toml", "latin1.toml"]);
    let line = "# a comment that is long enough\n";
    fs::write(home.folder.path().join("large.toml"), line.repeat(limits::CONFIG_FILE / line.len() + 1))
        .expect("written");
    fs::write(home.folder.path().join("latin1.toml"), b"name = \"\xfc\"").expect("written");
    let env = |_: &str| None;
    let around = Surroundings { env: &env, folder: home.folder.path().to_path_buf() };
    for (file, expected) in [("large.toml", "at most 1048576 bytes"), ("latin1.toml", "UTF-8"), ("gone.toml", "read")] {
        let given = Value::new(file, super::super::value::Source::Flag("config"));
        let (_, mistakes) = around.read(&around.places(Some(&given), false)[0]);
        assert!(mistakes[0].starts_with(&format!("{file}: ")) && mistakes[0].contains(expected), "{mistakes:?}");
    }
}
