//! Hooks that are programs: one program, or a directory of them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tidegate_core::hook::{Call, CallPlace, Delivery, Hook, HookDescription, HookError, HookKind};

use crate::event::{Kept, LegacyEvent, MAX_ANSWER, MAX_VARIABLE, ProgramInput, ProgramOutput, check_panel_users};
use crate::flavour::Flavour;
use crate::interpreter;
use crate::process::{self, Run, RunError};
use crate::stderr_log;

const MAX_STDERR: usize = 64 << 10;

/// The environment of a program beside the hook's own variables (J-03).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// Whether the program sees the server's environment: scripts for the older server expect at least `PATH`.
    pub inherited: bool,
    /// `command.env`: more variables, from the configuration.
    pub variables: Vec<(String, String)>,
}

/// How a program is run.
#[derive(Debug, Clone)]
pub struct ProgramSettings {
    pub args: Vec<String>,
    pub environment: Environment,
    pub deadline: Duration,
    pub flavour: Flavour,
}

pub struct ProgramHook {
    path: PathBuf,
    name: String,
    settings: ProgramSettings,
}

/// Why a program cannot be a hook, found at start (A3-46).
#[derive(Debug, thiserror::Error)]
pub enum ProgramHookError {
    #[error("\"{0}\" is not an absolute path; write the whole path of the program, an http(s) URL, or plugin:NAME")]
    NotAbsolute(String),
    #[error("the program \"{path}\" cannot be used: {problem}", path = path.display())]
    Unusable { path: PathBuf, problem: String },
}

impl ProgramHook {
    pub fn new(path: &str, settings: ProgramSettings) -> Result<Self, ProgramHookError> {
        let path = PathBuf::from(path);
        if !path.is_absolute() {
            return Err(ProgramHookError::NotAbsolute(path.display().to_string()));
        }
        let hook = Self { name: path.display().to_string(), path, settings };
        for program in hook.programs()? {
            check(&program)?;
        }
        Ok(hook)
    }

    pub fn settings(&self) -> &ProgramSettings {
        &self.settings
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The program, or the programs of a directory in lexical order followed by the one beside the
    /// directory (D-14). A directory without programs would decide nothing, so it is an error.
    fn programs(&self) -> Result<Vec<PathBuf>, ProgramHookError> {
        let unusable = |problem: String| ProgramHookError::Unusable { path: self.path.clone(), problem };
        if !self.path.metadata().map_err(|error| unusable(error.to_string()))?.is_dir() {
            return Ok(vec![self.path.clone()]);
        }
        let entries = self.entries().map_err(|error| unusable(error.to_string()))?;
        let mut programs: Vec<_> = entries.into_iter().filter(|path| is_script(path)).collect();
        let beside = self.path.with_extension("sh");
        programs.extend(beside.is_file().then_some(beside));
        if programs.is_empty() {
            return Err(unusable("the directory holds no program; only names that end in .sh are run".to_owned()));
        }
        Ok(programs)
    }

    /// The files of the directory, in lexical order.
    fn entries(&self) -> std::io::Result<Vec<PathBuf>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            entries.push(entry?.path());
        }
        entries.sort();
        Ok(entries)
    }

    /// Executable files of a directory that are not run, because of their names.
    pub fn skipped_files(&self) -> Vec<PathBuf> {
        let entries = if self.path.is_dir() { self.entries().unwrap_or_default() } else { Vec::new() };
        entries.into_iter().filter(|path| !is_script(path) && check(path).is_ok()).collect()
    }

    /// Runs all programs, even if one fails. The answers are joined, and one failure makes the whole fail. The event is
    /// delivered when the last one has begun.
    async fn run(&self, kind: HookKind, call: &Call, input: ProgramInput) -> Result<ProgramOutput, HookError> {
        let input = checked(input)?;
        call.sent(shown(&input));
        let programs = self.programs().map_err(|error| HookError::Unavailable(error.to_string()))?;
        let (until, place) = (Instant::now() + self.settings.deadline, call.take_place());
        let mut all = ProgramOutput { success: true, status: String::new(), stdout: Vec::new(), stderr: Vec::new() };
        let (mut failure, count) = (None, programs.len());
        for (number, program) in (1..).zip(programs) {
            let left = until.saturating_duration_since(Instant::now());
            let delivery = (number == count).then(|| call.delivery().clone());
            match self.run_one(kind, program, &input, left, place.clone(), delivery).await {
                Ok(output) => {
                    if !output.success && all.success {
                        (all.success, all.status) = (false, output.status);
                    }
                    all.stdout.extend(output.stdout);
                    all.stderr.extend(output.stderr);
                }
                Err(error) => drop(failure.get_or_insert(error)),
            }
        }
        call.received(crate::redaction::redacted_answer(&all.stdout));
        call.standard_error(String::from_utf8_lossy(&all.stderr));
        failure.map_or(Ok(all), Err)
    }

    async fn run_one(
        &self,
        kind: HookKind,
        program: PathBuf,
        input: &ProgramInput,
        deadline: Duration,
        place: CallPlace,
        delivery: Option<Delivery>,
    ) -> Result<ProgramOutput, HookError> {
        let name = program.display().to_string();
        let run = Run {
            args: self.settings.args.iter().map(OsString::from).chain(input.arguments.iter().cloned()).collect(),
            clear_environment: !self.settings.environment.inherited,
            variables: self.variables(input),
            program,
            deadline,
            max_stdout: MAX_ANSWER,
            max_stderr: MAX_STDERR,
        };
        let output = match process::run(run, place, delivery).await {
            Ok(output) => output,
            Err(RunError::Late(_)) => return Err(HookError::Timeout(self.settings.deadline)),
            Err(error) => return Err(HookError::Unavailable(format!("{name} {error}"))),
        };
        stderr_log::log(kind, &name, &output.stderr);
        if output.stdout_truncated {
            return Err(HookError::Limit(format!("it printed more than {MAX_ANSWER} bytes")));
        }
        // A program that was ended by a signal has not answered.
        if !output.status.success() && output.status.code().is_none() {
            return Err(HookError::Failed(format!("it ended with {}", output.status)));
        }
        Ok(ProgramOutput {
            success: output.status.success(),
            status: output.status.to_string(),
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }

    /// The hook's own variables come last, so that the configuration cannot replace them.
    pub(crate) fn variables(&self, input: &ProgramInput) -> Vec<(OsString, OsString)> {
        let configured = self.settings.environment.variables.iter();
        let configured = configured.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let own = input.variables.iter().map(|(name, value, _)| (OsString::from(*name), value.clone()));
        configured.chain(own).collect()
    }

    pub(crate) fn describe(&self) -> HookDescription {
        let health = match self.programs().map(|programs| programs.iter().try_for_each(|program| check(program))) {
            Ok(Ok(())) => "ready".to_owned(),
            Ok(Err(error)) | Err(error) => error.to_string(),
        };
        let mut description = HookDescription::new(&self.name, self.settings.deadline, health);
        description.limits = format!("compat {}", self.settings.flavour.compat);
        description
    }
}

fn is_script(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "sh")
}

fn check(path: &Path) -> Result<(), ProgramHookError> {
    let unusable = |problem: String| ProgramHookError::Unusable { path: path.to_owned(), problem };
    let metadata = path.metadata().map_err(|error| unusable(error.to_string()))?;
    if !metadata.is_file() {
        return Err(unusable("it is not a file".to_owned()));
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(unusable(format!("it is not executable; run: chmod +x {}", path.display())));
    }
    if let Some(problem) = interpreter::missing(path) {
        return Err(unusable(problem));
    }
    Ok(())
}

/// Refuses input that cannot be passed to a program (A11-03, C1-05).
pub(crate) fn checked(input: ProgramInput) -> Result<ProgramInput, HookError> {
    let arguments = input.arguments.iter().map(|argument| ("an argument", argument));
    let variables = input.variables.iter().map(|(name, value, _)| (*name, value));
    for (name, value) in arguments.chain(variables) {
        if value.as_bytes().contains(&0) {
            return Err(HookError::Failed(format!("{name} contains a NUL byte and cannot be passed to a program")));
        }
        if name.len() + value.len() + 2 > MAX_VARIABLE {
            let advice = "is longer than a program's environment allows; use an HTTP or a wasm hook";
            return Err(HookError::Failed(format!("{name} {advice}")));
        }
    }
    Ok(input)
}

/// The variables in the form in which records keep them.
pub(crate) fn shown(input: &ProgramInput) -> String {
    let variables = input.variables.iter().map(|(name, value, kept)| match kept {
        Kept::Redacted if !value.is_empty() => format!("{name}=[redacted]"),
        _ => format!("{name}={}", value.display()),
    });
    variables.collect::<Vec<_>>().join("\n")
}

#[async_trait]
impl<E: LegacyEvent> Hook<E> for ProgramHook {
    fn name(&self) -> &str {
        &self.name
    }

    fn relies_on_last_login(&self) -> bool {
        true
    }

    fn adapter(&self) -> &'static str {
        "program"
    }

    fn needs_password(&self) -> bool {
        E::needs_password(self.settings.flavour)
    }

    fn description(&self) -> HookDescription {
        self.describe()
    }

    async fn call(&self, call: &Call, event: &E) -> Result<E::Verdict, HookError> {
        let flavour = self.settings.flavour;
        if !event.is_for(flavour)
            && let Some(verdict) = E::unheard()
        {
            return Ok(verdict);
        }
        check_panel_users(event, flavour)?;
        let output = self.run(E::KIND, call, event.input(flavour)).await?;
        event.read_output(&output, flavour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_programs_are_explained() {
        let check = |path: &str, expected: &str| {
            let settings = ProgramSettings {
                args: Vec::new(),
                environment: Environment::default(),
                deadline: Duration::from_secs(1),
                flavour: Flavour::default(),
            };
            let error = ProgramHook::new(path, settings).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("hook.sh", "not an absolute path");
        check("/nonexistent/hook.sh", "No such file");
        check("/dev/null", "not a file");
        check("/etc/passwd", "chmod +x");
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("hook.py");
        std::fs::write(&script, "#!/usr/bin/python9\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        check(&script.display().to_string(), "/usr/bin/python9");
    }

    #[test]
    fn a_directory_needs_a_program_that_can_run() {
        // D-14
        let check = |files: &[(&str, u32)], expected: Result<usize, &str>| {
            let directory = tempfile::tempdir().unwrap();
            let hooks = directory.path().join("hooks");
            std::fs::create_dir(&hooks).unwrap();
            for (name, mode) in files {
                let path = hooks.join(name);
                std::fs::write(&path, "#!/bin/sh\n").unwrap();
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)).unwrap();
            }
            let settings = ProgramSettings {
                args: Vec::new(),
                environment: Environment::default(),
                deadline: Duration::from_secs(1),
                flavour: Flavour::default(),
            };
            match (ProgramHook::new(&hooks.display().to_string(), settings), expected) {
                (Ok(hook), Ok(skipped)) => assert_eq!(hook.skipped_files().len(), skipped, "{files:?}"),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{files:?}: {error}"),
                (outcome, _) => panic!("{files:?}: {:?}", outcome.err()),
            }
        };
        check(&[], Err("no program"));
        check(&[("check.py", 0o755)], Err("no program"));
        check(&[("README", 0o644)], Err("no program"));
        check(&[("a.sh.bak", 0o755)], Err("no program"));
        check(&[("a.sh", 0o644)], Err("chmod +x"));
        check(&[("a.sh", 0o755), ("b.sh", 0o644)], Err("chmod +x"));
        check(&[("../hooks.sh", 0o755)], Ok(0));
        check(&[("a.sh", 0o755), ("README", 0o644)], Ok(0));
        check(&[("a.sh", 0o755), ("check.py", 0o755)], Ok(1));
    }

    #[tokio::test]
    async fn a_program_has_the_environment_that_it_is_to_have() {
        // A11-01, B0-02, J-03
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("a.sh");
        std::fs::write(&script, "#!/bin/sh\nexec /usr/bin/env\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        for inherited in [true, false] {
            let variables = [("TZ", "UTC"), ("SFTPGO_X", "configured")];
            let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let settings = ProgramSettings {
                args: Vec::new(),
                environment: Environment { inherited, variables },
                deadline: Duration::from_secs(60),
                flavour: Flavour::default(),
            };
            let hook = ProgramHook::new(&script.display().to_string(), settings).unwrap();
            let input = ProgramInput::default().with("SFTPGO_X", "own");
            let output = hook.run(HookKind::Connect, &Call::default(), input).await.unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let has = |line: &str| text.lines().any(|found| found.starts_with(line));
            // Of this process, which was started by cargo.
            assert_eq!(has("CARGO_MANIFEST_DIR="), inherited, "{text}");
            assert!(has("TZ=UTC") && has("SFTPGO_X=own") && !has("SFTPGO_X=configured"), "{text}");
        }
    }

    #[tokio::test]
    async fn a_program_is_given_what_linux_lets_it_have() {
        // C1-05: the longest string of the environment has 128 KiB with its name, the sign between them and its end.
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("a.sh");
        std::fs::write(&script, "#!/bin/sh\necho ${#SFTPGO_X} ${#1}\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let settings = ProgramSettings {
            args: Vec::new(),
            environment: Environment { inherited: false, variables: Vec::new() },
            deadline: Duration::from_secs(60),
            flavour: Flavour::default(),
        };
        let hook = ProgramHook::new(&script.display().to_string(), settings).unwrap();
        let longest = 131_072 - "SFTPGO_X=".len() - 1;
        for (length, argument, expected) in [
            (longest, 0, Ok("131062 0")),
            (longest + 1, 0, Err("SFTPGO_X is longer")),
            (0, 131_059, Ok("0 131059")),
            (0, 131_072, Err("an argument is longer")),
        ] {
            let mut input = ProgramInput::default().with("SFTPGO_X", "x".repeat(length));
            input.arguments = vec!["x".repeat(argument).into()];
            match (hook.run(HookKind::Connect, &Call::default(), input).await, expected) {
                (Ok(output), Ok(lengths)) => {
                    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), lengths);
                }
                (Err(error), Err(problem)) => {
                    let text = error.to_string();
                    assert!(text.contains(problem) && text.contains("an HTTP or a wasm hook"), "{text}");
                }
                (outcome, _) => panic!("{length} {argument}: {:?}", outcome.map(drop)),
            }
        }
    }

    #[tokio::test]
    async fn a_directory_that_was_emptied_decides_nothing() {
        // D-14
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("a.sh");
        std::fs::write(&script, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        let settings = ProgramSettings {
            args: Vec::new(),
            environment: Environment::default(),
            deadline: Duration::from_secs(5),
            flavour: Flavour::default(),
        };
        let hook = ProgramHook::new(&directory.path().display().to_string(), settings).unwrap();
        std::fs::remove_file(&script).unwrap();
        let outcome = hook.run(HookKind::Connect, &Call::default(), ProgramInput::default()).await;
        assert!(matches!(outcome, Err(HookError::Unavailable(_))), "{:?}", outcome.err());
    }
}
