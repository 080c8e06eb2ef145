//! Cells on the wire, in the binary protocol.

use mysql_async::consts::ColumnType;
use mysql_async::{Column, Params, Value};

use crate::sql::{Cell, Row};

/// The character set of columns that hold bytes.
const BINARY: u16 = 63;

/// The values of a statement.
pub fn parameters(cells: &[Cell]) -> Params {
    if cells.is_empty() {
        return Params::Empty;
    }
    Params::Positional(cells.iter().map(value).collect())
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::NULL,
        Cell::Integer(number) => Value::Int(*number),
        Cell::Real(number) => Value::Double(*number),
        Cell::Text(text) => Value::Bytes(text.clone().into_bytes()),
        Cell::Bytes(bytes) => Value::Bytes(bytes.clone()),
    }
}

/// The cells of a row.
pub fn row(row: mysql_async::Row) -> Row {
    let columns = row.columns();
    Row(row.unwrap().into_iter().zip(columns.iter()).map(|(value, column)| cell(value, column)).collect())
}

fn cell(value: Value, column: &Column) -> Cell {
    match value {
        Value::NULL => Cell::Null,
        Value::Int(number) => Cell::Integer(number),
        Value::UInt(number) => i64::try_from(number).map_or(Cell::Text(number.to_string()), Cell::Integer),
        Value::Float(number) => Cell::Real(number.into()),
        Value::Double(number) => Cell::Real(number),
        Value::Bytes(bytes) => of_bytes(bytes, column.column_type(), column.character_set()),
        Value::Date(..) | Value::Time(..) => Cell::Text(value.as_sql(true).trim_matches('\'').to_owned()),
    }
}

fn of_bytes(bytes: Vec<u8>, kind: ColumnType, character_set: u16) -> Cell {
    use ColumnType::*;
    let is_bytes = match kind {
        // Names are binary, and are texts.
        MYSQL_TYPE_VARCHAR | MYSQL_TYPE_VAR_STRING | MYSQL_TYPE_STRING | MYSQL_TYPE_JSON => false,
        MYSQL_TYPE_BIT | MYSQL_TYPE_GEOMETRY => true,
        MYSQL_TYPE_TINY_BLOB | MYSQL_TYPE_MEDIUM_BLOB | MYSQL_TYPE_LONG_BLOB | MYSQL_TYPE_BLOB => {
            character_set == BINARY
        }
        _ => false,
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) if !is_bytes => text,
        Ok(text) => return Cell::Bytes(text.into_bytes()),
        Err(error) => return Cell::Bytes(error.into_bytes()),
    };
    // Sums of integers are decimals.
    if matches!(kind, MYSQL_TYPE_NEWDECIMAL | MYSQL_TYPE_DECIMAL) {
        if let Ok(number) = text.parse() {
            return Cell::Integer(number);
        }
        return text.parse().map_or(Cell::Text(text), Cell::Real);
    }
    Cell::Text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_what_their_column_says() {
        let check = |bytes: &[u8], kind, character_set, expected: Cell| {
            assert_eq!(of_bytes(bytes.to_vec(), kind, character_set), expected, "{kind:?}");
        };
        check(b"a", ColumnType::MYSQL_TYPE_VAR_STRING, BINARY, Cell::Text("a".into()));
        check(b"\xff", ColumnType::MYSQL_TYPE_VAR_STRING, BINARY, Cell::Bytes(vec![255]));
        check(b"a", ColumnType::MYSQL_TYPE_BLOB, BINARY, Cell::Bytes(vec![b'a']));
        check(b"a", ColumnType::MYSQL_TYPE_BLOB, 46, Cell::Text("a".into()));
        check(b"12", ColumnType::MYSQL_TYPE_NEWDECIMAL, BINARY, Cell::Integer(12));
        check(b"1.5", ColumnType::MYSQL_TYPE_NEWDECIMAL, BINARY, Cell::Real(1.5));
    }
}
