//! What a channel is for (RFC 4254 §6.5): the `sftp` subsystem, or a command. A key whose line has
//! `command=` decides that itself, whatever the client asks for (sshd(8)).

use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

use futures_util::FutureExt as _;
use russh::ChannelId;
use russh::server::Session;
use tidegate_core::files::FileService;
use tidegate_sftp::Engine;

use super::{ChannelState, SshHandler};
use crate::channel::SftpChannel;
use crate::stream::{ChannelInput, ChannelOutput};
use crate::window::Window;

/// What the client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted<'a> {
    Sftp,
    Command(&'a [u8]),
    /// A shell, or a subsystem that the server does not have.
    Nothing,
}

impl<'a> Wanted<'a> {
    pub fn subsystem(name: &str) -> Self {
        if name == "sftp" { Self::Sftp } else { Self::Nothing }
    }

    /// What the `command=` of a key stands for: the names of OpenSSH's SFTP servers mean the subsystem. Their
    /// options that restrict the session are not implemented, so a command with one of these is refused.
    fn forced(command: &'a str) -> Self {
        let mut words = command.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        if name != "internal-sftp" && name.rsplit('/').next() != Some("sftp-server") {
            return Self::Command(command.as_bytes());
        }
        loop {
            match words.next() {
                None => return Self::Sftp,
                Some("-e") => {}
                // Where and how much that server logs.
                Some("-l" | "-f") if words.next().is_some() => {}
                Some(_) => return Self::Nothing,
            }
        }
    }
}

impl SshHandler {
    pub(super) async fn begin(
        &mut self,
        channel: ChannelId,
        asked: Wanted<'_>,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let forced = self.login.forced_command().map(str::to_owned);
        match forced.as_deref().map_or(asked, Wanted::forced) {
            Wanted::Sftp => self.begin_sftp(channel, session).await,
            Wanted::Command(line) => self.begin_command(channel, line, session).await,
            Wanted::Nothing => {
                if let Some(command) = &forced {
                    self.log_refused_command(command.as_bytes());
                }
                session.channel_failure(channel)
            }
        }
    }

    async fn begin_sftp(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        if self.idle(channel).is_none() {
            return session.channel_failure(channel);
        }
        let Some(files) = self.open_files("SFTP", "").await else {
            return session.channel_failure(channel);
        };
        self.ending.protocol = "SFTP";
        files.prepare_start_directory().await;
        let sftp = SftpChannel::new(Engine::new(files), self.gate.clone());
        self.channels.insert(channel, ChannelState::Sftp(Box::new(sftp)));
        session.channel_success(channel)
    }

    async fn begin_command(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let command = self.server.settings().commands.parse(line);
        let Some((command, sender)) = command.zip(self.idle(channel)) else {
            self.log_refused_command(line);
            return session.channel_failure(channel);
        };
        let Some(files) = self.open_files(command.protocol(), &String::from_utf8_lossy(line)).await else {
            return session.channel_failure(channel);
        };
        session.channel_success(channel)?;
        self.ending.protocol = command.protocol();
        files.prepare_start_directory().await;
        let input = ChannelInput::new(self.gate.clone());
        let output = ChannelOutput::new(session.handle(), channel, Window::OfSender(sender), input.clone());
        let launcher = self.server.settings().launcher.clone();
        let (files, wanted) = (Arc::new(files), input.until_dropped());
        let running = tidegate_ssh_commands::run(command, launcher, files, input.clone(), Arc::new(output));
        // Not an `async` block, which would keep room for the future twice.
        let task = AbortOnDropHandle::new(tokio::spawn(running.map(move |()| drop(wanted))));
        self.channels.insert(channel, ChannelState::Running(input, task));
        Ok(())
    }

    fn log_refused_command(&self, line: &[u8]) {
        let connection_id = self.login.connection().id.as_str();
        let message = format!("the command \"{}\" was refused", String::from_utf8_lossy(line).escape_debug());
        tracing::info!(sender = "ssh_command", message, connection_id);
    }

    async fn open_files(&mut self, protocol: &'static str, command: &str) -> Option<FileService> {
        self.opened_channels += 1;
        match self.account.as_ref()?.open_files(self.opened_channels).await {
            Ok(files) => {
                files.session().live.channel_opened(protocol, command);
                Some(files)
            }
            Err(error) => {
                let connection_id = self.login.connection().id.as_str();
                let message = format!("the files could not be opened: {error}");
                tracing::error!(sender = "sftpd", message, connection_id);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_subsystem() {
        // A4-04
        for (name, expected) in [
            ("sftp", Wanted::Sftp),
            ("SFTP", Wanted::Nothing),
            ("sftp2", Wanted::Nothing),
            ("netconf", Wanted::Nothing),
            ("", Wanted::Nothing),
        ] {
            assert_eq!(Wanted::subsystem(name), expected, "{name}");
        }
    }

    #[test]
    fn a_forced_command_takes_the_place_of_the_clients() {
        // A8-14
        let check = |command: &str, expected: Wanted<'_>| assert_eq!(Wanted::forced(command), expected, "{command}");
        check("internal-sftp", Wanted::Sftp);
        check("internal-sftp -l INFO -f AUTH", Wanted::Sftp);
        check("/usr/lib/openssh/sftp-server -e", Wanted::Sftp);
        check("sftp-server", Wanted::Sftp);
        check("internal-sftp -R", Wanted::Nothing);
        check("internal-sftp -d /in", Wanted::Nothing);
        check("internal-sftp -l", Wanted::Nothing);
        check("rsync --server . .", Wanted::Command(b"rsync --server . ."));
        check("", Wanted::Command(b""));
    }
}
