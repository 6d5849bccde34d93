/** A language in which every text is in brackets: what VS Code shows without them was not looked up. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const pseudoLanguage = "qps-ploc";

/** Adds the language to the extension that is installed in the folder. */
export function writePseudoLanguage(extensions: string): void {
  const name = readdirSync(extensions).find((folder) => folder.startsWith("lathe.lathe-"));
  if (name === undefined) throw new Error(`Lathe is not installed in ${extensions}.`);
  for (const file of ["package.nls", "l10n/bundle.l10n"]) {
    const path = join(extensions, name, file);
    const texts = JSON.parse(readFileSync(`${path}.json`, "utf8")) as Record<string, string>;
    // The product's name is the same in every language.
    const translated = Object.entries(texts).map(([key, text]) => [
      key,
      text === "Lathe" ? text : `⟦${text}⟧`,
    ]);
    writeFileSync(`${path}.${pseudoLanguage}.json`, JSON.stringify(Object.fromEntries(translated)));
  }
}
