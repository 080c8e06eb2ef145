//! Counts how many tries to log in a connection has left (A3-13).

/// Every refusal is a failed try, except the client's first question which methods there are.
pub struct Tries {
    /// `None`: any number.
    left: Option<usize>,
    has_asked: bool,
}

impl Tries {
    pub fn new(max: Option<usize>) -> Self {
        Self { left: max, has_asked: false }
    }

    pub fn failed(&mut self) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
    }

    /// Counts a request with the method `none`, by which clients ask which methods there are (B12-05).
    pub fn asked(&mut self) {
        if std::mem::replace(&mut self.has_asked, true) {
            self.failed();
        }
    }

    /// Leaves no try: the connection ends for another reason.
    pub fn end(&mut self) {
        self.left = Some(0);
    }

    pub fn are_over(&self) -> bool {
        self.left == Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n`: the method `none`; `f`: a failed try. `expected`: the request, counted from 1, after
    /// which no tries are left.
    fn check(max: Option<usize>, requests: &str, expected: Option<usize>) {
        let mut tries = Tries::new(max);
        let over = requests.chars().position(|request| {
            match request {
                'n' => tries.asked(),
                _ => tries.failed(),
            }
            tries.are_over()
        });
        assert_eq!(over.map(|at| at + 1), expected, "{max:?} {requests}");
    }

    #[test]
    fn an_end_leaves_no_try() {
        for max in [None, Some(6)] {
            let mut tries = Tries::new(max);
            tries.end();
            assert!(tries.are_over(), "{max:?}");
        }
    }

    #[test]
    fn the_first_question_is_no_try() {
        // A3-13, B12-05
        check(Some(1), "n", None);
        check(Some(1), "f", Some(1));
        check(Some(1), "nf", Some(2));
        check(Some(1), "fn", Some(1));
        check(Some(2), "fn", None);
        check(Some(2), "nff", Some(3));
        check(Some(2), "nnn", Some(3));
        check(Some(6), "nfffff", None);
        check(None, "nnnnffff", None);
    }
}
