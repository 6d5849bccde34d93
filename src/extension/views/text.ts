/** Text of runs, models and files in the places that trees have for it. */
import { getFileName, removeExperimentEnding } from "../../protocol/fileName";
import { escapeControls } from "../plainText";

/** On one line, without anything that steers, and no longer than a row can show. */
export function toSingleLine(text: string, maxLength = 200): string {
  // Cut before it is cleaned: a name may be megabytes long.
  const clean = escapeControls(text.slice(0, maxLength * 4).replace(/\s+/g, " ")).trim();
  const characters = Array.from(clean);
  return characters.length > maxLength ? `${characters.slice(0, maxLength - 1).join("")}…` : clean;
}

/**
 * For tooltips, which are Markdown. Every sign is escaped, also those of addresses: a bare `https://…` would become a link,
 * and the text must not control its own appearance.
 */
export function escapeMarkdown(text: string, maxLength = 500): string {
  return toSingleLine(text, maxLength).replace(/[!-/:-@[-`{-~]/g, "\\$&");
}

/** For messages of a view and quick picks, which make links of `[label](target)` and pictures of `$(name)`. */
export function escapeLinks(text: string): string {
  return text.replace(/\](?=\()|\$(?=\()/g, "$&\u200b");
}

/** What an experiment is called where its file is not read. */
export function getExperimentTitle(path: string): string {
  return removeExperimentEnding(getFileName(path));
}
