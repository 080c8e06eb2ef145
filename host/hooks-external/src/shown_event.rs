//! What records tell of an event to hooks that have no text of it: what a web server would be sent, without secrets.

use tidegate_core::hook::HookEvent;
use tidegate_core::hook::rendering::MakesText;

use crate::event::LegacyEvent;
use crate::flavour::{Compat, Dialect, Flavour};

/// Of the newest era, which tells most.
const FLAVOUR: Flavour =
    Flavour { compat: Compat::Current, dialect: Dialect::Sftpgo, get: false, second_factors: false };

/// An event that can be shown in records.
pub trait ShownEvent: HookEvent {
    /// What makes the text, some time after the call.
    fn shown_later(&self) -> MakesText;
}

impl<E: LegacyEvent> ShownEvent for E {
    fn shown_later(&self) -> MakesText {
        let event = self.for_records();
        Box::new(move || event.request(FLAVOUR).in_words())
    }
}
