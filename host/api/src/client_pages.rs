//! Where the pages of users are, for texts by which people come to them.

/// The pages of users, where a binding has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientPages {
    /// What the addresses of the server begin with for its users, such as `https://files.example.com`; None: it is not
    /// known.
    pub origin: Option<String>,
}

/// The page at which a code is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodePage {
    /// Its address below that of the server.
    pub path: String,
    /// Its whole address, where that is known.
    pub url: Option<String>,
}

impl ClientPages {
    /// The page at which a login link with this code is used.
    pub fn login_link(&self, code: &str) -> CodePage {
        let path = format!("/web/client/login-link?code={code}");
        let url = self.origin.as_ref().map(|origin| format!("{origin}{path}"));
        CodePage { path, url }
    }
}
