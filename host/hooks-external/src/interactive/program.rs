//! Conversations with a program over its standard input and output, a line at a time.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use subprocess::{Exec, ExecExt as _, Job, JobExt as _, Redirection};
use tidegate_core::hook::deadline::in_time_of;
use tidegate_core::hook::keyboard_interactive::{KeyboardInteractive, KeyboardInteractiveVerdict};
use tidegate_core::hook::{Call, CallPlace, Denial, Hook, HookDescription, HookError, HookKind};
use tidegate_core::secret::Secret;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Next, carry_out, message, stored_hash};
use crate::event::ProgramInput;
use crate::program::{ProgramHook, checked, shown};
use crate::stderr_log;
use crate::{interpreter, open_files};

/// Longest line of a program, in bytes (A12-05).
const MAX_LINE: u64 = 64 << 10;
const MAX_STDERR: usize = 64 << 10;
/// Time for a conversation, including the time in which the user types; a longer timeout of the program extends it.
const LONGEST_CONVERSATION: Duration = Duration::from_secs(60);
const SIGKILL: i32 = 9;
/// Time for a killed program to end.
const REAP_TIME: Duration = Duration::from_secs(5);
/// Time for a program that has decided to end by itself, before the call goes on without it.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Time for reading what an ended program left in the pipe, since a process that it started may
/// hold the pipe for ever.
const LAST_READ: Duration = Duration::from_millis(50);

/// A program that has begun, with the place of its call, which is taken until the program has ended (B0-13). If this is
/// dropped, the program is killed with its process group.
struct Started {
    job: Option<Job>,
    place: CallPlace,
}

impl Started {
    fn take(&mut self) -> Option<(Job, CallPlace)> {
        Some((self.job.take()?, std::mem::take(&mut self.place)))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some((job, place)) = self.take() {
            // Here, because the server may end before a thread runs.
            let _ = job.send_signal_group(SIGKILL);
            // Waiting for its end takes a moment, which no call has to wait for.
            std::thread::spawn(move || {
                kill_group(&job);
                drop(place);
            });
        }
    }
}

/// A program that converses.
struct Running {
    program: Started,
    /// Whether the program has given its verdict.
    has_decided: bool,
    input: Option<pipe::Sender>,
    output: BufReader<pipe::Receiver>,
    errors: Arc<Mutex<Vec<u8>>>,
    /// Ends when the last process that holds standard error has closed it.
    errors_end: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.errors_end.abort();
    }
}

impl Running {
    /// Ends the program. A program that has decided ends by itself, within `left`, and processes
    /// that it started live on. Returns what was printed to standard error until then.
    async fn end(mut self, left: Duration) -> Vec<u8> {
        let has_decided = self.has_decided;
        let Some((job, place)) = self.program.take() else { return Vec::new() };
        // A program that waits for more input reads its end.
        self.input = None;
        let (ended, is_over) = oneshot::channel();
        std::thread::spawn(move || {
            if !has_decided || !matches!(job.wait_timeout(left), Ok(Some(_))) {
                kill_group(&job);
            }
            drop(place);
            // The call may have stopped waiting.
            let _ = ended.send(());
        });
        if timeout(LAST_WORDS, is_over).await.is_ok() {
            let _ = timeout(LAST_READ, &mut self.errors_end).await;
        }
        std::mem::take(&mut *self.errors.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn line(&mut self) -> Result<Option<String>, HookError> {
        let mut line = Vec::new();
        let read = (&mut self.output).take(MAX_LINE + 1).read_until(b'\n', &mut line).await;
        read.map_err(|error| HookError::Unavailable(error.to_string()))?;
        if u64::try_from(line.len()).is_ok_and(|length| length > MAX_LINE) {
            return Err(HookError::Limit(format!("it printed a line of more than {MAX_LINE} bytes")));
        }
        Ok((!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned()))
    }

    async fn answer(&mut self, answers: &[Secret]) -> Result<(), HookError> {
        let mut lines = String::new();
        for answer in answers {
            lines.push_str(answer.expose());
            lines.push('\n');
        }
        let lines = Secret::new(lines);
        let Some(input) = &mut self.input else { return Ok(()) };
        let written = input.write_all(lines.expose().as_bytes()).await;
        written.map_err(|error| HookError::Failed(format!("it does not read its input: {error}")))
    }
}

/// Call this before waiting for the leader: afterwards its number could belong to another group.
fn kill_group(job: &Job) {
    // If the program has just ended, there is nothing to kill.
    let _ = job.send_signal_group(SIGKILL);
    if !matches!(job.wait_timeout(REAP_TIME), Ok(Some(_))) {
        job.detach();
    }
}

fn start(hook: &ProgramHook, input: &ProgramInput) -> Exec {
    let settings = hook.settings();
    let mut exec = Exec::cmd(hook.path())
        .args(settings.args.clone())
        .stdin(Redirection::Pipe)
        .stdout(Redirection::Pipe)
        .stderr(Redirection::Pipe)
        .setpgid();
    if !settings.environment.inherited {
        exec = exec.env_clear();
    }
    exec.env_extend(hook.variables(input))
}

fn running(mut program: Started) -> Result<Running, HookError> {
    let lost = || HookError::Unavailable("its pipes could not be made".to_owned());
    let unusable = |error: std::io::Error| HookError::Unavailable(error.to_string());
    let job = program.job.as_mut().ok_or_else(lost)?;
    let (stdin, stdout, stderr) = (job.stdin.take(), job.stdout.take(), job.stderr.take());
    let receiver = |file: Option<File>| {
        let file = file.ok_or_else(lost)?;
        pipe::Receiver::from_owned_fd(OwnedFd::from(file)).map_err(unusable)
    };
    let input = pipe::Sender::from_owned_fd(OwnedFd::from(stdin.ok_or_else(lost)?)).map_err(unusable)?;
    let (output, errors) = (receiver(stdout)?, receiver(stderr)?);
    let kept = Arc::default();
    let errors_end = tokio::spawn(keep(errors, Arc::clone(&kept)));
    Ok(Running {
        program,
        has_decided: false,
        input: Some(input),
        output: BufReader::new(output),
        errors: kept,
        errors_end,
    })
}

/// Reads to the end of the stream, and discards what is too much, so that the program never waits.
async fn keep(mut stream: pipe::Receiver, kept: Arc<Mutex<Vec<u8>>>) {
    let mut portion = vec![0; 4096];
    while let Ok(count) = stream.read(&mut portion).await
        && count > 0
    {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_STDERR.saturating_sub(kept.len());
        kept.extend(portion.iter().take(count.min(room)));
    }
}

#[async_trait]
impl Hook<KeyboardInteractive> for ProgramHook {
    fn name(&self) -> &str {
        Hook::<tidegate_core::hook::external_auth::ExternalAuth>::name(self)
    }

    fn adapter(&self) -> &'static str {
        "program"
    }

    fn description(&self) -> HookDescription {
        self.describe()
    }

    /// A user that does not exist is asked the same questions, and no answer is accepted (A12-08).
    async fn call(&self, call: &Call, event: &KeyboardInteractive) -> Result<KeyboardInteractiveVerdict, HookError> {
        let input = ProgramInput::default()
            .with("SFTPGO_AUTHD_USERNAME", &event.attempt.username)
            .with_secret("SFTPGO_AUTHD_PASSWORD", stored_hash(event.account.as_deref()))
            .with("SFTPGO_AUTHD_IP", event.attempt.connection.remote.ip().to_string());
        let input = checked(input)?;
        call.sent(shown(&input));
        let (exec, place) = (start(self, &input), call.take_place());
        // If the caller leaves meanwhile, what has begun is killed all the same.
        let begun = move || {
            let job = exec.start()?;
            open_files::give_to(job.pid());
            Ok::<_, std::io::Error>(Started { job: Some(job), place })
        };
        let begun = tokio::task::spawn_blocking(begun).await.map_err(|error| HookError::Failed(error.to_string()))?;
        let explained = |error: std::io::Error| HookError::Unavailable(interpreter::explain(self.path(), &error));
        let mut running = running(begun.map_err(explained)?)?;
        let deadline = self.settings().deadline;
        let outcome = in_time(event, deadline, converse(&mut running, call, event)).await;
        let errors = running.end(deadline).await;
        stderr_log::log(HookKind::KeyboardInteractive, &self.path().display().to_string(), &errors);
        call.standard_error(String::from_utf8_lossy(&errors));
        outcome
    }
}

/// Bounds both the whole conversation and the program's own time in it (A12-06).
async fn in_time(
    event: &KeyboardInteractive,
    own: Duration,
    conversation: impl Future<Output = Result<KeyboardInteractiveVerdict, HookError>>,
) -> Result<KeyboardInteractiveVerdict, HookError> {
    let whole = own.max(LONGEST_CONVERSATION);
    match timeout(whole, in_time_of(event, own, conversation)).await {
        Ok(outcome) => outcome.unwrap_or(Err(HookError::Timeout(own))),
        Err(_) => {
            let reason = format!("the conversation took longer than {whole:?}");
            Ok(KeyboardInteractiveVerdict::Reject(Denial::new(reason)))
        }
    }
}

async fn converse(
    running: &mut Running,
    call: &Call,
    event: &KeyboardInteractive,
) -> Result<KeyboardInteractiveVerdict, HookError> {
    loop {
        let Some(line) = running.line().await? else {
            return Err(HookError::BadOutput("it ended without an \"auth_result\"".to_owned()));
        };
        if line.trim().is_empty() {
            continue;
        }
        call.received(&line);
        match carry_out(message(&line)?, &*event.conversation).await? {
            Next::Verdict(verdict) => {
                running.has_decided = true;
                return Ok(verdict);
            }
            Next::Answers(answers) => running.answer(&answers).await?,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Instant;

    use tidegate_core::connection::{Connection, ConnectionId, Credential};
    use tidegate_core::hook::keyboard_interactive::{Conversation, ConversationError, Prompt, Round};
    use tidegate_core::hook::{Comparisons, HookEvent as _, LoginAttempt, OwnTime};

    use super::*;
    use crate::flavour::Flavour;
    use crate::program::{Environment, ProgramSettings};

    /// A user who takes that long to answer.
    struct Slow(OwnTime, Duration);

    #[async_trait]
    impl Conversation for Slow {
        async fn ask(&self, round: Round) -> Result<Vec<Secret>, ConversationError> {
            self.0.paused(tokio::time::sleep(self.1)).await;
            Ok(round.prompts.iter().map(|_| Secret::new("x")).collect())
        }
        async fn verify_password(&self, _: &Secret) -> bool {
            false
        }
        async fn verify_one_time_code(&self, _: &Secret) -> bool {
            false
        }
        fn own_time(&self) -> Option<&OwnTime> {
            Some(&self.0)
        }
    }

    pub fn event(thinks: u64) -> KeyboardInteractive {
        let address = "192.0.2.1:5".parse().unwrap();
        let id = ConnectionId::new("c");
        let connection =
            Connection { id, remote: address, local: address, client: Default::default(), opened_at: 0, web: None };
        let attempt = LoginAttempt {
            connection: Arc::new(connection),
            username: "bob".to_owned(),
            credential: Credential::KeyboardInteractive,
            completed_methods: Vec::new(),
            stored: None,
            read_at: Instant::now(),
            number: 1,
            comparisons: Comparisons::default(),
            decision: Default::default(),
        };
        let conversation = Arc::new(Slow(OwnTime::default(), Duration::from_secs(thinks)));
        KeyboardInteractive { attempt: Arc::new(attempt), account: None, conversation }
    }

    /// A program that works and asks by turns, with this timeout. All times are in seconds.
    async fn check(timeout: u64, works: u64, thinks: u64, turns: usize, expected: &str) {
        let event = event(thinks);
        let conversation = async {
            for _ in 0..turns {
                tokio::time::sleep(Duration::from_secs(works)).await;
                let prompts = vec![Prompt { text: "?".to_owned(), echo: true }];
                let answers = event.conversation.ask(Round { instruction: String::new(), prompts }).await;
                answers.map_err(|error| HookError::Failed(error.to_string()))?;
            }
            Ok(KeyboardInteractiveVerdict::Accept(None))
        };
        let outcome = match in_time(&event, Duration::from_secs(timeout), conversation).await {
            Ok(verdict) => KeyboardInteractive::label(&verdict).0,
            Err(error) => error.kind(),
        };
        assert_eq!(outcome, expected, "timeout {timeout}, {turns} times {works} and {thinks}");
    }

    #[tokio::test]
    async fn a_program_is_done_when_it_exits() {
        // A12-05
        // Processes that it started live on, whether or not they hold the pipes.
        let directory = tempfile::tempdir().unwrap();
        let (script, child) = (directory.path().join("hook.sh"), directory.path().join("child"));
        let settings = ProgramSettings {
            args: Vec::new(),
            environment: Environment { inherited: true, variables: Vec::new() },
            deadline: Duration::from_secs(300),
            flavour: Flavour::default(),
        };
        let endings = ["", "cat > /dev/null", "kill -9 $$"];
        for (job, rest) in
            ["sleep 300 &", "sleep 300 >&- 2>&- &"].into_iter().flat_map(|job| endings.map(|rest| (job, rest)))
        {
            let text = format!(
                "#!/bin/sh\necho oops >&2\n{job}\necho $! > {}\necho '{{\"auth_result\":1}}'\n{rest}\n",
                child.display()
            );
            std::fs::write(&script, text).unwrap();
            std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
            let hook = ProgramHook::new(script.to_str().unwrap(), settings.clone()).unwrap();
            let (call, event) = (Call::default(), event(0));
            let answer = Hook::<KeyboardInteractive>::call(&hook, &call, &event);
            let verdict = timeout(Duration::from_secs(60), answer).await.unwrap().unwrap();
            assert!(matches!(verdict, KeyboardInteractiveVerdict::Accept(_)), "{job} {rest}");
            let pid = std::fs::read_to_string(&child).unwrap().trim().parse().unwrap();
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            assert!(rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok(), "{job} {rest}");
        }
    }

    #[tokio::test]
    async fn a_program_decides_with_a_line_that_can_be_read() {
        // A12-05
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("hook.sh");
        let settings = ProgramSettings {
            args: Vec::new(),
            environment: Environment { inherited: true, variables: Vec::new() },
            deadline: Duration::from_secs(60),
            flavour: Flavour::default(),
        };
        // With its end, the line has so many bytes.
        let line = |length: usize| {
            let (begin, end) = ("{\"auth_result\":1", "}");
            format!("echo '{begin}{}{end}'", " ".repeat(length - begin.len() - end.len() - 1))
        };
        let accept = "echo '{\"auth_result\":1}'";
        for (text, expected) in [
            (accept.to_owned(), "accept"),
            (format!("{accept}\nexit 7"), "accept"),
            (format!("echo\necho ' '\n{accept}"), "accept"),
            ("exit 0".to_owned(), "bad-output"),
            ("exit 7".to_owned(), "bad-output"),
            (format!("echo nonsense\n{accept}"), "bad-output"),
            (format!("echo '{{\"questions\":[\"a\"],\"echos\":[]}}'\n{accept}"), "bad-output"),
            ("echo '{\"questions\":[\"a\"],\"echos\":[true]}'\nread one".to_owned(), "bad-output"),
            (line(65_536), "accept"),
            (line(65_537), "limit"),
        ] {
            std::fs::write(&script, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
            let hook = ProgramHook::new(script.to_str().unwrap(), settings.clone()).unwrap();
            let found = match Hook::<KeyboardInteractive>::call(&hook, &Call::default(), &event(0)).await {
                Ok(verdict) => KeyboardInteractive::label(&verdict).0,
                Err(error) => error.kind(),
            };
            assert_eq!(found, expected, "{text:.80}");
        }
    }

    #[tokio::test]
    async fn rounds_go_on_until_there_is_a_result() {
        // A12-03, A12-04
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("hook.sh");
        let text = "#!/bin/sh\nleft=20\nwhile [ $left -gt 0 ]; do\nleft=$((left - 1))\n\
            echo '{\"questions\":[\"a\",\"b\"],\"echos\":[true,false],\"auth_result\":0}'\n\
            read one && read two && [ \"$one$two\" = xx ] || exit 1\ndone\n\
            echo '{\"auth_result\":RESULT}'\necho nonsense\necho '{\"auth_result\":OTHER}'\n";
        for (result, other, expected) in [("1", "-1", "accept"), ("-1", "1", "reject"), ("2", "1", "reject")] {
            std::fs::write(&script, text.replace("RESULT", result).replace("OTHER", other)).unwrap();
            std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
            let settings = ProgramSettings {
                args: Vec::new(),
                environment: Environment { inherited: true, variables: Vec::new() },
                deadline: Duration::from_secs(300),
                flavour: Flavour::default(),
            };
            let hook = ProgramHook::new(script.to_str().unwrap(), settings).unwrap();
            let verdict = Hook::<KeyboardInteractive>::call(&hook, &Call::default(), &event(0)).await.unwrap();
            assert_eq!(KeyboardInteractive::label(&verdict).0, expected, "{result}");
        }
    }

    #[tokio::test]
    async fn a_program_has_the_environment_that_it_is_to_have() {
        // B0-02
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("hook.sh");
        // A variable of this process, which was started by cargo.
        let text = "#!/bin/sh\n[ \"$CARGO_MANIFEST_DIR\" ] && found=1 || found=-1\necho '{\"auth_result\":'$found'}'\n";
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        for (inherited, expected) in [(true, "accept"), (false, "reject")] {
            let settings = ProgramSettings {
                args: Vec::new(),
                environment: Environment { inherited, variables: Vec::new() },
                deadline: Duration::from_secs(60),
                flavour: Flavour::default(),
            };
            let hook = ProgramHook::new(script.to_str().unwrap(), settings).unwrap();
            let verdict = Hook::<KeyboardInteractive>::call(&hook, &Call::default(), &event(0)).await.unwrap();
            assert_eq!(KeyboardInteractive::label(&verdict).0, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_bounds_the_programs_own_time() {
        // C6-08, A12-06
        check(60, 1, 1, 2, "accept").await;
        check(3, 2, 20, 1, "accept").await;
        check(3, 2, 20, 2, "timeout").await;
        check(3, 4, 0, 1, "timeout").await;
        check(3, 0, 59, 1, "accept").await;
        // The whole conversation takes a minute at most.
        check(3, 0, 61, 1, "reject").await;
        check(60, 1, 20, 3, "reject").await;
        // A larger timeout extends both times.
        check(100, 1, 20, 4, "accept").await;
        check(100, 0, 99, 1, "accept").await;
        check(100, 0, 101, 1, "reject").await;
        check(100, 99, 0, 1, "accept").await;
        check(100, 101, 0, 1, "timeout").await;
    }
}
