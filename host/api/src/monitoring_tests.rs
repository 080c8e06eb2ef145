//! The dashboard and the alert rules of `examples/monitoring`, against the text of `/metrics`.

use std::collections::BTreeSet;

use serde_json::Value;

/// Held by a test of the snapshot.
const METRICS: &str = include_str!("testdata/metrics.txt");
const DASHBOARD: &str = include_str!("../../../examples/monitoring/grafana-dashboard.json");
const RULES: &str = include_str!("../../../examples/monitoring/alerts.yml");
const CONFIGURATION: &str = include_str!("../../../examples/monitoring/prometheus.yml");

/// The names of all metrics and, as `name label`, of their labels.
fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for line in METRICS.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
        known.insert(name.to_owned());
        let labels = rest.split(['{', ',']).filter_map(|part| part.split_once("=\""));
        known.extend(labels.map(|(label, _)| format!("{name} {label}")));
    }
    known
}

/// What the expression names that could be metrics of the server.
fn names(expression: &str) -> Vec<&str> {
    let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| ["sftpgo_", "tidegate_", "process_"].iter().any(|ours| word.starts_with(ours))).collect()
}

/// The labels by which the expression groups, without that which Prometheus adds.
fn labels(expression: &str) -> Vec<&str> {
    let lists = expression.split("by (").skip(1).filter_map(|rest| rest.split_once(')'));
    lists.flat_map(|(list, _)| list.split(", ")).filter(|label| *label != "instance").collect()
}

fn check(what: &str, expression: &str) {
    let (known, named) = (known(), names(expression));
    assert!(!named.is_empty() || expression.starts_with("up{"), "{what} names no metric: {expression}");
    for name in named {
        assert!(known.contains(name), "{what}: /metrics has no {name}");
        for label in labels(expression) {
            assert!(known.contains(&format!("{name} {label}")), "{what}: {name} has no label {label}");
        }
    }
}

#[test]
fn the_dashboard_shows_what_there_is() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    let panels = dashboard["panels"].as_array().unwrap();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64()), "two panels have the id of {title}");
        let place = &panel["gridPos"];
        assert!(places.insert((place["x"].as_u64(), place["y"].as_u64())), "another panel is in the place of {title}");
        let targets = panel["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(!targets.is_empty() || panel["type"] == "row", "{title} shows nothing");
        targets.iter().for_each(|target| check(title, target["expr"].as_str().unwrap()));
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let instances = variables.iter().find(|variable| variable["name"] == "instance").unwrap();
    check("the variable instance", instances["query"]["query"].as_str().unwrap());
}

#[test]
fn alerts_are_about_what_there_is() {
    let rules: Value = serde_saphyr::from_str(RULES).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() > 5, "{rules:?}");
    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        check(name, rule["expr"].as_str().unwrap());
        assert!(["critical", "warning"].map(Value::from).contains(&rule["labels"]["severity"]), "{name}");
        for annotation in ["summary", "description"] {
            assert!(rule["annotations"][annotation].is_string(), "{name} has no {annotation}");
        }
    }
    let configuration: Value = serde_saphyr::from_str(CONFIGURATION).unwrap();
    assert_eq!(configuration["rule_files"][0], "alerts.yml");
    assert_eq!(configuration["scrape_configs"][0]["job_name"], "tidegate");
}
