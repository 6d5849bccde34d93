/** The methods of Python's `str` whose results differ from JavaScript's. */

/** What `str.isspace`, `str.strip` and `\s` of a text count as blank. */
export const pythonSpace =
  "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const leading = new RegExp(`^[${pythonSpace}]+`);
const trailing = new RegExp(`[${pythonSpace}]+$`);
const blanks = new RegExp(`[${pythonSpace}]+`);

export function stripStart(text: string): string {
  return text.replace(leading, "");
}

export function stripEnd(text: string): string {
  return text.replace(trailing, "");
}

export function strip(text: string): string {
  return stripEnd(stripStart(text));
}

/** `re.split(r"\s+", text)`, whose parts at the ends may be empty. */
export function splitAtSpaces(text: string): string[] {
  return text.split(blanks);
}

/** Upper, title and lower case of the letters of two sounds, whose title case differs from their upper case. */
const digraphs = "ǄǅǆǇǈǉǊǋǌǱǲǳ";

/** The first character in title case, the others in lower case. */
export function capitalize(text: string): string {
  const [first = ""] = text;
  const [head = "", ...rest] = first.toUpperCase();
  const digraph = first === "" ? -1 : digraphs.indexOf(first);
  const title = digraph < 0 ? head + rest.join("").toLowerCase() : digraphs[digraph - (digraph % 3) + 1]!;
  return title + text.slice(first.length).toLowerCase();
}
