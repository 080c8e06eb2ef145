//! The password for an account or an administrator: from standard input, or typed at a terminal.

use std::io::IsTerminal as _;

use anyhow::{Context as _, bail};
use tidegate_api_types::ClearPassword;

use super::read_source;

/// Reads standard input to its end, without the line end. At a terminal it asks twice, and what is typed is not shown.
pub fn read() -> anyhow::Result<ClearPassword> {
    if !std::io::stdin().is_terminal() {
        let text = read_source("-")?;
        return Ok(ClearPassword(text.trim_end_matches(['\r', '\n']).to_owned()));
    }
    let ask = |prompt| rpassword::prompt_password(prompt).context("the terminal could not be read");
    let typed = ask("Password: ")?;
    if ask("The same again: ")? != typed {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok(ClearPassword(typed))
}
