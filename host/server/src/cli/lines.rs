//! Lines that commands print for people. What others have named does not control the terminal, nor hide in it.

/// Prints a line on standard output.
macro_rules! print_line {
    ($($text:tt)*) => { println!("{}", tidegate_core::terminal::on_one_line(&format!($($text)*))) };
}

/// Prints a line on standard error.
macro_rules! warn_line {
    ($($text:tt)*) => { eprintln!("{}", tidegate_core::terminal::on_one_line(&format!($($text)*))) };
}

pub(crate) use print_line;
pub(crate) use warn_line;
