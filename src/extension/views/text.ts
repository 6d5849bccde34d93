/** Text of runs, models and files in the places that trees have for it. */
import { fileName } from "../../protocol/fileName";
import { plainText } from "../plainText";

/** On one line, without anything that steers, and no longer than a row can show. */
export function oneLine(text: string, most = 200): string {
  // Cut before it is cleaned: a name may be megabytes long.
  const clean = plainText(text.slice(0, most * 4).replace(/\s+/g, " ")).trim();
  const letters = Array.from(clean);
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : clean;
}

/**
 * For tooltips, which are Markdown. Every sign is escaped, also those of addresses: a bare `https://…` would become a link,
 * and the text must not control its own appearance.
 */
export function markdownText(text: string, most = 500): string {
  return oneLine(text, most).replace(/[!-/:-@[-`{-~]/g, "\\$&");
}

/** For messages of a view and quick picks, which make links of `[label](target)` and pictures of `$(name)`. */
export function unlinked(text: string): string {
  return text.replace(/\](?=\()|\$(?=\()/g, "$&\u200b");
}

/** What an experiment is called where its file is not read. */
export function experimentTitle(path: string): string {
  return fileName(path).replace(/(\.lathe)?\.(md|ya?ml)$/i, "");
}
