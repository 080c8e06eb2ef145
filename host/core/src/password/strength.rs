//! How hard a password is to guess, as an estimate in bits: a length and the kinds of characters, without what is no work
//! to guess (repetitions, rows of a keyboard, the name of the account).

use std::collections::BTreeSet;

/// Characters that are looked at: more change nothing that matters, and a look at all of a long text takes long.
const LOOKED_AT: usize = 256;
/// Characters from which a name is looked for: shorter ones are in many words.
const SHORTEST_NAME: usize = 3;
/// Texts of which three characters in a row, in either direction, are as easy to guess as two.
const ROWS: [&str; 5] = ["abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"];

/// Bits of the work to guess the password of the account with this name.
pub fn strength(password: &str, username: &str) -> f64 {
    let signs: Vec<char> = password.chars().take(LOOKED_AT).collect();
    let lower: Vec<char> = signs.iter().map(|sign| lower_case(*sign)).collect();
    let name = positions_of(username, &lower);
    let counted = (0..lower.len()).filter(|at| !name.contains(at) && !adds_nothing(&lower, *at)).count();
    f64::from(u32::try_from(counted).unwrap_or(u32::MAX)) * f64::from(alphabet(&signs)).log2()
}

/// Whether a character is of a kind, and how many of that kind there are.
type Kind = (fn(&char) -> bool, u32);

/// How many characters there are of the kinds that the password has.
fn alphabet(signs: &[char]) -> u32 {
    let kinds: [Kind; 5] = [
        (|sign| sign.is_ascii_lowercase(), 26),
        (|sign| sign.is_ascii_uppercase(), 26),
        (|sign| sign.is_ascii_digit(), 10),
        (|sign| sign.is_ascii() && !sign.is_ascii_alphanumeric(), 33),
        (|sign| !sign.is_ascii(), 128),
    ];
    let sizes = kinds.iter().filter(|(is_of, _)| signs.iter().any(is_of)).map(|(_, size)| *size);
    // An empty password has none, whose logarithm there is not.
    sizes.sum::<u32>().max(1)
}

/// Whether a character is foreseen by the two before it.
fn adds_nothing(lower: &[char], at: usize) -> bool {
    let Some(three) = at.checked_sub(2).and_then(|start| lower.get(start..=at)) else { return false };
    let is_repeated = lower.get(..at).is_some_and(|before| before.windows(3).any(|earlier| earlier == three));
    let forward: String = three.iter().collect();
    let backward: String = three.iter().rev().collect();
    let is_one = three.first() == three.last() && three.first() == three.get(1);
    is_one || is_repeated || ROWS.iter().any(|row| row.contains(&forward) || row.contains(&backward))
}

fn positions_of(username: &str, lower: &[char]) -> BTreeSet<usize> {
    let name: Vec<char> = username.chars().map(lower_case).collect();
    if name.len() < SHORTEST_NAME {
        return BTreeSet::new();
    }
    let found = lower.windows(name.len()).enumerate().filter(|(_, part)| *part == name);
    found.flat_map(|(start, part)| start..start + part.len()).collect()
}

fn lower_case(sign: char) -> char {
    sign.to_lowercase().next().unwrap_or(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The estimate is between two numbers.
    fn check(password: &str, least: f64, most: f64) {
        let bits = strength(password, "margaret");
        assert!((least..most).contains(&bits), "{password}: {bits}");
    }

    #[test]
    fn what_is_no_work_to_guess_counts_for_nothing() {
        check("", 0.0, 0.1);
        check("1", 3.0, 4.0);
        check("kpmwxzvt", 37.0, 38.0);
        check("kPmw7z!t", 52.0, 53.0);
        check("kpmwxzvtkpmwxzvt", 46.0, 48.0);
        check("aaaaaaaaaaaaaaaa", 9.0, 10.0);
        check("abcdefghijklmnop", 9.0, 10.0);
        check("09876543210987654321", 6.0, 14.0);
        check("QWERTYuiop", 11.0, 12.0);
        check("Margaret", 0.0, 0.1);
        check("margaret1", 0.0, 6.0);
        check("kürbiskern", 70.0, 75.0);
        check(&"x1".repeat(100_000), 15.0, 25.0);
    }

    #[test]
    fn a_short_name_is_in_many_words() {
        assert!(strength("orange42", "or") > strength("orange42", "orange"));
    }
}
