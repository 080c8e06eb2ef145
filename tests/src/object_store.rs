//! Stores that speak S3, beside the server under test.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::server::Site;
use crate::{tools, waiting};

/// Names a store that runs elsewhere: its address, and the names of its bucket, region, key and secret.
const ELSEWHERE: &str = "TIDEGATE_TEST_STORE";

/// A store with one bucket.
pub struct Store {
    process: Option<Child>,
    /// The port on loopback.
    pub port: u16,
    /// The directory whose files are the objects, where there is one.
    pub bucket: PathBuf,
    /// Address, bucket, region, key and secret.
    place: [String; 5],
    prefix: String,
}

fn place(address: &str, bucket: &str) -> [String; 5] {
    [address, bucket, "us-east-1", "key", "secret"].map(str::to_owned)
}

impl Store {
    /// `s3s-fs`, with objects as files.
    pub fn start(site: &Site) -> Self {
        let root = site.path("store");
        let bucket = root.join("files");
        std::fs::create_dir_all(&bucket).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = serve(&root, port);
        let place = place(&format!("127.0.0.1:{port}"), "files");
        Self { process: Some(process), port, bucket, place, prefix: "home".into() }
    }

    /// A store that has directories as large stores do: the one that the environment names, or one in memory.
    pub fn with_directories(site: &Site) -> Self {
        let prefix = site.path("").file_name().unwrap().to_string_lossy().into_owned();
        if let Ok(named) = std::env::var(ELSEWHERE) {
            let place: [&str; 5] = named.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let port = place[0].rsplit(':').next().unwrap().parse().unwrap();
            let place = place.map(str::to_owned);
            return Self { process: None, port, bucket: PathBuf::new(), place, prefix };
        }
        let program = tools::tidegate().with_file_name("object-store");
        let mut process = Command::new(program).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
        Self { process: Some(process), port, bucket: PathBuf::new(), place: place(line.trim(), "bucket"), prefix }
    }

    /// The member of an account or folder that puts its files here.
    pub fn file_system(&self) -> String {
        let [address, bucket, region, key, secret] = &self.place;
        format!(
            r#""filesystem":{{"provider":1,"s3config":{{"bucket":"{bucket}","region":"{region}","endpoint":"http://{address}",
            "access_key":"{key}","access_secret":"{secret}","key_prefix":"{}"}}}}"#,
            self.prefix
        )
    }

    /// Ends it at once. It is one of [`start`](Self::start).
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts it again, where it was.
    pub fn restart(&mut self) {
        self.process = Some(serve(self.bucket.parent().unwrap(), self.port));
    }

    /// The account's objects, without the store's own files.
    pub fn objects(&self) -> Vec<String> {
        let mut found = Vec::new();
        files(&self.bucket.join("home"), "", &mut found);
        found.sort();
        found
    }

    /// What the store keeps of uploads that are not complete.
    pub fn unfinished(&self) -> Vec<String> {
        let mut found = Vec::new();
        files(self.bucket.parent().unwrap(), "", &mut found);
        found.retain(|name| name.contains(".upload"));
        found
    }
}

fn serve(root: &Path, port: u16) -> Child {
    let mut store = Command::new("s3s-fs");
    store.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    store.args(["--access-key", "key", "--secret-key", "secret"]).arg(root);
    let process = store.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    waiting::until("the store listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    process
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn files(directory: &Path, above: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = format!("{above}{}", entry.file_name().to_string_lossy());
        match entry.file_type().unwrap().is_dir() {
            true => files(&entry.path(), &format!("{name}/"), found),
            false => found.push(name),
        }
    }
}
