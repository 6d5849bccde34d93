/** Tables as text: comma-separated for files (RFC 4180), tab-separated for the clipboard. */

export type CsvValue = string | number | boolean | null | undefined;

export function formatCsv(rows: readonly (readonly CsvValue[])[]): string {
  return rows.map((row) => `${formatCsvRow(row)}\r\n`).join("");
}

/** Without its end. Numbers keep all their digits; texts that a spreadsheet would take for a formula are defused. */
export function formatCsvRow(row: readonly CsvValue[]): string {
  return row
    .map((value) => {
      const text = escapeFormula(value);
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    })
    .join(",");
}

/** For pasting into a spreadsheet or a document; a cell stays a cell. */
export function formatTabSeparated(rows: readonly (readonly CsvValue[])[]): string {
  return rows
    .map((row) => row.map((value) => escapeFormula(value).replace(/[\t\r\n]+/g, " ")).join("\t"))
    .join("\n");
}

/** A spreadsheet computes what begins with one of these signs, full-width forms included; an apostrophe makes it a text. */
function escapeFormula(value: CsvValue): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") return String(value);
  return /^\s*[=+\-@＝＋－＠|]|^[\t\r\n]/u.test(value) ? `'${value}` : value;
}
