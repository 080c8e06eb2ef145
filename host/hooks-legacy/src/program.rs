//! Programs as hooks.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_core::hook::external_auth::{ExternalAuth, ExternalAuthVerdict};
use tidegate_core::hook::{Hook, HookDescription, HookError};

use crate::process::{self, Run, RunError};
use crate::{stderr_log, wire};

const MAX_STDERR: usize = 64 << 10;

/// What a program finds in its environment beside the hook's own variables (J-03).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// All of the server's: the scripts of the older server expect `PATH` at least.
    Inherited,
    Cleared,
}

pub struct ProgramHook {
    path: PathBuf,
    name: String,
    environment: Environment,
    deadline: Duration,
}

/// Found at start (A3-46).
#[derive(Debug, thiserror::Error)]
pub enum ProgramHookError {
    #[error("\"{0}\" is not an absolute path; write the whole path of the program, an http(s) URL, or plugin:NAME")]
    NotAbsolute(String),
    #[error("the program \"{path}\" cannot be used: {problem}", path = path.display())]
    Unusable { path: PathBuf, problem: String },
}

impl ProgramHook {
    pub fn new(path: &str, environment: Environment, deadline: Duration) -> Result<Self, ProgramHookError> {
        let path = PathBuf::from(path);
        if !path.is_absolute() {
            return Err(ProgramHookError::NotAbsolute(path.display().to_string()));
        }
        let unusable = |problem: String| ProgramHookError::Unusable { path: path.clone(), problem };
        let metadata = path.metadata().map_err(|error| unusable(error.to_string()))?;
        if !metadata.is_file() {
            return Err(unusable("it is not a file".to_owned()));
        }
        if metadata.permissions().mode() & 0o111 == 0 {
            return Err(unusable(format!("it is not executable; run: chmod +x {}", path.display())));
        }
        let name = path.display().to_string();
        Ok(Self { path, name, environment, deadline })
    }

    async fn run(&self, variables: Vec<(&'static str, String)>) -> Result<Vec<u8>, HookError> {
        for (name, value) in &variables {
            if value.contains('\0') {
                return Err(HookError::Failed(format!("{name} contains a NUL byte and cannot be passed to a program")));
            }
            if name.len() + value.len() + 2 > wire::MAX_VARIABLE {
                let advice = "is longer than a program's environment allows; use an HTTP or a wasm hook";
                return Err(HookError::Failed(format!("{name} {advice}")));
            }
        }
        let run = Run {
            program: self.path.clone(),
            args: Vec::new(),
            clear_environment: self.environment == Environment::Cleared,
            variables: variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            deadline: self.deadline,
            max_stdout: wire::MAX_ANSWER,
            max_stderr: MAX_STDERR,
        };
        let outcome = tokio::task::spawn_blocking(move || process::run(run)).await;
        let output = match outcome {
            Ok(Ok(output)) => output,
            Ok(Err(RunError::Late(limit))) => return Err(HookError::Timeout(limit)),
            Ok(Err(error)) => return Err(HookError::Unavailable(error.to_string())),
            Err(error) => return Err(HookError::Failed(error.to_string())),
        };
        stderr_log::log(&self.name, &output.stderr);
        if !output.status.success() {
            return Err(HookError::Failed(format!("it ended with {}", output.status)));
        }
        if output.stdout_truncated {
            return Err(HookError::Limit(format!("it printed more than {} bytes", wire::MAX_ANSWER)));
        }
        Ok(output.stdout)
    }
}

#[async_trait]
impl Hook<ExternalAuth> for ProgramHook {
    fn name(&self) -> &str {
        &self.name
    }

    fn description(&self) -> HookDescription {
        HookDescription {
            adapter: "program",
            target: self.name.clone(),
            deadline: self.deadline,
            health: if self.path.is_file() { "ready".to_owned() } else { "the program is missing".to_owned() },
        }
    }

    async fn call(&self, event: &ExternalAuth) -> Result<ExternalAuthVerdict, HookError> {
        let answer = self.run(wire::external_auth_variables(event)).await?;
        wire::external_auth_answer(&answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_programs_are_explained() {
        let check = |path: &str, expected: &str| {
            let error = ProgramHook::new(path, Environment::Cleared, Duration::from_secs(1)).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("hook.sh", "not an absolute path");
        check("/nonexistent/hook.sh", "No such file");
        check("/etc", "not a file");
        check("/etc/passwd", "chmod +x");
    }
}
