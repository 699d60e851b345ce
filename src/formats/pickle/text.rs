//! Numbers and strings of the text protocol, and integers of any size.

use super::graph::Node;

/// `I` and `L` lines: `12`, `12L`; with `booleans`, `01` and `00` are `True` and `False`.
pub(super) fn integer(line: &[u8], booleans: bool) -> Option<Node> {
    match line {
        b"01" if booleans => return Some(Node::Bool(true)),
        b"00" if booleans => return Some(Node::Bool(false)),
        _ => {}
    }
    let text = std::str::from_utf8(line).ok()?.trim();
    let text = text.strip_suffix('L').unwrap_or(text);
    if let Ok(value) = text.parse() {
        return Some(Node::Int(value));
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_decimal = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_decimal.then(|| Node::BigInt(text.into()))
}

/// A little-endian two's complement integer.
pub(super) fn long(bytes: &[u8]) -> Node {
    let negative = bytes.last().is_some_and(|&b| b >= 0x80);
    if bytes.len() <= 16 {
        let mut wide = [if negative { 0xff } else { 0 }; 16];
        wide[..bytes.len()].copy_from_slice(bytes);
        let value = i128::from_le_bytes(wide);
        return i64::try_from(value).map_or_else(|_| Node::BigInt(value.to_string().into()), Node::Int);
    }
    // Magnitude: complement and add one.
    let mut carry = negative;
    let mut magnitude = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        let (sum, overflow) = (if negative { !byte } else { byte }).overflowing_add(carry.into());
        magnitude.push(sum);
        carry = overflow;
    }
    let mut text = String::with_capacity(bytes.len() * 2 + 3);
    text.push_str(if negative { "-0x" } else { "0x" });
    for byte in magnitude.iter().rev() {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    Node::BigInt(text.into())
}

pub(super) fn float(line: &[u8]) -> Option<f64> {
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

/// Latin-1 with `\uXXXX` and `\UXXXXXXXX`.
pub(super) fn raw_unicode_escape(line: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digits = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(byte.into());
                continue;
            }
        };
        let code = hexadecimal(after.get(1..1 + digits)?)?;
        rest = &after[1 + digits..];
        text.push(char::from_u32(code)?);
    }
    Some(text)
}

/// A Python string literal: quotes and backslash escapes.
pub(super) fn quoted(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.trim_ascii();
    let (&quote, rest) = line.split_first()?;
    let (&end, mut rest) = rest.split_last()?;
    if !matches!(quote, b'\'' | b'"') || end != quote {
        return None;
    }
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&escape, after) = rest.split_first()?;
        rest = after;
        let value = match escape {
            b'\\' | b'\'' | b'"' => escape,
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            b'x' => {
                let value = hexadecimal(rest.get(..2)?)?;
                rest = &rest[2..];
                value as u8
            }
            b'0'..=b'7' => {
                let more = rest.iter().take(2).take_while(|b| (b'0'..=b'7').contains(b)).count();
                let digits = std::iter::once(&escape).chain(&rest[..more]);
                let value = digits.fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
                rest = &rest[more..];
                u8::try_from(value).ok()?
            }
            // As in Python, an unknown escape keeps its backslash.
            other => {
                bytes.push(b'\\');
                other
            }
        };
        bytes.push(value);
    }
    Some(bytes)
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value: u32, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}
