//! Positions among changes: one of the server's own stores, and when the accounts were last said to have changed.

use std::time::Duration;

use tidegate_core::ports::ChangeToken;

/// A position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The position in the server's own stores.
    pub own: ChangeToken,
    /// The time of the last look at the accounts, since the stores were opened.
    pub looked: Duration,
}

impl Position {
    /// The token for callers.
    pub fn token(&self) -> ChangeToken {
        ChangeToken(format!("{}|{}", self.looked.as_millis(), self.own.0))
    }

    /// The position that a token means; none: these stores did not make it.
    pub fn of(token: &ChangeToken) -> Option<Self> {
        let (looked, own) = token.0.split_once('|')?;
        Some(Self { own: ChangeToken(own.to_owned()), looked: Duration::from_millis(looked.parse().ok()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_back() {
        for own in ["", "7", "5/10:20:|"] {
            let position = Position { own: ChangeToken(own.to_owned()), looked: Duration::from_millis(1_500) };
            assert_eq!(Position::of(&position.token()), Some(position));
        }
        for wrong in ["", "7", "x|7", "-1|7"] {
            assert_eq!(Position::of(&ChangeToken(wrong.to_owned())), None, "{wrong}");
        }
    }
}
