//! The texts that `tidegate plugin new` puts into templates: names in each language's style, and
//! tests that still pass when the author changes what a hook answers.

use tidegate_core::hook::HookKind;

/// The texts for `{{…}}` in templates.
pub struct Words {
    name: String,
    hooks: Vec<HookKind>,
    replacements: Vec<(&'static str, String)>,
}

impl Words {
    pub fn new(name: &str, hooks: &[HookKind]) -> Self {
        let each = |word: &dyn Fn(&str) -> String, between: &str| {
            hooks.iter().map(|kind| word(kind.as_str())).collect::<Vec<_>>().join(between)
        };
        let snake = |kind: &str| kind.replace('-', "_");
        let replacements = vec![
            ("{{name}}", name.to_owned()),
            ("{{hooks}}", each(&str::to_owned, " ")),
            ("{{modules}}", each(&|kind| format!("mod {};", snake(kind)), "\n")),
            ("{{traits}}", each(&camel, ", ")),
            (
                "{{js-exports}}",
                each(&|kind| format!("export {{ {} }} from \"./hooks/{}.js\";", lower_camel(kind), snake(kind)), "\n"),
            ),
            ("{{c-includes}}", each(&|kind| format!("#include <hooks/{}.h>", snake(kind)), "\n")),
            ("{{c-tests}}", each(&|kind| c_test(kind).unwrap_or_default(), "\n")),
            ("{{py-imports}}", each(&|kind| format!("from {0} import {0}", snake(kind)), "\n")),
            ("{{py-names}}", each(&|kind| format!("\"{}\"", snake(kind)), ", ")),
        ];
        Self { name: name.to_owned(), hooks: hooks.to_vec(), replacements }
    }

    pub fn fill(&self, text: &str) -> String {
        self.replacements.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
    }

    /// A table for `tidegate hook test --file`. It names no verdict, so that it still passes after
    /// the first change of one; a hook that fails does not pass.
    pub fn events(&self) -> String {
        let mut text = format!(
            "# tidegate hook test --file events.toml\n# With expect = \"reject\" an event passes only with that \
             verdict; without, with any.\nlink = \"{}.wasm\"\n",
            self.name
        );
        for kind in &self.hooks {
            text.push_str(&format!(
                "\n[[event]]\nname = \"{kind} about a made-up user\"\nhook = \"{kind}\"\nuser = \"nobody\"\n\
                 password = \"guess\"\n"
            ));
            if *kind == HookKind::KeyboardInteractive {
                text.push_str("answers = [[\"guess\"], [\"Tidegate\"]]\n");
            }
        }
        text
    }

    /// The example of a hook in Rust, with a test that expects no particular verdict.
    pub fn rust_example(&self, kind: HookKind, text: &str) -> String {
        let (code, call) = (text.split("#[cfg(test)]").next().unwrap_or(text), rust_call(kind));
        let sdk = if call.contains("hook::") { "    use tidegate_hook as hook;\n\n" } else { "" };
        format!("{code}{}", RUST_TEST.replace("{{sdk}}", sdk).replace("{{call}}", call))
    }

    pub fn settings(&self) -> String {
        let mut text = format!(
            "# What the operator grants {0} and sets for it; goes beside {0}.wasm.\n\
             # grants = [\"credentials\"]\n# http = [\"https://example.com\"]\n",
            self.name
        );
        if self.hooks.contains(&HookKind::CheckPassword) {
            text = text.replace("# grants", "grants");
        }
        if self.hooks.contains(&HookKind::ExternalAuth) {
            text.push_str("# All guests share one home; without it, only the first one gets in.\naccounts = \"any\"\n");
        }
        text.push_str("\n[config]\n");
        if self.hooks.contains(&HookKind::ExternalAuth) {
            // The hash of "changeme".
            text.push_str(
                "password_hash = \"$2b$10$eZxP33.gmdECc0xP81o/YuFHHVIAu5HS0/3Y7Hsd9FEKXWtoLkM3u\"\n\
                 directory = \"/srv/guests\"\n",
            );
        }
        text
    }
}

const RUST_TEST: &str = "#[cfg(test)]
mod tests {
{{sdk}}    use super::*;

    /// Whatever it says about a made-up user, it must not fail. Say here what it is to answer.
    #[test]
    fn it_answers_about_a_made_up_user() {
        let answer = Plugin::{{call}};
        assert!(answer.is_ok());
    }
}
";

/// A call of the example with objects that the fake server can make.
fn c_test(kind: &str) -> Option<String> {
    let name = kind.replace('-', "_");
    let arguments = match kind {
        "external-auth" | "login-pre" => "fake_login_attempt(\"nobody\", \"guess\")",
        "pre-login" => "fake_login_attempt(\"nobody\", \"guess\"), (account_t) {0}",
        "connect" => "fake_connection(\"192.0.2.1\")",
        "startup" => "text(\"0.1.0\")",
        "one-click-login-post" => "text(\"token\"), text(\"nobody\"), text(\"elsewhere\")",
        "session-destroy" => "fake_session(\"nobody\"), text(\"logout\"), 1000",
        "disconnect" => "fake_connection(\"192.0.2.1\"), (session_t) {0}, 1000",
        _ => return None,
    };
    Some(format!("  {{\n    {name}_t result = on_{name}({arguments});\n    check(\"{kind}\", !result.is_err);\n  }}"))
}

/// A call of the example with objects that the SDK can make.
fn rust_call(kind: HookKind) -> &'static str {
    match kind {
        HookKind::Startup => "notify(\"0.1.0\".to_owned())",
        HookKind::Connect => "review(&hook::Connection::default())",
        HookKind::LoginPre => "review(&hook::LoginAttempt::with_password(\"nobody\", \"guess\"))",
        HookKind::ExternalAuth => "authenticate(&hook::LoginAttempt::with_password(\"nobody\", \"guess\"))",
        HookKind::PreLogin => "prepare(&hook::LoginAttempt::with_password(\"nobody\", \"guess\"), None)",
        HookKind::KeyboardInteractive => {
            "converse(\n            &hook::LoginAttempt::keyboard_interactive(\"nobody\"),\n            \
             &hook::Conversation::answering(&[&[\"guess\"], &[\"Tidegate\"]]).whose_password_is(\"guess\"),\n        )"
        }
        HookKind::CheckPassword => {
            "check(&hook::LoginAttempt::with_password(\"nobody\", \"guess\").with_credentials_granted())"
        }
        HookKind::SessionCreate => "review(&hook::Session::default())",
        HookKind::PostLogin => "notify(&hook::Connection::default(), None, Ok(&hook::Session::default()))",
        HookKind::PreAction => "review(&hook::FileAction::default())",
        HookKind::PostAction => "notify(&hook::FileAction::default())",
        HookKind::SessionDestroy => "notify(&hook::Session::default(), \"logout\".to_owned(), 1000)",
        HookKind::Disconnect => "notify(&hook::Connection::default(), None, 1000)",
        HookKind::ObjectChanges => "notify(&hook::ObjectChange::default())",
        HookKind::CredentialChanged => "notify(&hook::CredentialChange::default())",
        HookKind::PasswordResetPre => "review(&hook::WebRequest::default())",
        HookKind::AddressBanned => "notify(&hook::AddressBan::default())",
        HookKind::OneClickLoginPost => "notify(\"token\".to_owned(), \"nobody\".to_owned(), \"elsewhere\".to_owned())",
    }
}

/// `external-auth` becomes `ExternalAuth`.
fn camel(kind: &str) -> String {
    let capital = |part: &str| part.get(..1).unwrap_or_default().to_uppercase() + part.get(1..).unwrap_or_default();
    kind.split('-').map(capital).collect()
}

/// `external-auth` becomes `externalAuth`.
fn lower_camel(kind: &str) -> String {
    let name = camel(kind);
    name.get(..1).unwrap_or_default().to_lowercase() + name.get(1..).unwrap_or_default()
}
