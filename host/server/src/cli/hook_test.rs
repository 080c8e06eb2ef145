//! `tidegate hook test`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};

use super::Place;
use crate::config::Loaded;
use crate::hook_test::{Bench, Case, Report, cases_of, print};

#[derive(Debug, clap::Args)]
pub struct TestArguments {
    #[command(flatten)]
    place: Place,
    /// The hook point, such as external-auth; or use --file
    #[arg(required_unless_present = "file")]
    hook: Option<String>,
    /// A table of events with the verdicts that are expected, in TOML
    #[arg(long, conflicts_with = "hook")]
    file: Option<PathBuf>,
    /// One hook instead of the configured ones: a program, a URL, plugin:NAME, or a component's file
    #[arg(long)]
    link: Option<String>,
    /// One of the configured hooks instead of all of them, by its name in `tidegate hook list`
    #[arg(long, conflicts_with = "link")]
    only: Option<String>,
    /// The user name, as a client would send it
    #[arg(long, visible_alias = "username", default_value = "test_user")]
    user: String,
    /// The password that the client sends
    #[arg(long)]
    password: Option<String>,
    /// The public key that the client offers: a line, or a file
    #[arg(long)]
    public_key: Option<String>,
    /// The answers to one round of questions, separated by commas; again for the next round
    #[arg(long)]
    answers: Vec<String>,
    /// The client's address
    #[arg(long, default_value = "127.0.0.1")]
    ip: IpAddr,
    /// The account as it would be stored: JSON, or a file
    #[arg(long)]
    account: Option<String>,
    /// For hooks about files: upload, download, rename, ...
    #[arg(long, default_value = "upload")]
    action: String,
    /// The file, as the client sees it
    #[arg(long, default_value = "/file")]
    path: String,
    /// The second path of a rename or a copy
    #[arg(long, default_value = "")]
    target: String,
    /// The file's size
    #[arg(long)]
    size: Option<u64>,
    /// The verdict that makes the test pass; without it, any that is no error
    #[arg(long)]
    expect: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl TestArguments {
    fn cases(&self) -> anyhow::Result<Vec<Case>> {
        if let Some(file) = &self.file {
            let mut cases = cases_of(file)?;
            if let Some(link) = &self.link {
                cases.iter_mut().for_each(|case| case.link.clone_from(link));
            }
            if let Some(only) = &self.only {
                cases.iter_mut().for_each(|case| case.only.clone_from(only));
            }
            return Ok(cases);
        }
        let public_key = self.public_key.as_ref().map(|key| text_or_file(key)).transpose()?;
        let account = self.account.as_ref().map(|account| text_or_file(account)).transpose()?;
        let account =
            account.map(|text| serde_json::from_str(&text).context("--account is not a JSON object")).transpose()?;
        let rounds = self.answers.iter().map(|round| round.split(',').map(str::to_owned).collect());
        Ok(vec![Case {
            name: String::new(),
            hook: self.hook.clone().unwrap_or_default(),
            link: self.link.clone().unwrap_or_default(),
            only: self.only.clone().unwrap_or_default(),
            user: self.user.clone(),
            password: self.password.clone(),
            public_key,
            answers: rounds.collect(),
            ip: self.ip,
            account,
            action: self.action.clone(),
            path: self.path.clone(),
            target: self.target.clone(),
            size: self.size,
            expect: self.expect.clone(),
            ..Case::default()
        }])
    }
}

/// An argument that looks like neither JSON nor a key is the name of a file.
fn text_or_file(argument: &str) -> anyhow::Result<String> {
    if argument.trim_start().starts_with('{') || argument.contains(' ') {
        return Ok(argument.to_owned());
    }
    std::fs::read_to_string(argument).with_context(|| format!("the file {argument} cannot be read"))
}

pub async fn test(arguments: TestArguments) -> anyhow::Result<()> {
    let cases = arguments.cases()?;
    let configured = cases.iter().filter(|case| case.link.is_empty());
    let users: BTreeSet<String> = configured.map(|case| case.user.clone()).collect();
    // Hooks are started once, whatever the number of events is.
    let mut benches: BTreeMap<(String, String), Bench> = BTreeMap::new();
    let mut reports: Vec<Report> = Vec::with_capacity(cases.len());
    for case in cases {
        let kind = case.kind()?;
        // A component is compiled once, whichever of its hooks are asked.
        let hook = if case.link.is_empty() || case.link.ends_with(".wasm") { "" } else { &case.hook };
        let key = (hook.to_owned(), case.link.clone());
        if !benches.contains_key(&key) {
            let bench = if case.link.is_empty() {
                let (directory, settings) = arguments.place.settings_to_look_at()?;
                Bench::configured(settings, &directory, &users).await?
            } else {
                let (directory, loaded) = arguments.loaded()?;
                Bench::alone(kind, &case.link, loaded, &directory).await?
            };
            benches.insert(key.clone(), bench);
        }
        let bench = benches.get(&key).context("the hooks are not there")?;
        let title = case.title();
        reports.push(bench.run(case).await.with_context(|| format!("\"{title}\" could not be tested"))?);
    }
    print(&reports, arguments.json)?;
    let failed = reports.iter().filter(|report| !report.problems.is_empty()).count();
    if failed > 0 {
        bail!("{failed} of {} tests failed", reports.len());
    }
    Ok(())
}

impl TestArguments {
    /// A single hook needs no state: only what the configuration says of HTTP, programs and
    /// plugins, if there is a configuration.
    fn loaded(&self) -> anyhow::Result<(PathBuf, Loaded)> {
        let directory = self.place.directory();
        let loaded = self.place.load(&directory)?;
        Ok((directory, loaded))
    }
}
