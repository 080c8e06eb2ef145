//! Where hooks may place homes, as configured.

use std::path::{Path, PathBuf};

use tidegate_core::account::HomeRule;

use super::Config;
use super::validate::Check;

/// The rule for homes; the directory of the log is added later.
pub fn rule(config: &Config, directory: &Path, check: &mut Check<'_>) -> HomeRule {
    let provider = &config.data_provider;
    let mut roots: Vec<String> = provider.homes.iter().filter_map(|root| root_of(root, check)).collect();
    if provider.homes.is_empty() && !provider.users_base_dir.is_empty() {
        roots.push(provider.users_base_dir.clone());
    }
    let mut own = vec![directory.to_owned(), directory.join(&config.plugins.directory)];
    if ["sqlite", "bolt"].contains(&provider.driver.as_str()) {
        own.extend(directory.join(&provider.name).parent().map(Path::to_owned));
    }
    // Made absolute first, since a relative path such as "." is not the root of the file system.
    HomeRule { roots, own: texts(own.into_iter().filter_map(|path| std::path::absolute(path).ok())) }
}

fn root_of(root: &str, check: &mut Check<'_>) -> Option<String> {
    if !is_root(root) {
        let problem = format!("\"{root}\" must be an absolute path without \"..\", and not the whole file system");
        check.problem("data_provider.homes", problem);
        return None;
    }
    Some(root.trim_end_matches('/').to_owned())
}

/// Whether a path can have homes below it.
pub fn is_root(root: &str) -> bool {
    let climbs = root.contains('\0') || root.split('/').any(|component| component == "..");
    root.starts_with('/') && !climbs && !root.trim_matches('/').is_empty()
}

/// The paths that are UTF-8; others cannot be above a home, since homes are UTF-8.
pub fn texts(paths: impl IntoIterator<Item = PathBuf>) -> Vec<String> {
    paths.into_iter().filter_map(|path| path.into_os_string().into_string().ok()).collect()
}
