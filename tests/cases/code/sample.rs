//! A tiny tokenizer and evaluator of arithmetic.

use std::collections::HashMap;
use std::fmt;

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Number(f64),
    Name(String),
    Operator(char),
}

#[derive(Debug)]
pub enum Error {
    Unexpected(char, usize),
    Unknown(String),
    Incomplete,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unexpected(c, at) => write!(f, "unexpected '{}' at {}", c, at),
            Error::Unknown(name) => write!(f, "unknown name {name:?}"),
            Error::Incomplete => f.write_str("incomplete expression"),
        }
    }
}

impl std::error::Error for Error {}

pub fn tokenize(text: &str) -> Result<Vec<Token>, Error> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some(&(at, c)) = chars.peek() {
        if c.is_whitespace() {
            chars.next();
        } else if c.is_ascii_digit() || c == '.' {
            let mut number = String::new();
            while let Some(&(_, d)) = chars.peek() {
                if !d.is_ascii_digit() && d != '.' {
                    break;
                }
                number.push(d);
                chars.next();
            }
            tokens.push(Token::Number(number.parse().map_err(|_| Error::Unexpected(c, at))?));
        } else if c.is_alphabetic() {
            let name: String = std::iter::from_fn(|| chars.next_if(|(_, d)| d.is_alphanumeric()))
                .map(|(_, d)| d)
                .collect();
            tokens.push(Token::Name(name));
        } else if "+-*/()".contains(c) {
            tokens.push(Token::Operator(c));
            chars.next();
        } else {
            return Err(Error::Unexpected(c, at));
        }
    }
    Ok(tokens)
}

pub struct Scope<'a> {
    names: HashMap<&'a str, f64>,
    parent: Option<&'a Scope<'a>>,
}

impl<'a> Scope<'a> {
    pub fn new(parent: Option<&'a Scope<'a>>) -> Self {
        Scope { names: HashMap::new(), parent }
    }

    pub fn get(&self, name: &str) -> Result<f64, Error> {
        match (self.names.get(name), self.parent) {
            (Some(&value), _) => Ok(value),
            (None, Some(parent)) => parent.get(name),
            (None, None) => Err(Error::Unknown(name.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        let tokens = tokenize("2.5 * width").unwrap();
        assert_eq!(tokens.len(), 3);
        assert_eq!(tokens[0], Token::Number(2.5));
        assert!(matches!(tokenize("2 ? 3"), Err(Error::Unexpected('?', 2))));
    }
}
