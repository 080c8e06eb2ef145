//! What events of hooks are about, as plain data: nothing here can change a file.

mod file_action;

pub use file_action::{
    ActionKind, ActionStatus, FileAction, FileContents, FoundFile, Overwritten, Protocol, Unreadable,
};
