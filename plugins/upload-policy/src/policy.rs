use serde::{Deserialize, Deserializer};

/// Patterns are of names, not of paths, in any case; `*` stands for anything.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Without any, all.
    allowed_names: Vec<String>,
    denied_names: Vec<String>,
    /// 0: no limit.
    max_bytes: u64,
    contents: Vec<Contents>,
}

/// What files of certain names begin with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    names: Vec<String>,
    /// In hexadecimal; one of them is enough.
    #[serde(deserialize_with = "hexadecimal")]
    magic: Vec<Vec<u8>>,
}

impl Policy {
    pub fn problem_of_name(&self, path: &str) -> Option<String> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_one_of = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
        let allowed = self.allowed_names.is_empty() || is_one_of(&self.allowed_names);
        (!allowed || is_one_of(&self.denied_names)).then(|| format!("files called \"{name}\" are not taken here"))
    }

    pub fn problem_of_size(&self, size: u64) -> Option<String> {
        let too_long = self.max_bytes > 0 && size > self.max_bytes;
        too_long.then(|| format!("the file has {size} bytes, and {} are allowed", self.max_bytes))
    }

    pub fn kind_of(&self, path: &str) -> Option<&Contents> {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.contents.iter().find(|contents| contents.names.iter().any(|pattern| matches(pattern, name)))
    }
}

impl Contents {
    pub fn longest(&self) -> u32 {
        self.magic.iter().map(|magic| magic.len() as u32).max().unwrap_or(0)
    }

    pub fn matches(&self, beginning: &[u8]) -> bool {
        self.magic.iter().any(|magic| beginning.starts_with(magic))
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    // Each part as early as possible leaves the most for those after it.
    let middle = parts.iter().try_fold(rest, |rest, part| rest.find(part).and_then(|at| rest.get(at + part.len()..)));
    middle.is_some_and(|rest| rest.ends_with(last))
}

fn hexadecimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let bytes = |text: &String| {
        let digits = text.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
            u8::from_str_radix(pair, 16).ok()
        });
        digits
            .collect::<Option<Vec<u8>>>()
            .ok_or_else(|| serde::de::Error::custom(format!("\"{text}\" is not hexadecimal")))
    };
    texts.iter().map(bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*.pdf", "a.PDF", true),
            ("*.pdf", "a.pdf.exe", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("*a*", "xay", true),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
