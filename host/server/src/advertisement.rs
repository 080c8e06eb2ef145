//! Announces the portable server in the local network's list of services (A17-03).

use std::time::Duration;

use anyhow::Context;
use mdns_sd::{ServiceDaemon, ServiceInfo};

use crate::version;

const SERVICE: &str = "_sftp-ssh._tcp.local.";
/// Time for sending the goodbye.
const GOODBYE_TIME: Duration = Duration::from_secs(1);

/// An announcement, which ends when this is dropped.
pub struct Advertisement {
    daemon: ServiceDaemon,
    name: String,
}

impl Advertisement {
    /// `credentials`: shown to the whole network.
    pub fn announce(port: u16, credentials: Option<(&str, &str)>) -> anyhow::Result<Self> {
        let daemon = ServiceDaemon::new().context("the daemon could not be started")?;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let host = format!("{}.local.", host.split('.').next().filter(|name| !name.is_empty()).unwrap_or("localhost"));
        let mut properties = vec![("version", version::VERSION)];
        if let Some((user, password)) = credentials {
            properties.extend([("user", user), ("password", password)]);
        }
        let instance = format!("Tidegate portable {port}");
        let info = ServiceInfo::new(SERVICE, &instance, &host, (), port, &properties[..])?.enable_addr_auto();
        let name = info.get_fullname().to_owned();
        daemon.register(info)?;
        Ok(Self { daemon, name })
    }
}

impl Drop for Advertisement {
    fn drop(&mut self) {
        // Clients that miss the goodbye forget the service after some time.
        if let Ok(done) = self.daemon.unregister(&self.name) {
            let _ = done.recv_timeout(GOODBYE_TIME);
        }
        if let Ok(done) = self.daemon.shutdown() {
            let _ = done.recv_timeout(GOODBYE_TIME);
        }
    }
}
