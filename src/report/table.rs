use std::fmt;

/// A table for the terminal and for Markdown alike: columns padded to one width, numbers as they were written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextTable {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl TextTable {
    /// A table with these column names.
    pub fn new<const N: usize>(header: [&str; N]) -> Self {
        Self { header: header.map(str::to_string).into(), rows: vec![] }
    }

    /// Adds a row; missing cells are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) -> &mut Self {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        cells.resize(self.header.len(), String::new());
        self.rows.push(cells);
        self
    }
}

impl fmt::Display for TextTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = || std::iter::once(&self.header).chain(&self.rows);
        let width = |c: usize| lines().map(|line| line[c].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let write_line = |f: &mut fmt::Formatter<'_>, cells: &[String]| {
            for (cell, width) in cells.iter().zip(&widths) {
                write!(f, "| {cell}{} ", " ".repeat(width - cell.chars().count()))?;
            }
            writeln!(f, "|")
        };
        write_line(f, &self.header)?;
        widths.iter().try_for_each(|width| write!(f, "|{}", "-".repeat(width + 2)))?;
        writeln!(f, "|")?;
        self.rows.iter().try_for_each(|row| write_line(f, row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = TextTable::new(["model", "nDCG"]);
        table.row(["JPoSE", "53.4 ± 0.2"]).row(["chance"]);
        let want =
            "| model  | nDCG       |\n|--------|------------|\n| JPoSE  | 53.4 ± 0.2 |\n| chance |            |\n";
        assert_eq!(table.to_string(), want);
    }
}
