use super::*;
use http_body_util::Empty;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// A served directory, and one beside it that is nobody's business.
struct Site {
    files: TempDir,
    outside: TempDir,
    address: SocketAddr,
}

impl Site {
    async fn new() -> Self {
        let files = tempfile::tempdir().expect("a temporary directory");
        let outside = tempfile::tempdir().expect("a temporary directory");
        let address = serve(files.path()).await.expect("the directory is readable");
        Self { files, outside, address }
    }

    fn write(&self, path: &str, content: &str) -> &Self {
        let path = self.files.path().join(path);
        fs::create_dir_all(path.parent().expect("it is below the root")).expect("it is writable");
        fs::write(path, content).expect("it is writable");
        self
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response<String> {
        let socket = TcpStream::connect(self.address).await.expect("it listens");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.expect("it speaks HTTP");
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", "site");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        connection.abort();
        Response::from_parts(head, String::from_utf8_lossy(&body).into_owned())
    }

    async fn get(&self, path: &str) -> Response<String> {
        self.ask(Method::GET, path, &[]).await
    }

    async fn status(&self, path: &str) -> u16 {
        self.get(path).await.status().as_u16()
    }
}

fn field<'a>(answer: &'a Response<String>, name: &str) -> &'a str {
    answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[tokio::test]
async fn files_have_their_type_and_index_pages_stand_for_their_directory() {
    let site = Site::new().await;
    site.write("index.html", "<h1>hi</h1>")
        .write("app.js", "1")
        .write("docs/index.html", "docs")
        .write("ü ?.txt", "odd");
    for (path, content_type, body) in [
        ("/", "text/html", "<h1>hi</h1>"),
        ("/app.js", "text/javascript", "1"),
        ("/docs/?q", "text/html", "docs"),
        ("/%C3%BC%20%3F.txt", "text/plain", "odd"),
    ] {
        let answer = site.get(path).await;
        assert_eq!((answer.status(), answer.body().as_str()), (StatusCode::OK, body), "{path}");
        assert!(field(&answer, "content-type").starts_with(content_type), "{path}: {answer:?}");
    }
    let redirect = site.get("/docs").await;
    assert_eq!((redirect.status().as_u16(), field(&redirect, "location")), (307, "/docs/"));
}

#[tokio::test]
async fn ranges_conditions_and_heads_are_answered() {
    let site = Site::new().await;
    site.write("data.bin", "0123456789");
    let part = site.ask(Method::GET, "/data.bin", &[("range", "bytes=2-4")]).await;
    assert_eq!((part.status().as_u16(), part.body().as_str()), (206, "234"));
    assert_eq!(field(&part, "content-range"), "bytes 2-4/10");
    assert_eq!(site.ask(Method::GET, "/data.bin", &[("range", "bytes=99-")]).await.status().as_u16(), 416);
    let head = site.ask(Method::HEAD, "/data.bin", &[]).await;
    assert_eq!((field(&head, "content-length"), head.body().as_str()), ("10", ""));
    let unchanged = [("if-modified-since", field(&head, "last-modified"))];
    assert_eq!(site.ask(Method::GET, "/data.bin", &unchanged).await.status().as_u16(), 304);
    assert_eq!(site.ask(Method::POST, "/data.bin", &[]).await.status().as_u16(), 405);
    assert_eq!(site.ask(Method::DELETE, "/", &[]).await.status().as_u16(), 405);
}

#[tokio::test]
async fn a_large_file_is_whole() {
    let site = Site::new().await;
    let content = "0123456789abcdef".repeat(200_000);
    site.write("large.txt", &content);
    assert!(*site.get("/large.txt").await.body() == content);
}

#[tokio::test]
async fn a_directory_without_an_index_page_is_listed() {
    let site = Site::new().await;
    site.write("b.txt", "12345")
        .write("a.txt", "")
        .write("sub/deep.txt", "")
        .write(".hidden", "")
        .write(".git/config", "");
    let answer = site.get("/").await;
    assert!(field(&answer, "content-type").starts_with("text/html"));
    let links: Vec<&str> = answer.body().split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(links, ["./sub/", "./a.txt", "./b.txt"]);
    assert!(answer.body().contains("5 B"));
    let below = site.get("/sub/").await;
    assert!(below.body().contains("href=\"../\"") && below.body().contains("./deep.txt"), "{}", below.body());
    let head = site.ask(Method::HEAD, "/", &[]).await;
    assert_eq!((head.status().as_u16(), head.body().as_str()), (200, ""));
}

#[tokio::test]
async fn names_in_a_listing_are_escaped_and_their_links_lead_to_them() {
    let site = Site::new().await;
    let names = ["<script>alert(1)<", "a&b\"c'd.txt", "100% ü?#.txt", "javascript:x", "-._~"];
    for name in names {
        site.write(&format!("list/{name}"), name);
    }
    let listing = site.get("/list/").await;
    assert!(!listing.body().contains("<script>") && listing.body().contains("&lt;script&gt;"), "{}", listing.body());
    let links: Vec<&str> =
        listing.body().split("href=\"./").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(links.len(), names.len());
    let mut found = Vec::new();
    for link in links {
        found.push(site.get(&format!("/list/{link}")).await.into_body());
    }
    found.sort_unstable();
    let mut expected = names;
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn nothing_outside_the_directory_is_reached() {
    let site = Site::new().await;
    let name = site.outside.path().file_name().and_then(|name| name.to_str()).expect("its name is text").to_owned();
    fs::write(site.outside.path().join("secret.txt"), "secret").expect("it is writable");
    symlink(site.outside.path(), site.files.path().join("out")).expect("it is writable");
    symlink(site.outside.path().join("secret.txt"), site.files.path().join("out.txt")).expect("it is writable");
    let paths = [
        format!("/../{name}/secret.txt"),
        format!("/..%2f{name}%2fsecret.txt"),
        format!("/%2e%2e/{name}/secret.txt"),
        format!("/..\\{name}\\secret.txt"),
        format!("/%2e%2e%5c{name}"),
        format!("/%2e%2e/{name}/"),
        "//etc/passwd".to_owned(),
        "/%2fetc/passwd".to_owned(),
        "/%2fetc/".to_owned(),
        "/out".to_owned(),
        "/out/".to_owned(),
        "/out/secret.txt".to_owned(),
        "/out.txt".to_owned(),
        "/a%00b".to_owned(),
        "/%ff/".to_owned(),
    ];
    for path in paths {
        let answer = site.get(&path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}: {}", answer.body());
    }
    assert!(!site.get("/").await.body().contains("out"), "links that lead out are not listed");
}

#[tokio::test]
async fn links_that_stay_inside_are_followed() {
    let site = Site::new().await;
    site.write("real/a.txt", "a");
    symlink("real", site.files.path().join("link")).expect("it is writable");
    assert_eq!(site.get("/link/a.txt").await.body(), "a");
    assert!(site.get("/link/").await.body().contains("./a.txt"));
}

#[tokio::test]
async fn hidden_names_are_not_found_except_well_known() {
    let site = Site::new().await;
    site.write(".env", "x").write(".git/config", "x").write("a/.b/c.txt", "x").write(".well-known/acme", "token");
    symlink(".env", site.files.path().join("env.txt")).expect("it is writable");
    for path in ["/.env", "/.git/config", "/.git/", "/.git", "/a/.b/c.txt", "/a/.b/", "/%2eenv", "/env.txt"] {
        assert_eq!(site.status(path).await, 404, "{path}");
    }
    assert_eq!(site.get("/.well-known/acme").await.body(), "token");
}

#[tokio::test]
async fn an_empty_segment_redirects_nowhere() {
    let site = Site::new().await;
    site.write("example.com/x", "");
    let answer = site.get("//example.com").await;
    assert_eq!((answer.status().as_u16(), field(&answer, "location")), (404, ""));
}

#[tokio::test]
async fn a_pipe_is_not_waited_for() {
    let site = Site::new().await;
    let made = std::process::Command::new("mkfifo").arg(site.files.path().join("pipe")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo is part of every Unix");
    assert_eq!(site.status("/pipe").await, 404);
    assert!(!site.get("/").await.body().contains("pipe"));
}

#[tokio::test]
async fn what_is_not_there_or_no_directory_is_not_found() {
    let site = Site::new().await;
    site.write("file", "x");
    for path in ["/none", "/none/", "/file/", "/file/x"] {
        assert_eq!(site.status(path).await, 404, "{path}");
    }
    assert!(serve(&site.files.path().join("file")).await.is_err());
    assert!(serve(&site.files.path().join("none")).await.is_err());
}
