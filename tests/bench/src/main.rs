//! One external-auth call through each adapter, called the way the server calls it. Prints
//! JSON: adapter → median and 99th percentile in microseconds.
//!
//! `hook-calls COMPONENT.wasm`

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use async_trait::async_trait;
use serde_json::json;
use tidegate_core::connection::{Connection, ConnectionId, Credential};
use tidegate_core::hook::Hook;
use tidegate_core::hook::external_auth::ExternalAuth;
use tidegate_core::password::{PasswordError, PasswordHash};
use tidegate_core::ports::{Passwords, PluginStore, PluginStoreError};
use tidegate_core::secret::Secret;
use tidegate_hooks_legacy::{Environment, HttpHook, ProgramHook};
use tidegate_hooks_wasm::{PluginDirectory, PluginPorts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const CALLS: usize = 2000;
const WARM_UP: usize = 100;
const DEADLINE: Duration = Duration::from_secs(10);
const USER: &str = r#"{"username":"u","status":1,"home_dir":"/srv/u","permissions":{"/":["*"]}}"#;

#[tokio::main]
async fn main() -> Result<()> {
    let component = std::env::args().nth(1).context("name a component: hook-calls COMPONENT.wasm")?;
    let directory = tempfile::tempdir()?;
    let mut results = serde_json::Map::new();

    let script = directory.path().join("hook.sh");
    std::fs::write(&script, format!("#!/bin/sh\necho '{USER}'\n"))?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    let program = ProgramHook::new(&script.display().to_string(), Environment::Cleared, DEADLINE)?;
    results.insert("program (/bin/sh)".into(), measure(&program, CALLS / 4).await?);

    let http = HttpHook::new(&serve_http().await?, DEADLINE)?;
    results.insert("http (loopback)".into(), measure(&http, CALLS).await?);

    let plugins = load(Path::new(&component), directory.path()).await?;
    let plugin = plugins.link("component");
    results.insert("wasm (fresh instance)".into(), measure(&*plugin, CALLS).await?);
    println!("{}", serde_json::Value::Object(results));
    Ok(())
}

async fn measure(hook: &dyn Hook<ExternalAuth>, calls: usize) -> Result<serde_json::Value> {
    let event = event()?;
    let mut times = Vec::with_capacity(calls);
    for call in 0..calls + WARM_UP {
        let started = Instant::now();
        hook.call(&event).await.with_context(|| hook.name().to_owned())?;
        if call >= WARM_UP {
            times.push(started.elapsed());
        }
    }
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6);
    Ok(json!({ "median_us": at(50), "p99_us": at(99) }))
}

fn event() -> Result<ExternalAuth> {
    let connection = Connection {
        id: ConnectionId::new("bench"),
        remote: "192.0.2.1:1".parse()?,
        local: "192.0.2.2:22".parse()?,
        client_software: None,
        opened_at: 0,
    };
    Ok(ExternalAuth {
        connection: Arc::new(connection),
        username: "u".into(),
        credential: Credential::Password(Secret::new("p")),
        completed_methods: Vec::new(),
        stored: None,
    })
}

/// A server that answers every request with the user and keeps connections open.
async fn serve_http() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let response =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{USER}", USER.len());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let response = response.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 16 << 10];
                // Requests are small enough to arrive in one piece here.
                while stream.read(&mut request).await.is_ok_and(|count| count > 0) {
                    if stream.write_all(response.as_bytes()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    Ok(url)
}

/// The component, with a configuration in which it rejects: it parses its list either way.
async fn load(component: &Path, directory: &Path) -> Result<Arc<PluginDirectory>> {
    let plugins = directory.join("plugins");
    std::fs::create_dir(&plugins)?;
    std::fs::copy(component, plugins.join("component.wasm"))?;
    std::fs::write(plugins.join("component.toml"), "[config]\nothers = \"reject\"\nusers = []\n")?;
    let ports = PluginPorts { passwords: Arc::new(NoPasswords), store: Arc::new(NoStore) };
    let loaded = PluginDirectory::new(plugins, BTreeMap::new(), ports, Box::new(|_| {}))?;
    loaded.refresh().await;
    Ok(loaded)
}

struct NoPasswords;

#[async_trait]
impl Passwords for NoPasswords {
    async fn matches(&self, _: &PasswordHash, _: &Secret) -> Result<bool, PasswordError> {
        Ok(false)
    }
    async fn hash(&self, _: &Secret) -> Result<PasswordHash, PasswordError> {
        Err(PasswordError::PoolClosed)
    }
}

struct NoStore;

fn no_store<T>() -> Result<T, PluginStoreError> {
    Err(PluginStoreError::Unavailable("there is no store in this benchmark".into()))
}

#[async_trait]
impl PluginStore for NoStore {
    async fn get(&self, _: &str, _: &str) -> Result<Option<Vec<u8>>, PluginStoreError> {
        no_store()
    }
    async fn set(&self, _: &str, _: &str, _: &[u8], _: Option<Duration>) -> Result<(), PluginStoreError> {
        no_store()
    }
    async fn remove(&self, _: &str, _: &str) -> Result<(), PluginStoreError> {
        no_store()
    }
    async fn list_keys(&self, _: &str, _: &str, _: Option<&str>, _: u32) -> Result<Vec<String>, PluginStoreError> {
        no_store()
    }
    async fn increment(&self, _: &str, _: &str, _: i64, _: Option<Duration>) -> Result<i64, PluginStoreError> {
        no_store()
    }
    async fn compare_and_set(
        &self,
        _: &str,
        _: &str,
        _: Option<&[u8]>,
        _: &[u8],
        _: Option<Duration>,
    ) -> Result<bool, PluginStoreError> {
        no_store()
    }
}
