//! A secret is never printed: whoever wants its text says [`Secret::expose`].

use std::fmt;

/// A token or password. `Debug` and `Display` show a mask.
#[derive(Clone)]
pub struct Secret(Box<str>);

/// Where a secret's text is looked up by name: the process environment, or a test's table.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Secret {
    /// Keeps `text` from being printed.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The secret's text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Reads what a flag or variable holds: `env:NAME` and `file:PATH` stand for the text found there (so that it is in
    /// no process list), anything else for itself. Line breaks at the end are dropped, editors add them.
    ///
    /// # Errors
    /// [`SecretError`]: the variable is not set, the file cannot be read, or there is no text.
    pub fn resolve(text: &str, env: Lookup<'_>) -> Result<Self, SecretError> {
        let found = if let Some(name) = text.strip_prefix("env:") {
            env(name).ok_or_else(|| SecretError::Unset(name.to_owned()))?
        } else if let Some(path) = text.strip_prefix("file:") {
            std::fs::read_to_string(path).map_err(|error| SecretError::File(path.to_owned(), error))?
        } else {
            text.to_owned()
        };
        let found = found.trim_end_matches(['\r', '\n']);
        if found.is_empty() { Err(SecretError::Empty) } else { Ok(Self::new(found)) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why there is no secret where one was named.
#[derive(Debug)]
pub enum SecretError {
    /// `env:NAME`, and that variable is not set.
    Unset(String),
    /// `file:PATH`, and that file cannot be read as text.
    File(String, std::io::Error),
    /// There is no text.
    Empty,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset(name) => write!(f, "the environment variable {name:?} is not set"),
            Self::File(path, error) => write!(f, "cannot read the file {path:?}: {error}"),
            Self::Empty => f.write_str("it is empty"),
        }
    }
}

impl std::error::Error for SecretError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<String, String> {
        let env = |name: &str| (name == "T").then(|| "from-env".to_owned());
        Secret::resolve(text, &env).map(|secret| secret.expose().to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2");
        let printed = format!("{secret} {secret:?} {:?}", Some(&secret));
        assert!(!printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn a_secret_comes_from_the_text_itself_a_variable_or_a_file() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "from-file\r\n").expect("it is writable");
        assert_eq!(resolve("plain"), Ok("plain".into()));
        assert_eq!(resolve("env:T"), Ok("from-env".into()));
        assert_eq!(resolve(&format!("file:{}", file.path().display())), Ok("from-file".into()));
    }

    #[test]
    fn a_secret_that_is_not_there_is_an_error_that_says_where_it_was_looked_for() {
        assert_eq!(resolve("env:U"), Err("the environment variable \"U\" is not set".into()));
        assert!(resolve("file:/no/such/file").is_err_and(|error| error.contains("/no/such/file")));
        assert_eq!(resolve(""), Err("it is empty".into()));
    }
}
