//! What the other server answers.

use bytes::Bytes;

use crate::errors::{Fault, fx};
use crate::packet::{Attributes, Fields, Malformed, fxp};

/// The longest handle that is taken, in bytes; the draft says 256.
const LONGEST_HANDLE: usize = 1024;

/// An answer.
#[derive(Debug)]
pub enum Reply {
    /// A status; that of an error is a [`Fault`].
    Done,
    /// The end of a file or of a directory.
    End,
    Handle(Vec<u8>),
    Data(Bytes),
    Names(Vec<Name>),
    Attributes(Attributes),
    Extended(Bytes),
}

/// A name in a directory, or what a path leads to.
#[derive(Debug)]
pub struct Name {
    pub name: Vec<u8>,
    /// The line of `ls -l`.
    pub line: Vec<u8>,
    pub attributes: Attributes,
}

/// The id of the request that a packet answers.
pub fn id_of(packet: &Bytes) -> Result<u32, Malformed> {
    let mut fields = Fields(packet);
    fields.u8()?;
    fields.u32()
}

/// Reads an answer. The outer error: it is malformed.
pub fn read(packet: &Bytes) -> Result<Result<Reply, Fault>, Malformed> {
    let mut fields = Fields(packet);
    let kind = fields.u8()?;
    fields.u32()?;
    Ok(Ok(match kind {
        fxp::STATUS => {
            let code = fields.u32()?;
            // Some servers leave out the text.
            let text = if fields.is_empty() { &[] } else { fields.text()? };
            match code {
                fx::OK => Reply::Done,
                fx::EOF => Reply::End,
                code => return Ok(Err(Fault::status(code, text))),
            }
        }
        fxp::HANDLE => {
            let handle = fields.text()?;
            if handle.len() > LONGEST_HANDLE {
                return Err(Malformed);
            }
            Reply::Handle(handle.to_vec())
        }
        fxp::DATA => Reply::Data(packet.slice_ref(fields.text()?)),
        fxp::NAME => {
            let count = fields.u32()?;
            let mut names = Vec::new();
            for _ in 0..count {
                let (name, line) = (fields.text()?.to_vec(), fields.text()?.to_vec());
                names.push(Name { name, line, attributes: fields.attributes()? });
            }
            Reply::Names(names)
        }
        fxp::ATTRS => Reply::Attributes(fields.attributes()?),
        fxp::EXTENDED_REPLY => Reply::Extended(packet.slice_ref(fields.0)),
        _ => return Err(Malformed),
    }))
}
