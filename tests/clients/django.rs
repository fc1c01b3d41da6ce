//! A Django site with its dev server: log in against CSRF checks, keep a session, upload, download, log out.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::{TempDir, tempdir};

use crate::browser::Browser;
use crate::http::{Answer, curl};
use crate::noise::Noise;
use crate::process::{Process, app, command, python, run};
use crate::tunnel::Tunnel;

const CREATE_USER: &str =
    "from django.contrib.auth.models import User; User.objects.create_user('ana', password='secret')";
const LOG_IN: &str = "
    document.querySelector('[name=username]').value = 'ana';
    document.querySelector('[name=password]').value = 'secret';
    document.getElementById('log-in').click()";
const UPLOAD: &str = "
    const form = new FormData(document.querySelector('[action=\"/upload/\"]'));
    const bytes = new Uint8Array(300_000).map((_, place) => place % 251);
    form.set('file', new File([bytes], 'from page.bin'));
    return fetch('/upload/', { method: 'POST', body: form })
        .then(async (answer) => [answer.status, new Uint8Array(await answer.arrayBuffer())])
        .then(([status, back]) => [status, back.length, back.every((byte, place) => byte === bytes[place])])";

/// The site with one user, `ana`.
struct Site {
    address: SocketAddr,
    _process: Process,
    folder: TempDir,
}

impl Site {
    async fn start() -> Result<Self> {
        let folder = tempdir()?;
        let manage = |arguments: &[&str]| {
            let mut manage = python("django/manage.py");
            manage.args(arguments).env("SITE_FOLDER", folder.path());
            manage
        };
        run(&mut manage(&["migrate", "--verbosity=0"])).await?;
        run(&mut manage(&["shell", "--no-imports", "--command", CREATE_USER])).await?;
        let mut server = manage(&["runserver", "--noreload", "127.0.0.1:0"]);
        let mut process = Process::start("django", &mut server)?;
        let address = process.address("server at http://127.0.0.1:").await?;
        Ok(Self { address, _process: process, folder })
    }
}

/// A client that keeps its cookies, as a person with a browser does, and notes every answer.
struct Client<'a> {
    url: &'a str,
    cookies: TempDir,
    answers: Vec<Answer>,
}

impl<'a> Client<'a> {
    fn of(url: &'a str) -> Result<Self> {
        Ok(Self { url, cookies: tempdir()?, answers: Vec::new() })
    }

    async fn call(&mut self, options: &[&str], path: &str) -> Result<&Answer> {
        let jar = self.jar();
        let cookies = ["--cookie", &jar, "--cookie-jar", &jar];
        let answer = curl(&[&cookies, options].concat(), &format!("{}{path}", self.url)).await?;
        self.answers.push(answer);
        self.answers.last().context("pushed above")
    }

    /// Sends a form with the token that Django left in a cookie, and expects to be sent on.
    async fn submit(&mut self, fields: &[&str], path: &str) -> Result<String> {
        let cookies = fs::read_to_string(self.jar())?;
        let line = cookies.lines().find(|line| line.contains("\tcsrftoken\t"));
        let token = line.and_then(|line| line.split('\t').next_back());
        let token = format!("csrfmiddlewaretoken={}", token.context("Django left no token")?);
        let mut options = vec!["--form", &token];
        fields.iter().for_each(|field| options.extend(["--form", field]));
        let answer = self.call(&options, path).await?;
        assert_eq!(answer.status, 302, "{answer:?}");
        let location = answer.header("location").context("a redirect says where to")?;
        Ok(location.to_owned())
    }

    fn jar(&self) -> String {
        self.cookies.path().join("cookies").display().to_string()
    }
}

/// One visit from the login to the logout; what it saw, without what differs from one session to the next.
async fn visit(url: &str, upload: &Path) -> Result<Vec<String>> {
    let mut client = Client::of(url)?;
    let anonymous = client.call(&[], "/profile/").await?;
    let login = anonymous.header("location").context("a redirect says where to")?.to_owned();
    assert_eq!(login, "/login/?next=/profile/");
    client.call(&[], &login).await?;
    let fields = ["username=ana", "password=secret", "next=/profile/"];
    assert_eq!(client.submit(&fields, &login).await?, "/profile/");
    for visits in 1..=2 {
        let profile = client.call(&[], "/profile/").await?.text();
        assert!(profile.contains(&format!("<p id=\"visits\">{visits}</p>")), "{profile}");
    }
    let file = format!("file=@{}", upload.display());
    let download = client.submit(&[&file], "/upload/").await?;
    let downloaded = client.call(&[], &download).await?;
    assert!(downloaded.body == fs::read(upload)?, "not the file that was uploaded");
    let style = client.call(&[], "/static/site.css").await?;
    assert_eq!(style.body, fs::read(app("django/static/site.css"))?);
    client.submit(&[], "/logout/").await?;
    assert_eq!(client.call(&[], "/profile/").await?.status, 302);
    Ok(client.answers.iter().map(lasting).collect())
}

/// Status and headers, but for moments and the values of cookies, which are random.
fn lasting(answer: &Answer) -> String {
    let headers = answer.headers.iter().map(|(name, value)| match name.as_str() {
        "expires" => format!("{name}: a moment"),
        "set-cookie" => {
            let (key, attributes) = (value.split('=').next(), value.split("; ").skip(2));
            format!("{name}: {key:?} {:?}", attributes.collect::<Vec<_>>())
        }
        _ => format!("{name}: {value}"),
    });
    format!("{} {:#?}", answer.status, headers.collect::<Vec<_>>())
}

#[tokio::test]
async fn a_visit_with_login_upload_and_download_is_the_same_as_directly() -> Result<()> {
    let site = Site::start().await?;
    let tunnel = Tunnel::to(site.address).await?;
    let upload = site.folder.path().join("upload from curl.bin");
    fs::write(&upload, Noise::bytes(3_000_000))?;
    let direct = visit(&format!("http://{}", site.address), &upload).await?;
    let through = visit(&tunnel.url, &upload).await?;
    assert_eq!(through, direct);
    Ok(())
}

#[tokio::test]
async fn a_browser_logs_in_uploads_and_logs_out() -> Result<()> {
    let site = Site::start().await?;
    let tunnel = Tunnel::to(site.address).await?;
    let browser = Browser::open(&format!("{}/profile/", tunnel.url)).await?;
    browser.until("return document.title === 'Log in'", &[]).await?;
    let colour = "return getComputedStyle(document.body).backgroundColor";
    assert_eq!(browser.run(colour, &[]).await?, "rgb(4, 5, 6)");
    // Browsers say in Origin where a form comes from, and Django compares it with the Host it is called by.
    browser.run(LOG_IN, &[]).await?;
    browser.until("return document.title === 'ana'", &[]).await?;
    assert_eq!(browser.run(UPLOAD, &[]).await?, json!([200, 300_000, true]));
    browser.run("document.getElementById('log-out').click()", &[]).await?;
    browser.until("return document.title === 'Log in'", &[]).await?;
    let here = browser.run("return location.origin", &[]).await?;
    assert_eq!(here, tunnel.url.as_str());
    browser.close().await
}

#[tokio::test]
async fn a_redirect_to_the_sites_own_address_stays_on_the_public_one() -> Result<()> {
    let site = Site::start().await?;
    let tunnel = Tunnel::to(site.address).await?;
    let mut follow = command("curl");
    follow.args(["--silent", "--show-error", "--location", "--output", "/dev/null"]);
    follow.args(["--write-out", "%{url_effective} %{response_code}"]);
    follow.arg(format!("{}/absolute/", tunnel.url));
    let arrived = String::from_utf8(run(&mut follow).await?)?;
    assert_eq!(arrived, format!("{}/login/ 200", tunnel.url));
    Ok(())
}
