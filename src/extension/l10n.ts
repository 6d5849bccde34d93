/**
 * The texts of the extension host in the language of VS Code, in English where there is no translation. What presents runs
 * works without an editor, so this file knows none: the extension hands over `vscode.l10n.t` before anything else is loaded.
 * `npm run generate` collects the texts into l10n/bundle.l10n.json, so each is written out where it is used.
 */

import { formatCount } from "../protocol/quantities";

type Argument = string | number;
export type Translate = (message: string, ...args: Argument[]) => string;

let translate: Translate = (message, ...args) =>
  message.replace(/\{(\d+)\}/g, (whole, index: string) => String(args[Number(index)] ?? whole));

export function setTranslate(translation: Translate): void {
  translate = translation;
}

/** `{0}`, `{1}` … in the message are replaced by the arguments. */
export function t(message: string, ...args: readonly Argument[]): string {
  return translate(message, ...args);
}

/** `one` where the count is 1, otherwise `other`, in which `{0}` is the count. */
export function plural(count: number, one: string, other: string): string {
  return count === 1 ? translate(one) : translate(other, formatCount(count));
}
