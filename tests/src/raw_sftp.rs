//! SFTP byte by byte, through OpenSSH's `ssh -s`: for packets that no client sends.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::clients::{Proof, openssh};
use crate::server::Server;
use crate::sftp_numbers::{VERSION, fxp};

pub struct RawSftp {
    child: Child,
    pub input: ChildStdin,
    output: ChildStdout,
    next_id: u32,
}

/// A reply: its type and what follows the request id.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    pub kind: u8,
    pub id: u32,
    pub body: Vec<u8>,
}

impl Reply {
    /// The code of a STATUS.
    pub fn status(&self) -> u32 {
        assert_eq!(self.kind, fxp::STATUS, "not a status: {self:?}");
        u32::from_be_bytes(self.body[..4].try_into().unwrap())
    }

    /// The message of a STATUS.
    pub fn message(&self) -> String {
        assert_eq!(self.kind, fxp::STATUS, "not a status: {self:?}");
        let length = u32::from_be_bytes(self.body[4..8].try_into().unwrap()) as usize;
        String::from_utf8_lossy(&self.body[8..8 + length]).into_owned()
    }

    /// The handle of a HANDLE.
    pub fn handle(&self) -> Vec<u8> {
        assert_eq!(self.kind, fxp::HANDLE, "not a handle: {self:?}");
        self.body[4..].to_vec()
    }

    /// The data of a DATA, or the string of any reply that begins with one.
    pub fn string(&self) -> &[u8] {
        let length = u32::from_be_bytes(self.body[..4].try_into().unwrap()) as usize;
        &self.body[4..4 + length]
    }
}

pub fn string(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let mut field = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    field.extend_from_slice(bytes);
    field
}

pub fn fields(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// INIT for the version that the server speaks.
pub fn init() -> Vec<u8> {
    fields(&[&[fxp::INIT], &VERSION.to_be_bytes()])
}

/// A request as it is sent, without the length before it.
pub fn request(kind: u8, id: u32, body: &[u8]) -> Vec<u8> {
    fields(&[&[kind], &id.to_be_bytes(), body])
}

impl RawSftp {
    pub fn open(server: &Server, user: &str, password: &str) -> Self {
        Self::spawn(openssh("ssh", server, Proof::Password(password)), user)
    }

    /// After INIT and VERSION.
    pub fn connect(server: &Server, user: &str, password: &str) -> Self {
        Self::open(server, user, password).initialised()
    }

    /// As [`connect`](Self::connect); all that name the same socket share a connection, which is
    /// the first one's.
    pub fn multiplexed(server: &Server, user: &str, password: &str, control: &std::path::Path) -> Self {
        let mut ssh = openssh("ssh", server, Proof::Password(password));
        ssh.arg("-oControlMaster=auto").arg(format!("-oControlPath={}", control.display()));
        Self::spawn(ssh, user).initialised()
    }

    fn spawn(mut ssh: Command, user: &str) -> Self {
        ssh.arg("-s").arg(format!("{user}@127.0.0.1")).arg("sftp");
        let mut child = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output, next_id: 0 }
    }

    fn initialised(mut self) -> Self {
        let raw = &mut self;
        raw.send(&init());
        let version = raw.receive().expect("no VERSION");
        assert_eq!(version[0], fxp::VERSION);
        self
    }

    /// For another thread to write to.
    pub fn second_input(&self) -> std::fs::File {
        std::fs::File::from(std::os::fd::AsFd::as_fd(&self.input).try_clone_to_owned().unwrap())
    }

    /// Nothing more will be sent.
    pub fn end_input(&mut self) {
        self.input = std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap()).into();
    }

    /// A packet with its length before it.
    pub fn send(&mut self, packet: &[u8]) {
        self.input.write_all(&string(packet)).unwrap();
        self.input.flush().unwrap();
    }

    /// A packet; none when the channel was closed.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.output.read_exact(&mut length).ok()?;
        let mut packet = vec![0; u32::from_be_bytes(length) as usize];
        self.output.read_exact(&mut packet).ok()?;
        Some(packet)
    }

    pub fn send_request(&mut self, kind: u8, body: &[u8]) -> u32 {
        self.next_id += 1;
        let id = self.next_id;
        self.send(&request(kind, id, body));
        id
    }

    pub fn receive_reply(&mut self) -> Reply {
        let packet = self.receive().expect("the channel was closed");
        Reply { kind: packet[0], id: u32::from_be_bytes(packet[1..5].try_into().unwrap()), body: packet[5..].to_vec() }
    }

    pub fn request(&mut self, kind: u8, body: &[u8]) -> Reply {
        let id = self.send_request(kind, body);
        let reply = self.receive_reply();
        assert_eq!(reply.id, id);
        reply
    }

    /// OPEN with flags; no attributes.
    pub fn open_file(&mut self, path: impl AsRef<[u8]>, flags: u32) -> Reply {
        self.request(fxp::OPEN, &fields(&[&string(path), &flags.to_be_bytes(), &0_u32.to_be_bytes()]))
    }
}

impl Drop for RawSftp {
    fn drop(&mut self) {
        // The client may have gone with the connection.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
