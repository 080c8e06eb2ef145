//! Writes a line to the log when the server starts.
//! Hook point: startup. Build: ./build.sh in a project of `tidegate plugin new`.

use tidegate_hook::{Failure, Startup, log};

use crate::Plugin;

impl Startup for Plugin {
    fn notify(server_version: String) -> Result<(), Failure> {
        log::info(&format!("hello, server {server_version}"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_hook::testing::host;

    use super::*;

    #[test]
    fn it_says_hello() {
        Plugin::notify("1.0".to_owned()).unwrap();
        assert_eq!(host::logged(), ["hello, server 1.0"]);
    }
}
