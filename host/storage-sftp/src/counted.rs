//! The kinds of requests in the metrics (A20-06).

use tidegate_core::metrics::SftpRequest;

use crate::errors::Fault;
use crate::packet::fxp;
use crate::reply::Reply;

/// What a packet of this type asks for.
pub fn kind_of(packet: u8) -> SftpRequest {
    match packet {
        fxp::OPEN => SftpRequest::Open,
        fxp::CLOSE => SftpRequest::Close,
        fxp::READ => SftpRequest::Read,
        fxp::WRITE => SftpRequest::Write,
        fxp::LSTAT | fxp::STAT | fxp::FSTAT | fxp::READLINK | fxp::REALPATH => SftpRequest::Stat,
        fxp::OPENDIR | fxp::READDIR => SftpRequest::List,
        fxp::SETSTAT | fxp::FSETSTAT | fxp::REMOVE | fxp::MKDIR | fxp::RMDIR | fxp::RENAME | fxp::SYMLINK => {
            SftpRequest::Change
        }
        _ => SftpRequest::Other,
    }
}

/// What an extension asks for.
pub fn kind_of_extension(name: &[u8]) -> SftpRequest {
    match name {
        b"posix-rename@openssh.com" | b"hardlink@openssh.com" | b"lsetstat@openssh.com" => SftpRequest::Change,
        _ => SftpRequest::Other,
    }
}

/// Whether the server refused. That there is no such file is an answer.
pub fn is_failure(answer: &Result<Reply, Fault>) -> bool {
    answer.as_ref().is_err_and(|fault| !fault.is_missing())
}
